// expected-error: the sentence that is not there
// A program that is refused, but with other words than expected.
static_assert(sizeof(int) == 1, "an int has one byte");
