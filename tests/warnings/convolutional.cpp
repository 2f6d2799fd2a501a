// Layers of images, and the policies that other nets have not: in double too where they are for it.
#include <foal/foal.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/storage.hpp>
#include <foal/policy/wire.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/zoo/resnet.hpp>

namespace {

struct net : foal::stages<foal::input<3, 8, 8>, foal::conv_no_bias<8, 3>, foal::batch_norm, foal::relu, foal::max_pool<2>,
                          foal::residual<foal::conv<8, 3>, foal::group_norm<2>, foal::gelu>, foal::dropout<1, 10>,
                          foal::avg_pool<2>, foal::flatten, foal::linear<3>> {};

template <class Schedule, class... Policies>
using run = foal::trainer<net, foal::loss::cross_entropy, Schedule, Policies...>;

template <class Run, class S>
bool learns(foal::data::memory<S> const& pictures) {
  Run t({.microbatch_size = 4, .microbatches = 2});
  return !t.fit(pictures, {.epochs = 1, .quiet = true}).diverged;
}

template <class S>
foal::data::memory<S> pictures(S value) {
  return {foal::image(3, 8, 8), std::vector<S>(8 * 3 * 64, value), std::vector<std::int32_t>(8, 1)};
}

}  // namespace

int main() {
  bool const all = learns<run<foal::schedule::async_1f1b, foal::optim::averaged<foal::optim::adamw>, foal::versions::stash,
                              foal::storage::bfloat16, foal::wire::int8>>(pictures(0.5F)) &&
                   learns<run<foal::schedule::recomputed<foal::schedule::pipemare>, foal::optim::adam, foal::scalar<double>,
                              foal::delay::chain<foal::delay::discrepancy_correction, foal::delay::discrepancy_correction>>>(
                       pictures(0.5));
  return all ? 0 : 1;
}
