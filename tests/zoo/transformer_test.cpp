// Transformers: stages as the paper counts them, gradients, bits on any workers and lengths, what padding changes.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>
#include <foal/zoo/transformer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/gradient_check.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

static_assert(stage_count<zoo::transformer<zoo::transformer_size{}>> == 93);
static_assert(stage_count<zoo::transformer<zoo::transformer_size{.shared = zoo::sharing::all}>> == 91);
static_assert(stage_count<zoo::transformer<zoo::transformer_size{.shared = zoo::sharing::decoder}>> == 92);
// Norms before: the two last ones are more.
static_assert(stage_count<zoo::transformer<zoo::transformer_size{.where = zoo::norm::before}>> == 95);
// Two embeddings, six layers each, the scores.
static_assert(stage_count<zoo::transformer<zoo::transformer_size{.stages = zoo::cut::layers}>> == 1 + 6 + 1 + 6 + 1);
static_assert(stage_count<zoo::gpt<zoo::gpt_size{}>> == 2 + 12 * 6 + 1);

constexpr int vocabulary = 11, longest = 6;
constexpr zoo::transformer_size tiny(zoo::norm where, zoo::sharing shared, int dropout) {
  return {.encoder_layers = 1,
          .decoder_layers = 2,
          .width = 8,
          .heads = 2,
          .hidden = 12,
          .source_vocabulary = vocabulary,
          .target_vocabulary = vocabulary,
          .longest = longest,
          .dropout_percent = dropout,
          .where = where,
          .shared = shared};
}
struct smooth : zoo::transformer<tiny(zoo::norm::before, zoo::sharing::all, 0)> {};
struct after : zoo::transformer<tiny(zoo::norm::after, zoo::sharing::all, 0)> {};
struct dropped : zoo::transformer<tiny(zoo::norm::after, zoo::sharing::all, 20)> {};

/// Random pairs of texts; the lengths of sample i follow from i alone. `padding` positions more than the longest one needs.
struct pairs {
  int samples = 2;       // M
  int microbatches = 2;  // N
  int padding = 0;
  int source_length(long long i) const { return 2 + static_cast<int>(i * 7 % 4); }
  int target_length(long long i) const { return 1 + static_cast<int>(i * 5 % 5); }
  static int token(long long i, int text, int position) {
    random_key const key{3, purpose::user, static_cast<std::uint32_t>(text), static_cast<std::uint64_t>(i)};
    return static_cast<int>(random_word(key, static_cast<std::uint32_t>(position)) % vocabulary);
  }
  lengths_of_axes lengths(long long m) const {
    lengths_of_axes n;
    for (long long i = m * samples; i < (m + 1) * samples; ++i) {
      n.length[0] = std::max(n.length[0], source_length(i));
      n.length[1] = std::max(n.length[1], target_length(i));
    }
    for (int& length : n.length) length = std::min(length + padding, longest);
    return n;
  }
  template <class S>
  void inputs(long long m, int entry, S* x) const {
    lengths_of_axes const n = lengths(m);
    for (int s = 0; s < samples; ++s) {
      long long const i = m * samples + s;
      if (entry == 1) {
        x[s] = static_cast<S>(source_length(i));
        continue;
      }
      int const rows = n.length[entry / 2], real = entry == 0 ? source_length(i) : target_length(i);
      for (int p = 0; p < rows; ++p) x[s * rows + p] = p < real ? static_cast<S>(token(i, entry, p)) : S(0);
    }
  }
  void targets(long long m, std::int32_t* t) const {
    int const rows = lengths(m).length[1];
    for (int s = 0; s < samples; ++s)
      for (int p = 0; p < rows; ++p)
        t[s * rows + p] =
            p < target_length(m * samples + s) ? token(m * samples + s, 2, p + 1) : loss::cross_entropy::ignored;
  }
  double weight(long long minibatch) const {
    double sum = 0;
    for (long long i = minibatch * microbatches * samples; i < (minibatch + 1) * microbatches * samples; ++i)
      sum += target_length(i);
    return sum;
  }
};

template <class Net, class Schedule, class... More>
using run = trainer<Net, loss::cross_entropy, Schedule, More...>;

template <class Net>
void check_gradients() {
  test::check_gradients<run<Net, schedule::gpipe, scalar<double>, executor::single_thread>>(
      {.microbatch_size = 2, .microbatches = 2}, pairs{},
      {.step = 1e-5, .margin = 2e-8, .epsilon = 1e-4, .most_elements = 7});
}

template <class Run>
std::vector<float> trained(typename Run::config values, pairs data = {}) {
  Run t(std::move(values));
  t.run(data, {.minibatches = 5});
  return t.all_weights();
}

template <class Schedule, class... More>
void check_bits_on_workers() {
  using many = run<dropped, Schedule, optim::adam, More...>;
  auto const values = [](int workers) {
    return typename many::config{.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.01F}};
  };
  auto const one = trained<many>(values(1));
  for (int workers : {2, 3, 7, many::stages})
    if (workers <= many::most_ranks) CHECK(trained<many>(values(workers)) == one);
}

}  // namespace

TEST_CASE("Gradients of a Transformer with one shared matrix, norms before and after", "[transformer]") {
  check_gradients<smooth>();
  check_gradients<after>();
}

TEST_CASE("A small Transformer with tied weights trains to the same bits on any number of workers", "[transformer]") {
  check_bits_on_workers<schedule::gpipe>();
  check_bits_on_workers<schedule::pipemare>();
  check_bits_on_workers<schedule::async_1f1b, versions::stash>();
  check_bits_on_workers<schedule::recomputed<schedule::pipemare>>();
}

TEST_CASE("Recomputation of a Transformer is bit-equal in a synchronous schedule", "[transformer]") {
  using plain = run<dropped, schedule::gpipe>;
  using again = run<dropped, schedule::recomputed<schedule::gpipe>>;
  CHECK(trained<again>({.microbatch_size = 2, .microbatches = 2}) ==
        trained<plain>({.microbatch_size = 2, .microbatches = 2}));
}

TEST_CASE("Padding changes no more than the order of sums", "[transformer]") {
  using plain = run<after, schedule::sequential, scalar<double>>;
  auto const weights = [](int padding) {
    plain t({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.05F}});
    pairs data;
    data.padding = padding;
    t.run(data, {.minibatches = 4});
    return t.all_weights();
  };
  auto const tight = weights(0), wide = weights(3);
  for (std::size_t i = 0; i < tight.size(); ++i) REQUIRE(wide[i] == Approx(tight[i]).epsilon(1e-9).margin(1e-12));
}

TEST_CASE("A GPT learns what follows what", "[transformer]") {
  struct windows {
    void inputs(long long m, float* x, float*) const {
      for (int i = 0; i < 4 * 8; ++i) x[i] = static_cast<float>((m + i) % 5);
    }
    void targets(long long m, std::int32_t* t) const {
      for (int i = 0; i < 4 * 8; ++i) t[i] = static_cast<std::int32_t>((m + i + 1) % 5);
    }
  };
  struct net
      : zoo::gpt<zoo::gpt_size{.layers = 2, .width = 16, .heads = 2, .vocabulary = 5, .longest = 8, .dropout_percent = 0}> {
  };
  run<net, schedule::gpipe, optim::adam> t({.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.01F}});
  auto const r = t.run(windows{}, {.minibatches = 150, .every_loss = true});
  CHECK(r.losses.front().sum / r.losses.front().weight > 1.2);
  CHECK(r.losses.back().sum / r.losses.back().weight < 0.25);
}
