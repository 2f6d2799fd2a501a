// A vocabulary in parts: embedding and output layer against the whole ones.
#include <foal/layer/vocabulary.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/vocabulary_cross_entropy.hpp>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "../support/layer_check.hpp"

using namespace foal;
using namespace foal::test;

namespace {

struct ids_tag {};
struct targets_tag {};
struct hidden_tag {};

constexpr int width = 6, positions = 5, samples = 2;
constexpr shape token_shape = sequence(1, positions), hidden_shape = sequence(width, positions);
constexpr std::size_t all_rows = positions * samples;

/// Rows of the part of a matrix over the vocabulary.
template <class S>
std::vector<S> rows_of(std::vector<S> const& matrix, device::vocabulary_part part) {
  auto const at = matrix.begin() + static_cast<std::ptrdiff_t>(part.first) * width;
  return {at, at + static_cast<std::ptrdiff_t>(part.count) * width};
}
template <class Run, class S>
void set_weights(Run& run, std::vector<S> const& matrix, device::vocabulary_part part) {
  run.parameters[0] = rows_of(matrix, part);
  run.constant_parameter_pointers = {run.parameters[0].data()};
}

/// Tokens of all rows, each part's first and last among them.
template <class S>
std::vector<S> some_tokens(int vocabulary, int seed) {
  std::vector<S> t(all_rows);
  for (std::size_t i = 0; i < t.size(); ++i) t[i] = static_cast<S>((static_cast<int>(i) * 7 + seed) % vocabulary);
  t[0] = 0, t[1] = static_cast<S>(vocabulary - 1);
  return t;
}

/// Which of the backward functions are called, and in which order.
enum class order { input_first, weight_first, fused };

/// What a chain of parts gives: loss, its gradients by hidden activations and by the whole matrix.
template <class S>
struct outcome {
  loss::loss_result loss;
  std::vector<S> dx, dw;
};

template <class S>
struct inputs {
  std::vector<S> x, matrix;
  std::vector<std::int32_t> targets;
  float smoothing = 0;
  double divide = 7;

  explicit inputs(int vocabulary)
      : x(random_numbers<S>(all_rows * width, 3)),
        matrix(random_numbers<S>(static_cast<std::size_t>(vocabulary) * width, 4)) {
    for (S const t : some_tokens<S>(vocabulary, 2)) targets.push_back(static_cast<std::int32_t>(t));
    targets[3] = loss::cross_entropy::ignored;
  }
};

template <int Vocabulary, class S>
outcome<S> whole(inputs<S> const& in) {
  layer_run<logits<Vocabulary>, S> run(hidden_shape, samples, 1);
  run.x = in.x;
  set_weights(run, in.matrix, {0, Vocabulary});
  run.forward();
  loss::cross_entropy const loss{in.smoothing};
  auto ctx = run.make_context();
  ctx.in = run.out;
  auto const found = loss.apply(ctx, run.y.data(), in.targets.data(), in.divide, run.dy.data());
  run.backward_input(), run.backward_weight();
  return {found, run.dx, run.gradients[0]};
}

template <class Run>
void run_backward(Run& run, order how) {
  if (how == order::fused) return run.backward();
  if (how == order::input_first) run.backward_input();
  run.backward_weight();
  if (how == order::weight_first) run.backward_input();
}

template <int Vocabulary, class S, std::size_t... I>
outcome<S> chained(inputs<S> const& in, order how, std::index_sequence<I...>) {
  constexpr int parts = sizeof...(I);
  auto const all = std::make_tuple(
      std::make_unique<layer_run<logits_part<Vocabulary, parts, static_cast<int>(I), width, targets_tag, hidden_tag>, S>>(
          I == 0 ? hidden_shape : sequence(device::joined_scores::columns, positions), samples, 1)...);
  std::vector<S> state = in.x;
  outcome<S> result;
  auto const forward = [&](auto& run, bool first, int index) {
    set_weights(run, in.matrix, part_of_vocabulary(Vocabulary, parts, index));
    run.read_also(token_shape, std::vector<S>(in.targets.begin(), in.targets.end()));
    if (!first) run.read_also(hidden_shape, in.x);
    run.x = state;
    run.forward();
    state = run.y;
  };
  (forward(*std::get<I>(all), I == 0, static_cast<int>(I)), ...);
  std::vector<S> dstate(state.size());
  auto& last = *std::get<parts - 1>(all);
  auto ctx = last.make_context();
  ctx.in = last.out;
  loss::vocabulary_cross_entropy<Vocabulary> const loss{in.smoothing};
  result.loss = loss.apply(ctx, state.data(), in.targets.data(), in.divide, dstate.data());
  CHECK(loss.apply(ctx, state.data(), in.targets.data(), in.divide, static_cast<S*>(nullptr)).sum == result.loss.sum);
  std::vector<S> dhidden(in.x.size(), S(0)), dw;
  auto const backward = [&](auto& run, bool first) {
    run.dy = dstate;
    if (!first) {
      run.read_gradients[1] = dhidden;  // it adds to what comes
      run.read_gradient_pointers = {nullptr, run.read_gradients[1].data()};
    }
    run_backward(run, how);
    if (first)
      for (std::size_t i = 0; i < dhidden.size(); ++i) dhidden[i] += run.dx[i];
    else
      dhidden = run.read_gradients[1], dstate = run.dx;
    dw.insert(dw.begin(), run.gradients[0].begin(), run.gradients[0].end());
  };
  (backward(*std::get<parts - 1 - I>(all), I + 1 == parts), ...);
  result.dx = dhidden, result.dw = dw;
  return result;
}

template <class S>
void compare(outcome<S> const& given, outcome<S> const& expected, double tolerance) {
  CHECK(given.loss.sum == Approx(expected.loss.sum).epsilon(tolerance).margin(0));
  CHECK(given.loss.weight == expected.loss.weight);
  CHECK(given.loss.correct == expected.loss.correct);
  CHECK(relative_error(given.dx, expected.dx) < tolerance);
  CHECK(relative_error(given.dw, expected.dw) < tolerance);
}

template <int Vocabulary, int Parts>
void check_chain() {
  inputs<double> in(Vocabulary);
  inputs<float> narrow(Vocabulary);
  for (float const smoothing : {0.0F, 0.1F}) {
    in.smoothing = narrow.smoothing = smoothing;
    auto const expected = whole<Vocabulary>(in);
    for (order const how : {order::input_first, order::weight_first, order::fused})
      compare(chained<Vocabulary>(in, how, std::make_index_sequence<Parts>{}), expected, 1e-12);
    compare(chained<Vocabulary>(narrow, order::fused, std::make_index_sequence<Parts>{}), whole<Vocabulary>(narrow), 2e-6);
  }
}

template <int Vocabulary, embedding_scale Scale, class S, std::size_t... I>
void check_embedding(std::index_sequence<I...>) {
  constexpr int parts = sizeof...(I);
  inputs<S> const in(Vocabulary);
  auto const ids = some_tokens<S>(Vocabulary, 5);
  layer_run<embedding<Vocabulary, width, Scale>, S> one(token_shape, samples, 1);
  one.x = ids;
  set_weights(one, in.matrix, {0, Vocabulary});
  one.forward(), one.backward_weight();
  std::vector<S> y = ids, dw;
  auto const run_part = [&](auto&& run, int index) {
    set_weights(run, in.matrix, part_of_vocabulary(Vocabulary, parts, index));
    if (index > 0) run.read_also(token_shape, ids);
    run.x = y;
    run.forward();
    y = run.y;
    run.dy = one.dy;
    run.backward_input();
    CHECK((index > 0 ? run.dx == one.dy : run.dx == std::vector<S>(all_rows, S(0))));
    if (index > 0) CHECK(run.forward_in_place() == y);
    run.backward_weight();
    dw.insert(dw.end(), run.gradients[0].begin(), run.gradients[0].end());
  };
  (run_part(layer_run<embedding_part<Vocabulary, parts, static_cast<int>(I), width, ids_tag, Scale>, S>(
                I == 0 ? token_shape : hidden_shape, samples, 1),
            static_cast<int>(I)),
   ...);
  REQUIRE(y.size() == one.y.size());
  CHECK(std::memcmp(y.data(), one.y.data(), y.size() * sizeof(S)) == 0);
  CHECK(dw == one.gradients[0]);
}

}  // namespace

TEST_CASE("vocabulary: the parts cover all tokens, the first ones one more", "[layer]") {
  static_assert(part_of_vocabulary(10, 1, 0).count == 10);
  static_assert(part_of_vocabulary(50257, 4, 0).count == 12565 && part_of_vocabulary(50257, 4, 3).count == 12564);
  static_assert(part_of_vocabulary(11, 4, 3).first + part_of_vocabulary(11, 4, 3).count == 11);
  using later = logits_part<11, 4, 3, 8, targets_tag, hidden_tag>;
  static_assert(later::output(sequence(5, 6, 2)) == sequence(5, 6, 2) && later::accepts(sequence(5, 6, 2)));
  static_assert(!later::accepts(sequence(8, 6, 2)));
  static_assert(later::flops(sequence(5, 6)) == 2 * 6 * 8 * 2);
  static_assert(later::parameters(sequence(5, 6))[0].extent ==
                embedding_part<11, 4, 3, 8, ids_tag>::parameters({})[0].extent);
  SUCCEED();
}

TEST_CASE("vocabulary: scores joined part by part have the loss and gradients of the whole output layer", "[layer]") {
  check_chain<11, 1>();
  check_chain<11, 2>();
  check_chain<11, 3>();
  check_chain<11, 4>();
  check_chain<11, 11>();
  check_chain<601, 3>();
}

TEST_CASE("vocabulary: an embedding in parts is the whole one to the bit", "[layer]") {
  check_embedding<11, embedding_scale::none, float>(std::make_index_sequence<1>{});
  check_embedding<11, embedding_scale::none, float>(std::make_index_sequence<3>{});
  check_embedding<11, embedding_scale::sqrt_width, float>(std::make_index_sequence<4>{});
  check_embedding<13, embedding_scale::sqrt_width, double>(std::make_index_sequence<2>{});
}

TEST_CASE("vocabulary: an id outside gives NaN, and scores of minus infinity no loss", "[layer]") {
  layer_run<embedding_part<4, 2, 0, width, ids_tag>, float> run(token_shape, samples, 1);
  run.x.assign(all_rows, 3);
  run.x[0] = -1, run.x[1] = 4, run.x[2] = std::numeric_limits<float>::quiet_NaN();
  run.forward();
  for (std::size_t i = 0; i < 3 * width; ++i) CHECK(std::isnan(run.y[i]));
  CHECK(run.y[3 * width] == 0);

  // A score of the first part is -inf: the others make the softmax.
  constexpr float none = -std::numeric_limits<float>::infinity();
  device::vocabulary_part const first{0, 1}, second{1, 2};
  float z[] = {none}, more[] = {1, 3}, state[5], after[5], share[2], target[] = {2};
  using ops = device::host_ops::vocabulary_ops;
  float before_first[2], dstate[5] = {1, 0, 0, 0, 0}, dz[1];
  ops::join_scores(1, first, target, static_cast<float const*>(nullptr), z, state, before_first);
  ops::join_scores_gradient(1, first, target, static_cast<float const*>(z), static_cast<float const*>(before_first),
                            static_cast<float const*>(dstate), dz, static_cast<float*>(nullptr));
  CHECK(dz[0] == 0);
  ops::join_scores(1, second, target, state, more, after, share);
  CHECK(after[0] == Approx(3 + std::log1p(std::exp(-2.0))));
  CHECK(after[1] == 3);
  CHECK((after[3] == 3 && after[4] == 2));
  CHECK(share[1] == 0);
}

TEST_CASE("vocabulary: of equal scores the first token is the largest, also in another part", "[layer]") {
  float z[] = {2, 5, 1}, more[] = {5, 0}, state[5], after[5], share[2], target[] = {3};
  using ops = device::host_ops::vocabulary_ops;
  ops::join_scores(1, {0, 3}, target, static_cast<float const*>(nullptr), z, state, share);
  ops::join_scores(1, {3, 2}, target, state, more, after, share);
  CHECK((after[3] == 5 && after[4] == 1));
  std::int32_t const wrong[] = {3}, right[] = {1}, outside[] = {5}, ignored[] = {device::ignored_target};
  CHECK(ops::joined_cross_entropy(1, 5, after, wrong, 0.0, 1.0, state).correct == 0);
  CHECK(ops::joined_cross_entropy(1, 5, after, right, 0.0, 1.0, state).correct == 1);
  CHECK(std::isnan(ops::joined_cross_entropy(1, 5, after, outside, 0.0, 1.0, state).sum));
  CHECK(std::isnan(state[0]));
  CHECK(ops::joined_cross_entropy(1, 5, after, ignored, 0.0, 1.0, state).counted == 0);
  CHECK(std::all_of(state, state + 5, [](float d) { return d == 0; }));
}
