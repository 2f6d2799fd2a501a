// expected-error: an int has one byte
// A program that is refused twice, where one mistake must give one error.
static_assert(sizeof(int) == 1, "an int has one byte");
static_assert(sizeof(int) == 1, "an int has one byte");
