// A small net with the policies of PipeMare, from the umbrella header.
#include <foal/foal.hpp>
#include <foal/predictor.hpp>

namespace {

struct net : foal::stages<foal::input<1, 1, 4>, foal::flatten, foal::linear<8>, foal::relu, foal::linear<8>, foal::tanh,
                          foal::linear<3>> {};

template <class Schedule, class... Policies>
using run = foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, Policies...>;

template <class Run>
bool learns(foal::data::memory<> const& table, int updates) {
  Run t({.microbatch_size = 2, .microbatches = 2, .workers = 2});
  return !t.fit(table, {.epochs = updates, .evaluate = table, .quiet = true}).diverged;
}

}  // namespace

int main() {
  foal::data::memory<> const table(foal::image(1, 1, 4), std::vector<float>(40, 0.5F), std::vector<std::int32_t>(10, 1));
  bool const both = learns<run<foal::schedule::pipemare, foal::delay::discrepancy_correction,
                               foal::lr::reschedule<foal::lr::step>, foal::warmup::synchronous>>(table, 2) &&
                    learns<run<foal::schedule::gpipe>>(table, 2);
  return both ? 0 : 1;
}
