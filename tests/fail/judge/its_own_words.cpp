// expected-error: an int has two bytes
// A program that is refused as it says, between others that are not.
static_assert(sizeof(int) == 2, "an int has two bytes");
