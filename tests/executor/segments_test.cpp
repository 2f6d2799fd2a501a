// Sequences in segments train (seq1f1b): a causal language model to the bits of the single thread on any workers, and as
// whole sequences do, whatever the number of segments.
#include <foal/checkpoint.hpp>
#include <foal/data/window_source.hpp>
#include <foal/executor/processes.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/codec/int8.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/storage.hpp>
#include <foal/policy/wire.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/trainer.hpp>
#include <foal/trainer/gathered.hpp>
#include <foal/zoo/gpt.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <random>

#include "tests/executor/support.hpp"
#include "tests/support/checkpoints.hpp"
#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"
#include "tests/support/rooms.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using Catch::Contains;

namespace segmented {

constexpr int words = 11, longest = 12;

constexpr zoo::gpt_size small(int dropout, bool tied) {
  return {.layers = 2,
          .width = 8,
          .heads = 2,
          .vocabulary = words,
          .longest = longest,
          .dropout_percent = dropout,
          .tied = tied};
}
struct language : zoo::gpt<small(0, false)> {};
struct dropping : zoo::gpt<small(25, true)> {};

/// Windows of random tokens, of as many positions as each microbatch likes; some targets are ignored.
struct texts {
  int samples = 3;
  bool alike = false;
  mutable std::atomic<long long> asked{0};  ///< inputs

  int positions(long long m) const { return alike ? longest : 5 + static_cast<int>(m * 7 % (longest - 4)); }
  lengths_of_axes lengths(long long m) const { return {{positions(m)}}; }
  static int token(long long sample, int position) {
    random_key const key{3, purpose::user, 0, static_cast<std::uint64_t>(sample)};
    return static_cast<int>(random_word(key, static_cast<std::uint32_t>(position)) % words);
  }
  template <class S>
  void inputs(long long m, int, S* x) const {
    ++asked;
    for (int i = 0; i < samples; ++i)
      for (int p = 0; p < positions(m); ++p) *x++ = static_cast<S>(token(m * samples + i, p));
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < samples; ++i)
      for (int p = 0; p < positions(m); ++p)
        *t++ = (m + i + p) % 7 == 0 ? loss::cross_entropy::ignored : token(m * samples + i, p + 1);
  }
};

/// The same without padding.
struct ragged_texts : texts {
  lengths_of_axes lengths(long long) const = delete;
  void sample_lengths(long long m, int, int* n) const { std::fill_n(n, samples, positions(m)); }
};

/// Advances workers in any order.
template <unsigned Seed>
struct shuffled {
  using role = foal::role::executor;
  static constexpr char const* name = "shuffled";
  static constexpr bool threaded = true;

  static void drive(std::span<executor::worker> workers, executor::service const& run) {
    std::mt19937 random(Seed);
    std::vector<executor::worker*> alive;
    for (executor::worker& w : workers) alive.push_back(&w);
    for (long long idle = 0; !alive.empty() && idle < 100000;) {
      std::size_t const i = random() % alive.size();
      executor::progress const p = alive[i]->advance();
      idle = p == executor::progress::ran ? 0 : idle + 1;
      if (p == executor::progress::done) alive.erase(alive.begin() + static_cast<std::ptrdiff_t>(i));
      if (random() % 8 == 0) run();
    }
    if (!alive.empty()) throw error("cannot go on, because no worker advances any more: " + alive[0]->next_op());
    run();
  }
};

template <class S>
struct outcome {
  std::vector<S> weights;
  std::vector<double> losses;
  bool operator==(outcome const&) const = default;
};

struct numbers {
  int microbatches = 4, ranks = 0, workers = 1, replicas = 1;
};

template <class Net, class Schedule, class S, class Executor = executor::threads, class... More>
auto make(Schedule const& s, numbers n) {
  using type = trainer<Net, loss::cross_entropy, Schedule, optim::momentum, scalar<S>, Executor, More...>;
  typename type::config c;
  c.microbatch_size = 3, c.microbatches = n.microbatches, c.ranks = n.ranks, c.workers = n.workers, c.replicas = n.replicas;
  c.schedule = s;
  c.lr = {.rate = 0.1F};
  return std::make_unique<type>(c);
}

template <class Net, class S, class Executor = executor::threads, class... More, class Schedule>
outcome<S> trained(Schedule const& s, numbers n, bool alike = false, long long minibatches = 3) {
  auto const t = make<Net, Schedule, S, Executor, More...>(s, n);
  auto const r = t->run(texts{.alike = alike}, {.minibatches = minibatches, .every_loss = true});
  outcome<S> all;
  all.weights = t->all_weights();
  for (loss::loss_result const& l : r.losses) all.losses.push_back(l.sum / l.weight);
  CHECK(r.microbatches == minibatches * n.microbatches);
  return all;
}

/// The largest difference between numbers.
template <class S>
double apart(outcome<S> const& a, outcome<S> const& b) {
  if (a.weights.size() != b.weights.size() || a.losses.size() != b.losses.size()) return 1e9;
  double most = 0;
  for (std::size_t i = 0; i < a.weights.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.weights[i]) - static_cast<double>(b.weights[i])));
  for (std::size_t i = 0; i < a.losses.size(); ++i) most = std::max(most, std::abs(a.losses[i] - b.losses[i]));
  return std::isnan(most) ? 1e9 : most;
}

}  // namespace segmented

using namespace segmented;

}  // namespace

TEST_CASE("in segments a language model trains as on whole sequences", "[segments]") {
  auto const whole = trained<language, double>(schedule::gpipe{}, {});
  CHECK(apart(trained<language, double>(schedule::one_f_one_b{}, {}), whole) == 0);
  for (int const k : {1, 2, 3, 4, 5}) {
    INFO(k << " segments");
    CHECK(apart(trained<language, double>(schedule::seq1f1b{.segments = k}, {}), whole) < 1e-12);
  }
  auto const dropped = trained<dropping, double>(schedule::gpipe{}, {}, true);
  for (int const k : {2, 4, 12}) {
    INFO(k << " segments, dropout");
    CHECK(apart(trained<dropping, double>(schedule::seq1f1b{.segments = k}, {}, true), dropped) < 1e-12);
  }
  auto const single = trained<language, float>(schedule::gpipe{}, {});
  CHECK(apart(trained<language, float>(schedule::seq1f1b{.segments = 4}, {}), single) < 1e-5);
}

TEST_CASE("in segments, the bits of the single thread on any workers and in any order", "[segments]") {
  for (int const k : {2, 4}) {
    schedule::seq1f1b const s{.segments = k};
    auto const reference = trained<dropping, float, executor::single_thread>(s, {.ranks = 4});
    CHECK(reference.losses.size() == 12);
    for (int const workers : {1, 2, 3, 4}) {
      INFO(k << " segments on " << workers << " workers");
      CHECK(trained<dropping, float>(s, {.ranks = 4, .workers = workers}) == reference);
      CHECK(trained<dropping, float, shuffled<1>>(s, {.ranks = 4, .workers = workers}) == reference);
      CHECK(trained<dropping, float, shuffled<2>>(s, {.ranks = 4, .workers = workers}) == reference);
    }
    // Ranks do not change the order of a stage's ops.
    CHECK(trained<dropping, float>(s, {.workers = 2}) == reference);
  }
}

TEST_CASE("in segments among replicas, the bits of the single thread and the numbers of whole sequences", "[segments]") {
  auto const whole = trained<language, double>(schedule::gpipe{}, {.ranks = 2, .replicas = 2});
  for (int const k : {2, 4}) {
    schedule::seq1f1b const s{.segments = k};
    auto const reference = trained<language, double, executor::single_thread>(s, {.ranks = 2, .replicas = 2});
    CHECK(apart(reference, whole) < 1e-12);
    for (int const workers : {2, 4})
      CHECK(trained<language, double>(s, {.ranks = 2, .workers = workers, .replicas = 2}) == reference);
  }
}

TEST_CASE("in segments a source is asked once for a microbatch", "[segments]") {
  auto const t = make<language, schedule::seq1f1b, float>({.segments = 4}, {});
  texts const from;
  t->run(from, {.minibatches = 3});
  CHECK(from.asked == 3 * 4);
}

TEST_CASE("in segments an epoch trains and evaluates on whole windows", "[segments]") {
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 12 * 30 + 8; ++i) ids.push_back((i * i + i / 7) % words);
  data::window_source const text(ids, {.length = longest}), held_out({ids.begin(), ids.begin() + 100}, {.length = longest});
  auto const fitted = [&](auto const& s, int workers, checkpoints const& saves = {}) {
    auto const t = make<language, std::decay_t<decltype(s)>, double>(s, {.microbatches = 2, .workers = workers});
    std::vector<double> seen;
    typename std::decay_t<decltype(*t)>::fit_options o{.epochs = 2, .evaluate = held_out, .quiet = true};
    if (!saves.directory.empty()) o.checkpoint = saves;
    seen = t->fit(text, o).epoch_loss;
    auto const e = t->evaluate(held_out);
    seen.push_back(e.loss), seen.push_back(e.accuracy);
    for (double const w : t->all_weights()) seen.push_back(w);
    return seen;
  };
  auto const one = fitted(schedule::seq1f1b{.segments = 3}, 1), whole = fitted(schedule::seq1f1b{.segments = 1}, 1);
  CHECK(fitted(schedule::seq1f1b{.segments = 3}, 3) == one);
  foal_test::temporary_directory const files;
  checkpoints saves{.directory = files.path(), .every_updates = 3, .keep = 100};
  CHECK(fitted(schedule::seq1f1b{.segments = 3}, 2, saves) == one);
  for (std::string const& name : foal_test::listed(files.path()))
    if (name.starts_with("step-") && name != checkpoint::step_folder(6)) std::filesystem::remove_all(files / name);
  saves.resume = true;
  CHECK(fitted(schedule::seq1f1b{.segments = 3}, 3, saves) == one);
  REQUIRE(one.size() == whole.size());
  // Whole microbatches lie ragged, and what is computed for padding is nothing: the same but for rounding.
  for (std::size_t i = 0; i < one.size(); ++i) REQUIRE(one[i] == Approx(whole[i]).epsilon(1e-9).margin(1e-10));
}

TEST_CASE("in segments the gradient without delay is that of whole sequences", "[segments]") {
  using type = trainer<language, loss::cross_entropy, schedule::seq1f1b, optim::momentum, scalar<double>>;
  type::config c{.microbatch_size = 3, .microbatches = 2, .diagnostics = {.every = 1, .fresh = true}};
  c.schedule.segments = 3;
  type t(c);
  auto const r = t.run(texts{}, {.minibatches = 2});
  CHECK(r.diagnostics.size() == 2 * static_cast<std::size_t>(type::stages));
  for (table::diagnostic const& d : r.diagnostics) CHECK(d.fresh == Approx(1).epsilon(1e-12));
}

TEST_CASE("what cannot come in segments is refused with its name", "[segments]") {
  auto const refused = [](auto const& net, auto const& s, std::string const& why, numbers n = {}) {
    INFO(why);
    using type = std::decay_t<decltype(net)>;
    CHECK_THROWS_WITH((make<type, std::decay_t<decltype(s)>, float>(s, n)), Contains(why));
  };
  using seq = schedule::seq1f1b;
  struct looking_ahead : stages<tokens<8, 1>, embedding<words, 6>, linear<18>, attention<2>, logits<words>> {};
  struct odd : stages<tokens<7>, embedding<words, 6>, logits<words>> {};
  struct once : stages<tokens<8>, embedding<words, 6>, flatten, linear<words>> {};
  struct frozen_below
      : stages<tokens<8>, frozen<embedding<words, 6>>, frozen<linear<18>>, attention<2, mask::causal>, logits<words>> {};
  refused(looking_ahead{}, seq{}, "layer 2, attention, takes no sequences in segments");
  refused(once{}, seq{}, "layer 1, flatten, takes no sequences in segments");
  refused(odd{}, seq{}, "the 7 positions that the sequences of layer 0, embedding, always have");
  refused(language{}, seq{.segments = 13}, "have 12 positions; use as many segments at most");
  refused(frozen_below{}, seq{}, "layer 2, attention, reads what it has kept of earlier segments");
  auto const t = make<language, seq, float>({.segments = 6}, {});
  CHECK_THROWS_WITH(t->run(texts{}, {.minibatches = 1}),
                    Contains("cannot take microbatch 0 in 6 segments") && Contains("5 positions on axis 1"));
  CHECK_THROWS_WITH(
      (make<language, seq, float>({.segments = 6}, {})->run(texts{}, {.minibatches = 1LL << 27})),
      Contains("minibatches of 4 microbatches in one call, because it counts up to 2147483647 segments, 6 of each"));
  CHECK_THROWS_WITH((make<language, seq, float>({.segments = 6}, {})->run(ragged_texts{}, {.minibatches = 1})),
                    Contains("cannot take microbatch 0 in 6 segments, because it is ragged"));
}

TEST_CASE("in segments with clipping, thick accumulation and coded wires, the bits of the single thread", "[segments]") {
  using executor::single_thread, executor::threads;
  using schedule::seq1f1b;
  auto const clipped = trained<language, double, threads, clip::global_norm>(schedule::gpipe{}, {});
  CHECK(apart(trained<language, double, threads, clip::global_norm>(seq1f1b{.segments = 3}, {.workers = 3}), clipped) <
        1e-12);
  auto const thick = trained<dropping, double, threads, accumulate::thick>(schedule::gpipe{}, {}, true);
  CHECK(apart(trained<dropping, double, threads, accumulate::thick>(seq1f1b{.segments = 3}, {.workers = 3}, true), thick) <
        1e-12);
  auto const coded = trained<dropping, float, single_thread, wire::int8>(seq1f1b{.segments = 3}, {});
  CHECK(trained<dropping, float, threads, wire::int8>(seq1f1b{.segments = 3}, {.workers = 4}) == coded);
  CHECK(apart(coded, trained<dropping, float>(seq1f1b{.segments = 3}, {})) > 0);
  CHECK_THROWS_WITH((make<language, seq1f1b, float, threads, storage::bfloat16>({.segments = 3}, {})),
                    Contains("cannot keep or send the input of layer 4, attention, in a code"));
}

TEST_CASE("in segments a run pauses before any op, between segments too, and goes on to the same bits", "[segments]") {
  schedule::seq1f1b const s{.segments = 3};
  auto const begin = [&](int workers) {
    return make<dropping, schedule::seq1f1b, float>(s, {.microbatches = 2, .ranks = 3, .workers = workers});
  };
  auto const whole = begin(1);
  auto const r = whole->run(texts{}, {.minibatches = 2, .loss_every = 1});
  schedule::program p = schedule::generate(s, schedule::extent_of(s, whole->stages, 3, 2));
  long long const keys = executor::op_order(p.view()).keys_of_period();
  int paused = 0;
  for (long long key = 1; key < 2 * keys; key += foal_test::repeats(97, 499)) {
    INFO("before the op with key " << key);
    auto const first = begin(1 + static_cast<int>(key % 3)), then = begin(1 + static_cast<int>(key % 2));
    executor::run_request request{.minibatches = 2, .loss_every = 1};
    request.pause = executor::run_place{0, key};
    REQUIRE(first->run(texts{}, request).paused);
    then->restore(first->cut());
    auto const rest = then->resume(texts{}, {.minibatches = 2, .loss_every = 1});
    CHECK(then->all_weights() == whole->all_weights());
    ++paused;
    if (rest.sums.empty()) continue;  // all losses came before
    CHECK(rest.sums.back().sum == r.sums.back().sum);
    CHECK(rest.sums.back().weight == r.sums.back().weight);
  }
  CHECK(paused > foal_test::repeats(10, 2));
  int between = 0;
  for (long long key = 1; key < keys; key += foal_test::repeats(1, 19)) {
    auto const first = begin(1), then = begin(1);
    executor::run_request request{.minibatches = 2, .loss_every = 1, .every_loss = true};
    request.pause = executor::run_place{0, key};
    REQUIRE(first->run(texts{}, request).paused);
    then->restore(first->cut());
    try {
      then->resume(texts{}, {.minibatches = 2, .loss_every = 1, .every_loss = true});
    } catch (error const& e) {
      CHECK_THAT(e.what(), Contains("goes on between two of the 3 segments of microbatch"));
      ++between;
    }
  }
  CHECK(between > 0);
}

TEST_CASE("in segments a device with memory of its own, and sequences of one length, train as they do whole", "[segments]") {
  struct by_position : stages<tokens<longest, 1>, linear<8>, linear<6>, logits<words>> {};
  struct fixed : stages<tokens<longest>, embedding<words, 6>, linear<18>, attention<2, mask::causal>, logits<words>> {};
  struct windows : texts {
    lengths_of_axes lengths(long long) const = delete;
  };
  schedule::seq1f1b const s{.segments = 3};
  auto const on_host = trained<by_position, float>(s, {});
  CHECK(apart(on_host, trained<by_position, float>(schedule::gpipe{}, {})) < 1e-5);
  CHECK(trained<by_position, float, executor::threads, on<test::deferred>>(s, {.workers = 2}) == on_host);
  auto const run = [](auto const& schedule, int workers) {
    auto const t = make<fixed, std::decay_t<decltype(schedule)>, double>(schedule, {.workers = workers});
    windows source;
    source.alike = true;
    t->run(source, {.minibatches = 3});
    return outcome<double>{t->all_weights(), {}};
  };
  auto const one = run(s, 1);
  CHECK(run(s, 2) == one);
  CHECK(apart(one, run(schedule::gpipe{}, 1)) < 1e-12);
}

TEST_CASE("a microbatch's gradient has no meaning in segments", "[segments]") {
  table::run_tables t;
  t.phases.resize(1);
  t.segments = 2;
  t.policies.microbatch_gradient = [](auto...) {};
  CHECK_THROWS_WITH(lower::detail::check_microbatch_gradients(t, false), Contains("they come in 2 segments"));
}

TEST_CASE("sequences too short for the segments are refused before a fit begins", "[segments]") {
  struct short_ones {
    long long size() const { return 3; }
    int axes() const { return 1; }
    int length(long long i, int) const { return i == 2 ? 3 : 9; }
    int longest(int) const { return 9; }
    int entries() const { return 1; }
    int entry_axis(int) const { return 1; }
    long long weight(long long i) const { return length(i, 1); }
    void write_entry(long long, int, int n, float* x) const { std::fill_n(x, n, 1.0F); }
    void write_entry(long long, int, int n, double* x) const { std::fill_n(x, n, 1.0); }
    void write_target(long long, int n, std::int32_t* t) const { std::fill_n(t, n, 1); }
  };
  CHECK_NOTHROW(executor::check_shortest(short_ones{}, 3));
  CHECK_THROWS_WITH(executor::check_shortest(short_ones{}, 4), Contains("in 4 segments") && Contains("sample 2 has 3"));
}

TEST_CASE("in segments a rank has room for fewer activations", "[segments]") {
  auto const saved = [](auto const& s, int ranks, int n, std::vector<int>* segments = nullptr) {
    test::policies const& p = test::shared_policies();
    table::run_tables const t = lower::lower<language, device::host, float>(
        s, schedule::extent_of(s, stage_count<language>, ranks, n),
        lower::by_role(p.loss, p.sgd, p.rate, p.none, p.versions, p.accumulate, p.warmup, p.clip, p.initial));
    executor::run_plan const plan(t, {3, n, ranks, 5, false, 64, false}, test::shares(ranks, ranks));
    std::vector<std::size_t> bytes(static_cast<std::size_t>(ranks), 0);
    for (plan_entry const& e : plan.memory().entries())
      if (e.purpose == category::saved) bytes[static_cast<std::size_t>(e.worker)] += e.bytes;
    for (std::size_t u = 0; segments != nullptr && u < t.units(); ++u)
      if (u == 0 || t.rank_of[u] != t.rank_of[u - 1]) segments->push_back(t.phases.back().facts.stage[u].saved_peak);
    return bytes;
  };
  for (int const k : {2, 4}) {
    std::vector<int> segments;
    auto const cut = saved(schedule::seq1f1b{.segments = k}, 4, 8, &segments);
    auto const whole = saved(schedule::one_f_one_b{}, 4, 8);
    INFO(k << " segments: " << cut[0] << " bytes on rank 0, whole " << whole[0]);
    // R - 1 - r + k are there at once; slots are given back in the order of the forwards, so there are k - 1 more.
    CHECK(segments == std::vector{2 + 2 * k, 1 + 2 * k, 2 * k, 2 * k - 1});
    CHECK(cut[0] < whole[0]);
  }
}

TEST_CASE("in segments several processes leave the bits of one", "[segments]") {
  using shared = executor::processes_over<test::rooms>;
  schedule::seq1f1b const s{.segments = 3};
  auto const one = trained<dropping, float, executor::single_thread>(s, {.ranks = 4});
  std::vector<outcome<float>> found(2);
  std::size_t const left = test::rooms::with_processes(2, [&](int number) {
    auto const t = make<dropping, schedule::seq1f1b, float, shared>(s, {.ranks = 4, .workers = 2});
    auto const r = t->run(texts{}, {.minibatches = 3, .loss_every = 1});
    auto const all = make<dropping, schedule::seq1f1b, float>(s, {});
    all->take(gathered(*t));
    outcome<float>& mine = found[static_cast<std::size_t>(number)];
    mine.weights = all->all_weights();
    for (loss::loss_result const& l : r.sums) mine.losses.push_back(l.sum / l.weight);
  });
  CHECK(left == 0);
  auto const t = make<dropping, schedule::seq1f1b, float>(s, {.ranks = 4});
  auto const r = t->run(texts{}, {.minibatches = 3, .loss_every = 1});
  std::vector<double> sums;
  for (loss::loss_result const& l : r.sums) sums.push_back(l.sum / l.weight);
  CHECK(found[0].weights == one.weights);
  CHECK((found[0].losses == sums || found[1].losses == sums));
}
