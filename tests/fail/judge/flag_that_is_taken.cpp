// expected-error: an int has one byte
// with-flags: -DNOTHING_FOLLOWS_FROM_THIS
// A program whose flags nobody refuses, with an error of another kind.
static_assert(sizeof(int) == 1, "an int has one byte");
