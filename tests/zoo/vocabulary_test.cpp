// A GPT whose vocabulary is in parts: trains as the one with the whole vocabulary, on any schedule and workers.
#include <foal/checkpoint.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/storage.hpp>
#include <foal/policy/wire.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/vocabulary_1f1b.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/gathered.hpp>
#include <foal/zoo/gpt.hpp>
#include <foal/zoo/transformer.hpp>

#include <catch2/catch.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/data/window_source.hpp>

#include "tests/support/checkpoints.hpp"
#include "tests/support/files.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;

constexpr int vocabulary = 11, longest = 6, width = 8;
constexpr zoo::gpt_size size_of(int parts, bool tied, int dropout = 0) {
  return {.layers = 1,
          .width = width,
          .heads = 2,
          .vocabulary = vocabulary,
          .longest = longest,
          .dropout_percent = dropout,
          .tied = tied,
          .vocabulary_parts = parts};
}
struct whole_tied : zoo::gpt<size_of(1, true)> {};
struct whole_free : zoo::gpt<size_of(1, false)> {};
template <int Parts>
struct tied_parts : zoo::gpt<size_of(Parts, true)> {};
template <int Parts>
struct free_parts : zoo::gpt<size_of(Parts, false)> {};
struct dropped : zoo::gpt<size_of(3, true, 20)> {};

// Position, six of the layer, the norm; a part is a stage at both ends, tied or not.
static_assert(stage_count<whole_tied> == 1 + 1 + 6 + 1);
static_assert(stage_count<tied_parts<3>> == 3 + 8 + 3 && stage_count<free_parts<3>> == 3 + 8 + 3);
static_assert(parameter_count<tied_parts<4>>() == parameter_count<whole_tied>());
static_assert(parameter_count<free_parts<4>>() == parameter_count<whole_free>());

/// Windows of random tokens, of different lengths; some targets do not count.
struct windows {
  static constexpr int samples = 2;
  static int token(long long i, int position) {
    random_key const key{3, purpose::user, 0, static_cast<std::uint64_t>(i)};
    return static_cast<int>(random_word(key, static_cast<std::uint32_t>(position)) % vocabulary);
  }
  lengths_of_axes lengths(long long m) const {
    lengths_of_axes n;
    n.length[0] = 3 + static_cast<int>(m * 7 % 4);
    return n;
  }
  template <class S>
  void inputs(long long m, S* x, S*) const {
    int const rows = lengths(m).length[0];
    for (int s = 0; s < samples; ++s)
      for (int p = 0; p < rows; ++p) x[s * rows + p] = static_cast<S>(token(m * samples + s, p));
  }
  void targets(long long m, std::int32_t* t) const {
    int const rows = lengths(m).length[0];
    for (int s = 0; s < samples; ++s)
      for (int p = 0; p < rows; ++p)
        t[s * rows + p] = (m + s + p) % 5 == 0 ? loss::cross_entropy::ignored : token(m * samples + s, p + 1);
  }
};

template <class Net, class Schedule, class... More>
using run = trainer<Net, zoo::loss_over<vocabulary, Net::size.vocabulary_parts>, Schedule, More...>;

/// All parameters in the order of the layers, those over the vocabulary as one each.
template <class Trainer>
std::vector<std::vector<double>> parameters_of(Trainer const& t, int parts) {
  std::vector<std::vector<double>> all;
  auto const tables = t.tables();
  for (int s = 0; s < Trainer::stages; ++s)
    for (std::size_t i = 0; i < tables.stages[static_cast<std::size_t>(s)].parameters.size(); ++i) {
      auto const& row = tables.stages[static_cast<std::size_t>(s)].parameters[i];
      if (row.home_stage >= 0) continue;  // its home has it
      auto const v = t.weights(s, i);
      bool const joins = (s > 0 && s < parts) || s > Trainer::stages - parts;
      if (!joins) all.emplace_back();
      all.back().insert(all.back().end(), v.begin(), v.end());
    }
  return all;
}

/// Gives `to`, whose vocabulary is in parts, the weights of `from`.
template <class From, class To>
void give_weights(From const& from, To& to, int parts) {
  auto const all = parameters_of(from, 1);
  std::size_t which = 0, at = 0;
  auto const tables = to.tables();
  for (int s = 0; s < To::stages; ++s)
    for (std::size_t i = 0; i < tables.stages[static_cast<std::size_t>(s)].parameters.size(); ++i) {
      auto const& row = tables.stages[static_cast<std::size_t>(s)].parameters[i];
      if (row.home_stage >= 0) continue;  // its home has it
      auto const begin = all.at(which).begin() + static_cast<std::ptrdiff_t>(at);
      to.set_weights(s, i, std::vector<double>(begin, begin + static_cast<std::ptrdiff_t>(row.size)));
      at += static_cast<std::size_t>(row.size);
      if (at == all[which].size()) ++which, at = 0;
    }
  REQUIRE(which == all.size());
  REQUIRE(parameters_of(to, parts) == all);
}

/// Windows over a text, the last one shorter.
data::window_source some_text() {
  std::vector<std::int32_t> text;
  for (int i = 0; i < 60; ++i) text.push_back(i * i % vocabulary);
  return {text, {.length = longest, .vocabulary = vocabulary}};
}

struct result {
  std::vector<std::vector<double>> weights;
  std::vector<loss::loss_result> losses;
  double loss = 0, accuracy = 0;
};

template <class Trainer>
result train(Trainer& t, int parts) {
  auto const r = t.run(windows{}, {.minibatches = 20, .every_loss = true});
  auto const found = t.evaluate(some_text());
  return {parameters_of(t, parts), r.losses, found.loss, found.accuracy};
}

void compare(result const& given, result const& expected) {
  REQUIRE(given.losses.size() == expected.losses.size());
  for (std::size_t i = 0; i < given.losses.size(); ++i) {
    REQUIRE(given.losses[i].sum == Approx(expected.losses[i].sum).epsilon(1e-10));
    CHECK(given.losses[i].weight == expected.losses[i].weight);
    CHECK(given.losses[i].correct == expected.losses[i].correct);
  }
  REQUIRE(given.weights.size() == expected.weights.size());
  for (std::size_t p = 0; p < given.weights.size(); ++p) {
    REQUIRE(given.weights[p].size() == expected.weights[p].size());
    for (std::size_t i = 0; i < given.weights[p].size(); ++i)
      REQUIRE(given.weights[p][i] == Approx(expected.weights[p][i]).epsilon(1e-10).margin(1e-10));
  }
  CHECK(given.loss == Approx(expected.loss).epsilon(1e-10));
  CHECK(given.accuracy == expected.accuracy);
}

template <class Whole, class Parts, class Schedule>
void check_as_whole() {
  using one = run<Whole, Schedule, scalar<double>, optim::adam>;
  using split = run<Parts, Schedule, scalar<double>, optim::adam>;
  constexpr int parts = Parts::size.vocabulary_parts;
  one a({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.01F}, .loss = {.label_smoothing = 0.1F}});
  split b({.microbatch_size = 2, .microbatches = 4, .lr = {.rate = 0.01F}, .loss = {.label_smoothing = 0.1F}});
  give_weights(a, b, parts);
  auto const expected = train(a, 1);
  compare(train(b, parts), expected);
}

constexpr zoo::transformer_size translator_of(int parts, zoo::sharing shared, zoo::cut stages = zoo::cut::weights,
                                              zoo::norm where = zoo::norm::after, int layers = 1) {
  return {.encoder_layers = layers,
          .decoder_layers = layers,
          .width = width,
          .heads = 2,
          .hidden = 12,
          .source_vocabulary = vocabulary,
          .target_vocabulary = vocabulary,
          .longest = longest,
          .dropout_percent = 0,
          .where = where,
          .shared = shared,
          .stages = stages,
          .vocabulary_parts = parts};
}
struct whole_translator : zoo::transformer<translator_of(1, zoo::sharing::all)> {};
struct translator_in_parts : zoo::transformer<translator_of(3, zoo::sharing::all)> {};
template <int Parts, zoo::sharing Shared, zoo::cut Cut = zoo::cut::weights>
struct translator : zoo::transformer<translator_of(Parts, Shared, Cut)> {};

// Embeddings at the front, both in one stage; the rest as it was.
static_assert(stage_count<translator_in_parts> == stage_count<whole_translator> - 1 + 3 + 3);
static_assert(stage_count<translator<2, zoo::sharing::none, zoo::cut::layers>> == 2 + 1 + 1 + 2);
// The norm behind all layers is in the last one's stage; whole it goes with what is next.
template <int Parts, int Layers, zoo::cut Cut>
struct normed_before : zoo::transformer<translator_of(Parts, zoo::sharing::all, Cut, zoo::norm::before, Layers)> {};
static_assert(stage_count<normed_before<2, 1, zoo::cut::layers>> == 2 + 1 + 1 + 2);
static_assert(stage_count<normed_before<3, 2, zoo::cut::layers>> == 3 + 2 + 2 + 3);
static_assert(stage_count<normed_before<1, 2, zoo::cut::layers>> == 1 + 2 + 1 + 2 + 1);
static_assert(stage_count<normed_before<3, 2, zoo::cut::weights>> ==
              stage_count<normed_before<1, 2, zoo::cut::weights>> - 1 + 6);
static_assert(parameter_count<normed_before<3, 2, zoo::cut::layers>>() ==
              parameter_count<normed_before<1, 2, zoo::cut::weights>>());
static_assert(parameter_count<translator_in_parts>() == parameter_count<whole_translator>());
static_assert(parameter_count<translator<2, zoo::sharing::none>>() == parameter_count<translator<1, zoo::sharing::none>>());
static_assert(parameter_count<translator<4, zoo::sharing::decoder>>() ==
              parameter_count<translator<1, zoo::sharing::decoder>>());

/// Pairs of texts: the windows, and their tokens in another order.
struct pairs : windows {
  lengths_of_axes lengths(long long m) const {
    lengths_of_axes n = windows::lengths(m);
    n.length[1] = 2 + static_cast<int>(m * 5 % 4);
    return n;
  }
  template <class S>
  void inputs(long long m, int entry, S* x) const {
    lengths_of_axes const n = lengths(m);
    int const rows = n.length[entry / 2];
    for (int s = 0; s < samples; ++s)
      if (entry == 1)
        x[s] = static_cast<S>(n.length[0] - s);
      else
        for (int p = 0; p < rows; ++p) x[s * rows + p] = static_cast<S>(token(m * samples + s, p + 3 * entry));
  }
  void targets(long long m, std::int32_t* t) const {
    int const rows = lengths(m).length[1];
    for (int s = 0; s < samples; ++s)
      for (int p = 0; p < rows; ++p)
        t[s * rows + p] = (m + s + p) % 4 == 0 ? loss::cross_entropy::ignored : token(m * samples + s, p);
  }
};

template <class Schedule, class... More>
void check_bits_on_workers() {
  using many = run<dropped, Schedule, optim::adam, More...>;
  auto const trained = [](int workers) {
    many t({.microbatch_size = 2, .microbatches = 2, .workers = workers, .lr = {.rate = 0.01F}});
    t.run(windows{}, {.minibatches = 5});
    return t.all_weights();
  };
  auto const one = trained(1);
  for (int const workers : {2, 3, many::most_ranks})
    if (workers <= many::most_ranks) CHECK(trained(workers) == one);
}

template <class Executor>
using over = run<dropped, schedule::vocabulary_1f1b, optim::adam, Executor>;

/// Of a fit: its weights, losses and evaluations.
struct fitted {
  std::vector<float> weights;
  std::vector<double> numbers;
  bool operator==(fitted const&) const = default;
};
template <class Run>
fitted fit(checkpoints const& saves = {}, int workers = 1) {
  Run t({.microbatch_size = 2,
         .microbatches = 2,
         .workers = workers,
         .ranks = 3,
         .lr = {.rate = 0.01F},
         .schedule = {.parts = 3}});
  data::window_source const data = some_text();
  typename Run::fit_options o{.epochs = 3, .evaluate = data, .quiet = true};
  if (!saves.directory.empty()) o.checkpoint = saves;
  auto const r = t.fit(data, o);
  fitted all{{}, r.epoch_loss};
  for (auto const& e : r.evaluations) all.numbers.insert(all.numbers.end(), {e.loss, e.accuracy});
  gathered const whole(t);
  for (int s = 0; s < Run::stages; ++s)
    for (std::size_t i = 0; i < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++i)
      for (float const v : whole.weights(s, i)) all.weights.push_back(v);
  return all;
}

}  // namespace

TEST_CASE("A GPT in parts of the vocabulary trains and evaluates as the whole one", "[vocabulary]") {
  check_as_whole<whole_tied, tied_parts<2>, schedule::one_f_one_b>();
  check_as_whole<whole_tied, tied_parts<4>, schedule::zb_h1>();
  check_as_whole<whole_free, free_parts<3>, schedule::gpipe>();
}

TEST_CASE("Parts of the vocabulary train by their own schedule to the bits of sequential, each part's two ends on one rank",
          "[vocabulary]") {
  auto const trained = [](auto schedule, int ranks, int workers) {
    run<dropped, decltype(schedule), optim::adam> t({.microbatch_size = 2,
                                                     .microbatches = 5,
                                                     .workers = workers,
                                                     .ranks = ranks,
                                                     .lr = {.rate = 0.01F},
                                                     .schedule = schedule});
    auto const tables = t.tables();
    for (std::size_t s = 0; s < 3 && ranks > 1; ++s)
      CHECK(tables.rank_of[s] == tables.rank_of[tables.stages.size() - 3 + s]);
    t.run(windows{}, {.minibatches = 4});
    return t.all_weights();
  };
  auto const one = trained(schedule::sequential{}, 1, 1);
  for (int const memory : {0, 2})
    for (int const ranks : {1, 2, 3})
      for (int workers = 1; workers <= ranks; ++workers)
        CHECK(trained(schedule::vocabulary_1f1b{.parts = 3, .memory = memory}, ranks, workers) == one);
}

TEST_CASE("Ragged windows give parts of the vocabulary what padded ones give", "[vocabulary]") {
  using split = run<tied_parts<3>, schedule::gpipe, scalar<double>, optim::adam>;
  data::window_source const text = some_text();
  auto const weights = [&](data::layout lie) {
    split t({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.01F}});
    t.run(data::sequence_batches<data::window_source>(text, {.microbatch_size = 2, .microbatches = 2, .seed = 3}, lie),
          {.minibatches = 6});
    return t.all_weights();
  };
  auto const padded = weights(data::layout::padded), ragged = weights(data::layout::ragged);
  for (std::size_t i = 0; i < padded.size(); ++i) REQUIRE(ragged[i] == Approx(padded[i]).epsilon(1e-9).margin(1e-12));
}

TEST_CASE("Parts of the vocabulary train to the same bits on any number of workers, in any schedule", "[vocabulary]") {
  check_bits_on_workers<schedule::one_f_one_b>();
  check_bits_on_workers<schedule::looped_bfs>();
  check_bits_on_workers<schedule::recomputed<schedule::pipemare>, delay::discrepancy_correction>();
  check_bits_on_workers<schedule::async_1f1b, versions::stash>();
}

TEST_CASE("Parts of the vocabulary train in two processes, and go on from a checkpoint, to the same bits", "[vocabulary]") {
  fitted const one = fit<over<executor::single_thread>>();
  std::vector<fitted> two(2);
  test::rooms::with_processes(
      2, [&](int number) { two[static_cast<std::size_t>(number)] = fit<over<executor::processes_over<test::rooms>>>(); });
  CHECK(two[0] == one);
  CHECK(two[1] == one);

  foal_test::temporary_directory const files;
  checkpoints saves{.directory = files.path(), .every_updates = 4, .keep = 100};
  CHECK(fit<over<executor::single_thread>>(saves) == one);
  std::uint64_t const newest = foal_test::newest_update_of(files.path());
  for (std::string const& name : foal_test::listed(files.path()))
    if (name.starts_with("step-") && name != checkpoint::step_folder(4)) std::filesystem::remove_all(files / name);
  REQUIRE(newest > 4);
  saves.resume = true;
  CHECK(fit<over<executor::threads>>(saves, 2) == one);
}

TEST_CASE("What is known of the scores is sent as it is, whatever codecs wires and storage have", "[vocabulary]") {
  using coded = run<tied_parts<3>, schedule::gpipe, optim::adam, storage::bfloat16, wire::int8>;
  coded t({.microbatch_size = 2, .microbatches = 2, .lr = {.rate = 0.01F}});
  auto const tables = t.tables();
  int exact = 0, sent = 0;
  for (auto const& stage : tables.stages)
    for (table::wire_entry const& e : stage.wire_in) {
      bool const of_scores = e.extent.channels() == device::joined_scores::columns;
      if (of_scores || e.extent.channels() == 1) CHECK_FALSE(e.code.coded());
      exact += of_scores ? 1 : 0, sent += e.code.coded() ? 1 : 0;
    }
  CHECK(exact == 2);
  CHECK(sent > 5);
  t.run(windows{}, {.minibatches = 3});
  CHECK(t.evaluate(some_text()).loss > 0);
}

TEST_CASE("Parts of the vocabulary say what they cannot do", "[vocabulary]") {
  using Catch::Contains;
  trainer<tied_parts<2>, loss::cross_entropy, schedule::gpipe> other({.microbatch_size = 2});
  CHECK_THROWS_WITH(other.fit(some_text(), {.quiet = true}),
                    Contains("targets are of 10 classes and the model ends in 5 outputs"));
  using misused = trainer<whole_tied, zoo::gpt_loss<size_of(2, true)>, schedule::gpipe>;
  CHECK_THROWS_WITH(misused({.microbatch_size = 2}),
                    Contains("cannot take the loss vocabulary_cross_entropy, because the model ends in 6 x 11 numbers"));
  predictor<tied_parts<2>> asked({.microbatch_size = 2});
  CHECK_THROWS_WITH(asked.predict(some_text()), Contains("because it takes the targets as an input"));
  struct wrong : windows {
    void targets(long long m, std::int32_t* t) const {
      windows::targets(m, t);
      t[1] = vocabulary;
    }
  };
  run<tied_parts<2>, schedule::gpipe> t({.microbatch_size = 2});
  CHECK_THROWS_WITH(t.run(wrong{}, {.minibatches = 1}), Contains("its target is 11 and the model has 11 classes"));
}

TEST_CASE("A Transformer in parts of the vocabulary trains as the whole one", "[vocabulary]") {
  using one = run<whole_translator, schedule::one_f_one_b, scalar<double>, optim::adam>;
  using split = run<translator_in_parts, schedule::vocabulary_1f1b, scalar<double>, optim::adam>;
  one a({.microbatch_size = 2, .microbatches = 3, .lr = {.rate = 0.01F}});
  split b({.microbatch_size = 2, .microbatches = 3, .workers = 2, .ranks = 3, .lr = {.rate = 0.01F}});
  give_weights(a, b, 3);
  auto const before = parameters_of(a, 1);
  a.run(pairs{}, {.minibatches = 15});
  b.run(pairs{}, {.minibatches = 15});
  auto const expected = parameters_of(a, 1), given = parameters_of(b, 3);
  REQUIRE(expected.size() == given.size());
  CHECK(expected.front() != before.front());
  for (std::size_t p = 0; p < given.size(); ++p)
    for (std::size_t i = 0; i < given[p].size(); ++i)
      REQUIRE(given[p][i] == Approx(expected[p][i]).epsilon(1e-10).margin(1e-10));
}
