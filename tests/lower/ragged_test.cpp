// Training on ragged microbatches: what padding gives, the same bits everywhere, and what refuses them.
#include <foal/lower/ragged.hpp>

#include <catch2/catch.hpp>
#include <vector>

#include <foal/data/parallel_source.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/cut.hpp>
#include <foal/zoo/gpt.hpp>
#include <foal/zoo/transformer.hpp>

namespace {

using namespace foal;

constexpr int vocabulary = 9;

struct net : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                    .decoder_layers = 2,
                                                    .width = 8,
                                                    .heads = 2,
                                                    .hidden = 12,
                                                    .source_vocabulary = vocabulary,
                                                    .target_vocabulary = vocabulary,
                                                    .longest = 9,
                                                    .dropout_percent = 20,
                                                    .where = zoo::norm::after,
                                                    .shared = zoo::sharing::all}> {};

struct language : zoo::gpt<zoo::gpt_size{.layers = 1, .width = 8, .heads = 2, .vocabulary = vocabulary, .longest = 9}> {};

/// Pairs of texts of 1 to 8 tokens and 1 to 6.
data::parallel_source pairs() {
  std::vector<std::vector<std::int32_t>> source, target;
  for (int i = 0; i < 40; ++i) {
    source.emplace_back(1 + i * 5 % 8, 4 + i % 5);
    target.emplace_back(1 + i * 7 % 6, 4 + i * 3 % 5);
  }
  return {source, target};
}

/// The same targets without a source.
struct texts {
  data::parallel_source both = pairs();
  long long size() const { return both.size(); }
  static int axes() { return 1; }
  int length(long long i, int) const { return both.length(i, 2); }
  int longest(int) const { return both.longest(2); }
  static int entries() { return 1; }
  static int entry_axis(int) { return 1; }
  long long weight(long long i) const { return both.weight(i); }
  template <class S>
  void write_entry(long long i, int, int row, S* x) const {
    both.write_entry(i, 2, row, x);
  }
  void write_target(long long i, int row, std::int32_t* t) const { both.write_target(i, row, t); }
};
static_assert(data::sequence_source<texts>);

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, optim::adam, More...>;

/// The weights after two epochs, and the loss of every microbatch.
template <class Run, class Source>
auto trained(Source const& source, data::layout lie, int workers = 1) {
  constexpr int m = 4, n = 2;
  Run t({.microbatch_size = m, .microbatches = n, .workers = workers, .lr = {.rate = 0.01F}});
  data::sequence_batches<Source> const batches(source, {.microbatch_size = m, .microbatches = n, .seed = 3}, lie, 2);
  auto const result = t.run(batches, {.minibatches = 2 * batches.minibatches_per_epoch(), .every_loss = true});
  CHECK_FALSE(result.diverged);
  auto all = t.all_weights();
  for (auto const& loss : result.losses) all.push_back(static_cast<typename Run::scalar_type>(loss.sum / loss.weight));
  return all;
}

template <class Run, class Source>
void check_against_padded(Source const& source) {
  auto const padded = trained<Run>(source, data::layout::padded), ragged = trained<Run>(source, data::layout::ragged);
  REQUIRE(padded.size() == ragged.size());
  for (std::size_t i = 0; i < padded.size(); ++i) REQUIRE(ragged[i] == Approx(padded[i]).epsilon(1e-8).margin(1e-10));
}

template <class Run>
void check_workers() {
  auto const one = trained<Run>(pairs(), data::layout::ragged);
  for (int workers : {2, 3, 7, Run::stages})
    if (workers <= Run::most_ranks) CHECK(trained<Run>(pairs(), data::layout::ragged, workers) == one);
}

std::size_t bytes_in(executor::run_cut const& cut) {
  std::size_t sum = 0;
  for (executor::saved_array const& a : cut.arrays)
    for (executor::saved_slot const& slot : a.slots) sum += slot.bytes.size();
  return sum;
}

/// Cut at many places and gone on with elsewhere it comes to the bits of the run that is not cut; a cut has no more than the
/// microbatches in flight fill.
template <class Run>
void check_cuts(int workers) {
  constexpr int m = 4, n = 2;
  data::parallel_source const source = pairs();
  auto const make = [](int on) {
    return Run({.microbatch_size = m, .microbatches = n, .workers = on, .lr = {.rate = 0.01F}});
  };
  auto const batches = [&](data::layout lie) {
    return data::sequence_batches<data::parallel_source>(source, {.microbatch_size = m, .microbatches = n, .seed = 3}, lie,
                                                         2);
  };
  auto const ragged = batches(data::layout::ragged), padded = batches(data::layout::padded);
  Run whole(make(1));
  whole.run(ragged, {.minibatches = 6});
  for (long long key = 40; key < 400; key += 37) {
    INFO("key " << key << ", " << workers << " workers");
    Run t(make(workers)), other(make(3 - workers)), longest(make(1));
    if (!t.run(ragged, {.minibatches = 6, .pause = executor::run_place{0, key}}).paused) continue;
    trainer_cut const cut = t.cut();
    other.restore(cut);
    CHECK_FALSE(other.resume(ragged, {}).paused);
    CHECK(other.all_weights() == whole.all_weights());
    REQUIRE(longest.run(padded, {.minibatches = 6, .pause = executor::run_place{0, key}}).paused);
    CHECK(bytes_in(cut.run) < bytes_in(longest.cut().run));
  }
}

/// Adds up to each position those before it: none of its numbers is of one position alone.
struct running_sum {
  static constexpr char const* name = "running_sum";
  static constexpr shape output(shape in) { return in; }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    int const width = ctx.in.channels(), row = ctx.in.size();
    for (int s = 0; s < ctx.samples; ++s)
      for (int i = 0; i < row; ++i) y[s * row + i] = x[s * row + i] + (i < width ? S(0) : y[s * row + i - width]);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    int const width = ctx.in.channels(), row = ctx.in.size();
    for (int s = 0; s < ctx.samples; ++s)
      for (int i = row - 1; i >= 0; --i)
        dx[s * row + i] = dy[s * row + i] + (i + width < row ? dx[s * row + i + width] : S(0));
  }
};
struct summed : stages<tokens<9, 1>, embedding<vocabulary, 8>, running_sum, logits<vocabulary>> {};

}  // namespace

TEST_CASE("a cut on ragged microbatches has what they fill, and goes on to the same bits") {
  for (int workers : {1, 2}) {
    check_cuts<run<net, schedule::pipemare, delay::discrepancy_correction>>(workers);
    check_cuts<run<net, schedule::recomputed<schedule::pipemare>>>(workers);
  }
}

TEST_CASE("Ragged microbatches train a Transformer as padded ones do, dropout's masks among it", "[ragged]") {
  check_against_padded<run<net, schedule::gpipe, scalar<double>>>(pairs());
  check_against_padded<run<net, schedule::pipemare, scalar<double>, delay::discrepancy_correction>>(pairs());
  check_against_padded<run<language, schedule::async_1f1b, scalar<double>>>(texts{});
}

TEST_CASE("Ragged microbatches give the same bits on any number of workers", "[ragged]") {
  check_workers<run<net, schedule::pipemare>>();
  check_workers<run<net, schedule::async_1f1b, versions::stash>>();
  check_workers<run<net, schedule::recomputed<schedule::pipemare>, storage::bfloat16>>();
  using threads = run<net, schedule::gpipe>;
  using single = run<net, schedule::gpipe, executor::single_thread>;
  CHECK(trained<single>(pairs(), data::layout::ragged) == trained<threads>(pairs(), data::layout::ragged, 3));
}

TEST_CASE("A model is ragged if all its layers and its loss take that, and padded else", "[ragged]") {
  using entropy = loss::cross_entropy;
  CHECK(lower::what_pads<net, entropy>() == nullptr);
  static_assert(lower::best_layout<net, entropy>() == data::layout::ragged);
  static_assert(lower::best_layout<language, entropy>() == data::layout::ragged);
  static_assert(lower::best_layout<summed, entropy>() == data::layout::padded);
  static_assert(lower::best_layout<language, loss::mean_squared_error>() == data::layout::padded);
  CHECK(lower::what_pads<summed, entropy>() == std::string("running_sum"));
  CHECK(lower::what_pads<language, loss::mean_squared_error>() == std::string("loss"));

  texts const source;
  run<summed, schedule::gpipe> t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01F}});
  CHECK(t.fit(source, {.epochs = 2, .quiet = true}).updates == 10);
  data::sequence_batches<texts> const ragged(source, {.microbatch_size = 4, .microbatches = 2}, data::layout::ragged);
  CHECK_THROWS_WITH(t.run(ragged, {.minibatches = 1}), Catch::Matchers::Contains("on ragged microbatches, because its "
                                                                                 "running_sum takes sequences only padded"));
}
