// expected-error: is each value a member of fit_options, in order
// expected-kind: no matching
// An option that fit() has not.
#include <foal/data/idx.hpp>

#include "net.hpp"

void train(run<foal::schedule::gpipe>& t, foal::data::dataset const& digits) { t.fit(digits.train, {.epoch = 3}); }

int main() {}
