// expected-error: static assertion
// A program that compiles: the judge must not take it for a refusal.
int main() {}
