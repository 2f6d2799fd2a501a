// expected-error: cannot take samples from this Source, because it is a data set of two parts; give dataset.train to fit
// compiled-alone: evaluation_on_a_dataset asks the same of the same type
// A data set where one of its parts is wanted.
#include <foal/data/idx.hpp>

#include "net.hpp"

void train(run<foal::schedule::gpipe>& t, foal::data::dataset const& digits) { t.fit(digits, {.epochs = 3}); }

int main() {}
