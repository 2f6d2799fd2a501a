// The same number of stages in which no two neighbours are alike: the compiler can share nothing between them.
#include <utility>

#include <foal/foal.hpp>

// Channel counts 8, 9, 10, ... so that each convolution is a type of its own.
template <class Indices>
struct deep;
template <int... I>
struct deep<std::integer_sequence<int, I...>>
    : foal::stages<foal::input<3, 32, 32>, foal::stage<foal::conv<8 + I, 3>, foal::group_norm<1>, foal::relu>...,
                   foal::global_avg_pool, foal::linear<10>> {};
struct net : deep<std::make_integer_sequence<int, 106>> {};

using run =
    foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                  foal::lr::reschedule<foal::lr::step>, foal::delay::discrepancy_correction, foal::warmup::synchronous>;
static_assert(run::stages == 107);

int main() {
  foal::data::dataset const images = foal::data::cifar10("cifar10");
  run t({.microbatch_size = 8, .microbatches = 8, .workers = 2});
  t.fit(images.train, {.epochs = 1, .evaluate = images.test});
}
