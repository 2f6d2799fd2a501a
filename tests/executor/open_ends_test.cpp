// Stages in separate memories, as in separate processes, with nothing between them but messages: the bits of one memory.
#include <foal/executor/open_ends.hpp>

#include <foal/executor/agreement.hpp>
#include <foal/executor/cut.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/varuna.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/transport/delayed.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <utility>

#include "tests/executor/support.hpp"
#include "tests/support/boxes.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"

namespace {

using namespace foal;
using test::choice;

/// The ranks that one process hosts, with memory for their stages alone.
struct process {
  transport::process_place here;
  table::run_tables t;
  table::run_values values;
  executor::run_memory memory;
  test::stream data;
  schedule::program program;
  schedule::program_view view;
  executor::stage_ops ops;
  executor::run_losses losses;
  std::unique_ptr<executor::phase_state> shared{};
  std::vector<executor::worker> workers;
  std::vector<transport::open_end> ends;

  /// Of each rank, by the first ranks of the processes.
  static std::vector<int> workers_of(int ranks, std::vector<int> const& first, int here) {
    std::vector<int> worker;
    for (int r = 0; r < ranks; ++r) {
      auto const p = static_cast<int>(std::upper_bound(first.begin(), first.end(), r) - first.begin()) - 1;
      worker.push_back(p == here ? 0 : executor::hosted_by(p));
    }
    return worker;
  }

  process(choice const& c, schedule::program const& own, std::vector<int> const& first, int number, long long minibatches)
      : here{number, static_cast<int>(first.size())},
        t(test::tables_of(c, own)),
        values{test::bit_samples, c.n, 1, 5, false, 64, false},
        memory(t, values, workers_of(t.ranks, first, number)),
        data(test::data_of(c, test::bit_samples)),
        program(t.phases.back().program),
        view(program.view()),
        ops(t, values, test::source_of(data), memory.host_targets()),
        losses(0, most_phases * minibatches * c.n, 0, true) {
    test::begin_last_phase(t, values, memory);  // and its weights
    begin(t.phases.back(), 0, minibatches);
  }
  process(process const&) = delete;
  static constexpr int most_phases = 3;

  /// Begins a phase, the `before`-th. Nothing of the one before is on its way.
  void begin(table::phase_table const& phase, int before, long long minibatches) {
    if (shared) shared->norm.keep(memory.stages());
    program = phase.program;
    view = program.view();
    memory.reset_phase(phase);
    for (executor::bound_stage& b : memory.stages()) b.asynchronous = view.asynchronous;
    shared = std::make_unique<executor::phase_state>(view);
    test::share(*shared, t, values, memory, ops, losses, minibatches);
    shared->periods = minibatches + phase.facts.periods_after;
    shared->first_microbatch = before * minibatches * values.microbatches;
    shared->serve(memory, view.global_norm);
    work(minibatches);
  }

  /// Makes the worker and opens the ends, where the phase begins or goes on.
  void work(long long minibatches) {
    std::vector<int> ranks;
    for (int r = 0; r < t.ranks; ++r)
      if (memory.worker_of_rank(r) == 0) ranks.push_back(r);
    workers.clear();
    workers.emplace_back(*shared, view, ranks, 0);
    ends = executor::open_ends(memory, view, minibatches);
    if (shared->norm.used())
      for (auto& c : executor::norm_channels(memory, shared->norm, here, minibatches)) ends.push_back(std::move(c.end));
  }
};

/// The whole of it in one process, or that of the first ranks of two.
std::unique_ptr<process> whole(choice const& c, schedule::program const& own, long long minibatches) {
  return std::make_unique<process>(c, own, std::vector<int>{0}, 0, minibatches);
}
std::unique_ptr<process> one_of_two(choice const& c, schedule::program const& own, int border, int number,
                                    long long minibatches) {
  return std::make_unique<process>(c, own, std::vector<int>{0, border}, number, minibatches);
}

/// Brings the messages of one channel from a process to another.
class courier {
 public:
  courier(transport::open_end const& from, transport::open_end const& to) : from_(from), to_(to), message_(from_.bytes()) {
    REQUIRE(from.id == to.id);
    REQUIRE(from.begun == to.begun);
    REQUIRE(from.entries.size() == to.entries.size());
    REQUIRE(from_.bytes() == to_.bytes());
  }
  bool progress() {
    if (!from_.ready()) return false;
    REQUIRE(from_.microbatch() == to_.microbatch());
    if (!to_.ready()) return false;
    from_.pass(message_.data());
    to_.pass(message_.data());
    return true;
  }

 private:
  transport::message_end from_, to_;
  std::vector<std::byte> message_;
};

using processes = std::vector<std::unique_ptr<process>>;

/// A courier for each channel between two of them.
class couriers {
 public:
  explicit couriers(processes& all) {
    for (auto& a : all)
      for (auto& b : all)
        for (auto& from : a->ends)
          for (auto& to : b->ends)
            if (from.id == to.id && from.number == to.number && from.sends && !to.sends) all_.emplace_back(from, to);
  }
  std::size_t size() const { return all_.size(); }
  bool progress(std::size_t i) { return all_[i].progress(); }

 private:
  std::vector<courier> all_;
};

/// Links between them that are slow, stand still and lose messages; a millisecond passes whenever one is looked at.
class slow_links {
 public:
  explicit slow_links(processes& all) {
    test::hand_clock::now = 0;
    test::boxes::all.clear();
    link::link() = {.latency = 0.02,
                    .bandwidth = 1e4,
                    .jitter = 0.05,
                    .stall_share = 0.1,
                    .stall = 0.1,
                    .drop_share = 0.2,
                    .resend = 0.1,
                    .in_flight = 3};
    for (auto& p : all) {
      of_.push_back(std::make_unique<link>());
      for (transport::open_end const& end : p->ends)
        channels_.push_back(std::make_unique<link::channel>(*of_.back(), end, other(all, *p, end)));
    }
    link::link() = {};
  }
  std::size_t size() const { return channels_.size(); }
  bool progress(std::size_t i) {
    test::hand_clock::now += 0.001;
    return channels_[i]->progress();
  }

 private:
  using link = transport::delayed<test::boxes, test::hand_clock>;

  static int other(processes const& all, process const& here, transport::open_end const& end) {
    for (std::size_t p = 0; p < all.size(); ++p)
      for (transport::open_end const& e : all[p]->ends)
        if (all[p].get() != &here && e.id == end.id && e.number == end.number) return static_cast<int>(p);
    return -1;
  }

  std::vector<std::unique_ptr<link>> of_;
  std::vector<std::unique_ptr<link::channel>> channels_;
};

struct outcome {
  std::vector<std::byte> state;
  std::vector<double> losses;
  std::size_t bytes = 0;  ///< of all memories
};

processes make_processes(choice const& c, schedule::program const& own, int count, long long minibatches) {
  int const ranks = c.ranks > 0 ? c.ranks : c.net;
  std::vector<int> first;
  for (int p = 0; p < count; ++p) first.push_back(ranks * p / count);
  processes all;
  for (int p = 0; p < count; ++p) all.push_back(std::make_unique<process>(c, own, first, p, minibatches));
  return all;
}

outcome left_by(processes& all) {
  outcome left;
  for (auto& p : all) {
    std::vector<executor::bound_stage> hosted;
    for (executor::bound_stage const& b : p->memory.stages())
      if (b.worker >= 0) hosted.push_back(b);
    auto const state = test::state_of(p->t, hosted);
    left.state.insert(left.state.end(), state.begin(), state.end());
    left.bytes += p->memory.allocated_bytes();
  }
  for (auto const& l : all.back()->losses.take_each()) left.losses.push_back(l.sum);
  return left;
}

constexpr long long most_idle = 100000;

/// Brings all of them to the end of the phase, in a random order.
template <class Movers = couriers>
void finish_phase(processes& all, std::mt19937& random) {
  Movers movers(all);
  long long idle = 0;
  for (std::size_t done = 0; done < all.size();) {
    done = 0;
    for (auto& p : all) done += p->workers[0].through() ? 1U : 0U;
    std::size_t const i = random() % (all.size() + movers.size());
    bool const moved =
        i < all.size() ? all[i]->workers[0].advance() == executor::progress::ran : movers.progress(i - all.size());
    idle = moved ? 0 : idle + 1;
    if (idle > most_idle) throw error("cannot go on, because no process does: " + all[0]->workers[0].next_op());
  }
  for (bool moved = true; std::exchange(moved, false);)  // what is still on its way
    for (std::size_t i = 0; i < movers.size(); ++i) moved = movers.progress(i) || moved;
}

template <class Movers = couriers>
outcome in_processes(choice const& c, schedule::program const& own, int count, unsigned seed, long long minibatches = 8) {
  processes all = make_processes(c, own, count, minibatches);
  std::mt19937 random(seed);
  finish_phase<Movers>(all, random);
  return left_by(all);
}

/// Several phases: T3's, where the choice has it, and the main one twice, as in two runs.
outcome in_phases(choice const& c, schedule::program const& own, int count, unsigned seed, long long minibatches) {
  processes all = make_processes(c, own, count, minibatches);
  std::mt19937 random(seed);
  std::vector<std::size_t> phases{all[0]->t.phases.size() - 1};
  if (c.t3) phases.insert(phases.begin(), 0);
  phases.push_back(phases.back());
  for (std::size_t i = 0; i < phases.size(); ++i) {
    for (auto& p : all) p->begin(p->t.phases[phases[i]], static_cast<int>(i), minibatches);
    finish_phase(all, random);
  }
  return left_by(all);
}

/// What processes tell each other, in any order but that of two of them.
class notes {
  auto tell(std::size_t from) {
    return [this, from](int to, transport::note const& n) {
      sent_[from * all_.size() + static_cast<std::size_t>(to)].push_back(n);
    };
  }

 public:
  explicit notes(processes& all) : all_(all), sent_(all.size() * all.size()) {
    for (std::size_t p = 0; p < all.size(); ++p) {
      all[p]->shared->alone = false;
      of_.push_back(std::make_unique<executor::agreement>(
          *all[p]->shared, transport::process_place{static_cast<int>(p), static_cast<int>(all.size())}, p == 0));
    }
  }
  void look(std::size_t p, bool done) { of_[p]->look(done, tell(p)); }
  void hear(std::size_t from, std::size_t to) {
    auto& line = sent_[from * all_.size() + to];
    if (line.empty()) return;
    transport::note const n = line.front();
    line.pop_front();
    of_[to]->hear(n, tell(to));
  }
  bool over() const {
    return std::all_of(of_.begin(), of_.end(), [](auto const& a) { return a->over(); });
  }

 private:
  processes& all_;
  std::vector<std::unique_ptr<executor::agreement>> of_;
  std::vector<std::deque<transport::note>> sent_;
};

/// Runs to a pause for which one of them asks at some time, or to the end. Gives where it is.
long long pause(processes& all, std::mt19937& random) {
  std::size_t const who = random() % all.size();
  auto const when = static_cast<long long>(random() % 2000);
  std::vector<bool> done(all.size());
  {
    couriers movers(all);
    notes told(all);
    for (long long step = 0; !told.over(); ++step) {
      if (step == when) all[who]->shared->pause_soon();
      if (step > most_idle * 10) throw error("cannot pause, because the processes do not agree");
      std::size_t const p = random() % all.size();
      switch (random() % 4) {
        case 0:
          done[p] = all[p]->workers[0].advance() == executor::progress::done;
          break;
        case 1:
          told.look(p, done[p]);
          break;
        case 2:
          told.hear(p, random() % all.size());
          break;
        default:
          if (movers.size() > 0) movers.progress(random() % movers.size());
      }
    }
    for (bool moved = true; std::exchange(moved, false);)
      for (std::size_t i = 0; i < movers.size(); ++i) moved = movers.progress(i) || moved;
  }
  long long const paused_at = all[0]->shared->stop_at;
  for (auto& p : all)
    if (p->shared->stop_at != paused_at) throw error("the processes pause at different places");
  return paused_at;
}

/// A key that is not behind the end.
long long place_of(long long paused_at, long long minibatches, process const& p) {
  return std::min(paused_at, (minibatches + 100) * p.shared->keys_of_period());
}

outcome go_on(processes& all) {
  couriers movers(all);
  for (long long idle = 0; idle < 1000; ++idle) {
    for (auto& p : all)
      if (p->workers[0].advance() == executor::progress::ran) idle = 0;
    for (std::size_t i = 0; i < movers.size(); ++i)
      if (movers.progress(i)) idle = 0;
  }
  for (auto& p : all)
    if (!p->workers[0].through()) throw error("cannot go on behind a pause: " + p->workers[0].next_op());
  return left_by(all);
}

/// The same run, with a pause. Gives where it was, as well.
outcome with_a_pause(choice const& c, schedule::program const& own, int count, unsigned seed, long long minibatches,
                     long long& paused_at) {
  processes all = make_processes(c, own, count, minibatches);
  std::mt19937 random(seed);
  paused_at = pause(all, random);
  for (auto& p : all) {
    p->shared->from_key = place_of(paused_at, minibatches, *p);
    p->shared->stop_at = executor::phase_state::no_limit;
    p->work(minibatches);
  }
  return go_on(all);
}

/// The same, and `then` other processes go on: with the state of each unit, and each array, of the process that has it.
outcome over_a_cut(choice const& c, schedule::program const& own, int count, int then, unsigned seed,
                   long long minibatches) {
  processes all = make_processes(c, own, count, minibatches);
  std::mt19937 random(seed);
  long long const key = place_of(pause(all, random), minibatches, *all[0]);
  std::vector<executor::unit_state> units(all[0]->t.units());
  std::map<executor::array_id, executor::saved_array> arrays;
  for (auto& p : all) {
    p->shared->norm.keep(p->memory.stages());
    executor::run_cut cut;
    cut.run.at = {static_cast<int>(p->t.phases.size()) - 1, key};
    executor::done_ops const done(p->t.phases.back(), p->view, key, minibatches, p->t.thick);
    executor::copy_out(cut, p->memory, p->t, &done, {});
    auto const hosted = [&](int unit) { return p->memory.stages()[static_cast<std::size_t>(unit)].worker >= 0; };
    for (std::size_t u = 0; u < units.size(); ++u)
      if (hosted(static_cast<int>(u))) units[u] = cut.units[u];
    for (executor::saved_array& a : cut.arrays)
      if (hosted(a.id.unit)) arrays[a.id] = std::move(a);
  }
  processes others = make_processes(c, own, then, minibatches);
  for (auto& p : others) {
    executor::run_cut cut;
    cut.run.at = {static_cast<int>(p->t.phases.size()) - 1, key};
    cut.units = units;
    for (auto const& a : executor::detail::place_arrays(p->memory, p->t, p->t.phases.back(), {}))
      cut.arrays.push_back(arrays.at(a.what.id));
    executor::copy_in(cut, p->memory, p->t, {}, {});
    p->shared->serve(p->memory, p->view.global_norm);
    p->shared->from_key = key;
    p->work(minibatches);
  }
  return go_on(others);
}

}  // namespace

TEST_CASE("stages in memories of their own, joined by messages alone, train to the bits of one memory") {
  schedule::extent const four{4, 4, 2}, nine{9, 9, 2};
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {{{4, 1, false, 0, 3, 2}, {}},
                     {{4, 2, false, 0, 1, 3}, {}},
                     {{4, 3, true, 0, 3, 2}, {}},
                     {{4, 4, false, 1, 3, 2}, {}},
                     {{9, 4, false, 1, 1, 2}, {}},
                     {{9, 3, false, 1, 3, 2, 4}, {}},
                     {{9, 4, false, 1, 1, 2}, schedule::generate(schedule::recomputed<schedule::pipemare>{}, nine)},
                     {{4, 1, false, 0, 1, 2}, schedule::generate(test::last_in_first_out{}, four)},
                     {{4, 2, false, 0, 1, 2}, schedule::generate(schedule::zb_h1{}, four)}};
  for (auto const& c : cases) {
    INFO(c.what.text());
    outcome const one = in_processes(c.what, c.own, 1, 1);
    for (int count : {2, 3, 4})
      for (unsigned seed = 0; seed < foal_test::repeats(6U, 2U); ++seed) {
        INFO(count << " processes  seed " << seed);
        outcome const many = in_processes(c.what, c.own, count, seed);
        CHECK(many.state == one.state);
        CHECK(many.losses == one.losses);
      }
  }
}

TEST_CASE("chunks that go round the ranks of several processes train to the bits of one memory", "[executor]") {
  std::vector<schedule::program> programs;
  auto const add = [&](auto const& g, int stages, int ranks, int n) {
    programs.push_back(schedule::generate(g, schedule::extent_of(g, stages, ranks, n)));
  };
  add(schedule::interleaved{.uneven = true}, 4, 2, 3);
  add(schedule::interleaved{.chunks = 3}, 9, 3, 3);
  add(schedule::looped_bfs{.newest_first = true}, 4, 2, 3);
  add(schedule::hanayo{}, 4, 2, 3);
  add(schedule::hanayo{.waves = 2}, 9, 3, 4);
  add(schedule::varuna{}, 4, 4, 3);
  add(schedule::k_f_k_b{}, 9, 4, 3);
  // Stage after stage, as a process may host any of them; losses are where the last one is.
  auto const in_order_of_stages = [](processes& all) {
    outcome left;
    for (std::size_t u = 0; u < all[0]->memory.stages().size(); ++u)
      for (auto& p : all)
        if (executor::bound_stage const& b = p->memory.stages()[u]; b.worker >= 0) {
          auto const state = test::state_of(p->t, std::vector{b});
          left.state.insert(left.state.end(), state.begin(), state.end());
          if (b.number == static_cast<int>(p->t.stages.size()) - 1 && left.losses.empty())
            for (auto const& l : p->losses.take_each()) left.losses.push_back(l.sum);
        }
    return left;
  };
  for (schedule::program const& own : programs) {
    schedule::extent const e = own.size();
    choice const c{.net = e.stages, .optimizer = 3, .n = e.microbatches, .ranks = e.ranks};
    INFO(c.text() << "  " << e.placed.name);
    auto const trained = [&](int count, unsigned seed) {
      processes all = make_processes(c, own, count, 4);
      std::mt19937 random(seed);
      finish_phase(all, random);
      return in_order_of_stages(all);
    };
    outcome const one = trained(1, 1);
    for (int count = 2; count <= e.ranks; ++count)
      for (unsigned seed = 0; seed < foal_test::repeats(4U, 1U); ++seed) {
        INFO(count << " processes  seed " << seed);
        outcome const many = trained(count, seed);
        CHECK(many.state == one.state);
        CHECK(many.losses == one.losses);
      }
  }
}

TEST_CASE("weights tied to stages of other processes train to the bits of one memory") {
  schedule::extent const six{6, 6, 2};
  using schedule::generate;
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {
      {{6, 0, false, 0, 1, 2}, {}},
      {{6, 1, false, 0, 3, 1}, {}},
      {{6, 2, false, 0, 3, 4, 3}, {}},
      {{6, 3, true, 0, 1, 2}, {}},
      {{6, 4, false, 1, 1, 1}, {}},
      {{6, 4, true, 0, 3, 3}, {}},
      {{6, 4, false, 3, 1, 2, 3}, {}},
      {{.net = 6, .schedule = 1, .optimizer = 1, .n = 3, .thick = true}, {}},
      {{.net = 6, .schedule = 3, .optimizer = 1, .n = 12, .rule = 1}, {}},
      {{.net = 6, .schedule = 4, .optimizer = 1, .n = 3, .rule = 2}, {}},
      {{.net = 6, .schedule = 4, .optimizer = 1, .n = 12, .rule = 3}, {}},
      {{6, 4, false, 1, 1, 2}, generate(schedule::recomputed<schedule::pipemare>{}, six)},
      {{6, 4, true, 0, 1, 2}, generate(schedule::recomputed<schedule::pipemare>{}, six)},
      {{6, 1, false, 0, 1, 2}, generate(test::last_in_first_out{}, six)},
      {{6, 2, false, 0, 1, 2}, generate(schedule::zb_h1{}, six)},
      {{6, 1, false, 0, 1, 2}, generate(schedule::frozen<schedule::gpipe>{.stages = {1, 3, 4}}, six)},
      {{.net = 6, .optimizer = 1, .clip = true}, schedule::with_global_norm(generate(schedule::one_f_one_b{}, six))},
      {{.net = 6, .optimizer = 1, .clip = true}, schedule::with_global_norm(generate(schedule::zb_h1{}, six))},
      {{.net = 6, .optimizer = 1, .clip = true, .thick = true},
       schedule::with_global_norm(generate(schedule::gpipe{}, six))}};
  for (auto const& c : cases) {
    INFO(c.what.text());
    outcome const one = in_processes(c.what, c.own, 1, 1);
    for (int count : {2, 3, 6}) {
      if (c.what.ranks > 0 && count > c.what.ranks) continue;
      for (unsigned seed = 0; seed < foal_test::repeats(5U, 2U); ++seed) {
        INFO(count << " processes  seed " << seed);
        outcome const many = in_processes(c.what, c.own, count, seed);
        CHECK(many.state == one.state);
        CHECK(many.losses == one.losses);
      }
    }
  }
}

TEST_CASE("tied weights that nothing changes are sent once, and who borrows has memory for what is on its way") {
  schedule::program const own = schedule::generate(schedule::frozen<schedule::gpipe>{.stages = {1, 3, 4}}, {6, 6, 2});
  choice const c{6, 1, false, 0, 1, 2};
  using transport::channel_kind;
  auto const count = [](process const& p, channel_kind kind) {
    long long messages = 0;
    for (transport::open_end const& e : p.ends) messages += e.id.kind == kind ? e.order.count() : 0;
    return messages;
  };
  constexpr long long minibatches = 7, parameters = 4;  // a weight and a bias for each of two
  for (int const number : {0, 1}) {
    auto const still = one_of_two(c, own, 3, number, minibatches), moves = one_of_two(c, {}, 3, number, minibatches);
    CHECK(count(*still, channel_kind::tied_weights) == parameters);
    CHECK(count(*still, channel_kind::tied_gradients) == 0);
    CHECK(count(*moves, channel_kind::tied_weights) == parameters * minibatches);
    CHECK(count(*moves, channel_kind::tied_gradients) == parameters * minibatches);
  }
  auto const arrays = [&](process const& p) {
    std::vector<executor::array_id> tied;
    for (executor::array const& a : p.memory.arrays(p.t.phases.back()))
      if (a.id.purpose == executor::array_purpose::tied_weights || a.id.purpose == executor::array_purpose::tied_gradients)
        tied.push_back(a.id);
    return tied;
  };
  auto const home = one_of_two(c, {}, 3, 0, minibatches), borrower = one_of_two(c, {}, 3, 1, minibatches);
  auto const alone = whole(c, {}, minibatches);
  CHECK(arrays(*home).size() == 2 * parameters);
  CHECK((arrays(*home) == arrays(*alone)));
  CHECK((arrays(*borrower) == arrays(*home)));  // one name, and one content, wherever it lies
  auto const bytes = [](process const& p) {
    std::size_t sum = 0;
    for (plan_entry const& e : p.memory.plan().entries())
      if (e.what.find("tied") != std::string::npos) sum += e.bytes;
    return sum;
  };
  CHECK(bytes(*home) == bytes(*alone));
  CHECK(bytes(*borrower) == bytes(*alone));
}

TEST_CASE("a phase begins in all processes as in one memory, whatever the one before has left") {
  schedule::extent const four{4, 4, 2}, six{6, 6, 2};
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {
      {{.net = 4, .schedule = 3, .optimizer = 1, .t3 = true}, {}},
      {{.net = 6, .schedule = 4, .delay = 1, .optimizer = 3, .t3 = true}, {}},
      {{.net = 6, .schedule = 3, .stash = true, .optimizer = 1, .n = 3, .t3 = true}, {}},
      {{.net = 4, .optimizer = 1, .clip = true}, schedule::with_global_norm(schedule::generate(schedule::gpipe{}, four))},
      {{.net = 6, .optimizer = 1, .clip = true},
       schedule::with_global_norm(schedule::generate(schedule::one_f_one_b{}, six))}};
  for (auto const& c : cases) {
    INFO(c.what.text());
    for (long long minibatches : {1, 5}) {
      outcome const one = in_phases(c.what, c.own, 1, 1, minibatches);
      for (int count : {2, 3})
        for (unsigned seed = 0; seed < foal_test::repeats(5U, 2U); ++seed) {
          INFO(count << " processes  " << minibatches << " minibatches  seed " << seed);
          outcome const many = in_phases(c.what, c.own, count, seed, minibatches);
          CHECK(many.state == one.state);
          CHECK(many.losses == one.losses);
        }
    }
  }
}

TEST_CASE("a pause that a process asks for leaves no message on its way, and all go on to the bits of one memory") {
  schedule::extent const four{4, 4, 2};
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {{{4, 1, false, 0, 3, 2}, {}},
                     {{4, 3, true, 0, 3, 2}, {}},
                     {{4, 4, false, 1, 3, 2}, {}},
                     {{9, 3, false, 1, 3, 2, 4}, {}},
                     {{6, 4, false, 1, 3, 2}, {}},
                     {{6, 3, true, 0, 1, 2, 4}, {}},
                     {{.net = 6, .optimizer = 1, .clip = true},
                      schedule::with_global_norm(schedule::generate(schedule::one_f_one_b{}, {6, 6, 2}))},
                     {{4, 1, false, 0, 1, 2}, schedule::generate(test::last_in_first_out{}, four)}};
  int pauses = 0;
  for (auto const& c : cases) {
    INFO(c.what.text());
    constexpr long long minibatches = 20;
    outcome const one = in_processes(c.what, c.own, 1, 1, minibatches);
    for (int count : {2, 3, 4})
      for (unsigned seed = 0; seed < foal_test::repeats(20U, 3U); ++seed) {
        INFO(count << " processes  seed " << seed);
        long long paused_at = 0;
        outcome const many = with_a_pause(c.what, c.own, count, seed, minibatches, paused_at);
        pauses += paused_at < executor::phase_state::no_limit ? 1 : 0;
        CHECK(many.state == one.state);
        CHECK(many.losses == one.losses);
      }
  }
  CHECK(pauses > 10);
}

TEST_CASE("other processes go on where some have paused, to the bits of one memory") {
  schedule::program const normed = schedule::with_global_norm(schedule::generate(schedule::one_f_one_b{}, {6, 6, 2}));
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {{{4, 4, false, 1, 3, 2}, {}},
                     {{6, 4, false, 1, 3, 2}, {}},
                     {{6, 3, true, 0, 1, 3}, {}},
                     {{6, 4, true, 0, 1, 2}, schedule::generate(schedule::recomputed<schedule::pipemare>{}, {6, 6, 2})},
                     {{.net = 6, .optimizer = 1, .clip = true}, normed}};
  for (auto const& c : cases) {
    INFO(c.what.text());
    constexpr long long minibatches = 20;
    outcome const one = in_processes(c.what, c.own, 1, 1, minibatches);
    for (auto const& [count, then] : {std::pair{1, 2}, {2, 2}, {2, 3}, {3, 2}, {2, 1}})
      for (unsigned seed = 0; seed < foal_test::repeats(12U, 3U); ++seed) {
        INFO(count << " processes, then " << then << "  seed " << seed);
        CHECK(over_a_cut(c.what, c.own, count, then, seed, minibatches).state == one.state);
      }
  }
}

TEST_CASE("over links that are slow and lose messages the bits are the same") {
  schedule::extent const four{4, 4, 2};
  struct {
    choice what;
    schedule::program own;
  } const cases[] = {{{4, 1, false, 0, 3, 2}, {}},
                     {{4, 3, true, 0, 3, 2}, {}},
                     {{9, 4, false, 1, 1, 2}, {}},
                     {{9, 3, false, 1, 3, 2, 4}, {}},
                     {{6, 4, false, 1, 3, 2}, {}},
                     {{6, 4, true, 0, 1, 1}, {}},
                     {{4, 1, false, 0, 1, 2}, schedule::generate(test::last_in_first_out{}, four)}};
  for (auto const& c : cases) {
    INFO(c.what.text());
    outcome const one = in_processes(c.what, c.own, 1, 1);
    for (int count : {2, 4})
      for (unsigned seed = 0; seed < 2; ++seed) {
        INFO(count << " processes  seed " << seed);
        outcome const many = in_processes<slow_links>(c.what, c.own, count, seed);
        CHECK(many.state == one.state);
        CHECK(many.losses == one.losses);
      }
  }
}

TEST_CASE("a process has memory for the stages that it hosts, and for what it sends on") {
  choice const c{4, 4, false, 1, 3, 2};
  auto const all = whole(c, {}, 1), first = one_of_two(c, {}, 2, 0, 1), second = one_of_two(c, {}, 2, 1, 1);
  for (category const what : {category::weights, category::gradients, category::optimizer, category::delta})
    CHECK(first->memory.plan().bytes(what) + second->memory.plan().bytes(what) == all->memory.plan().bytes(what));
  CHECK(first->memory.allocated_bytes() < all->memory.allocated_bytes());
  REQUIRE(first->ends.size() == 2);
  CHECK((first->ends[0].id == transport::channel_id{2, 0, transport::channel_kind::activation}));
  CHECK(first->ends[0].sends);
  CHECK_FALSE(first->ends[1].sends);
}

TEST_CASE("processes have the memory of one with as many workers, and two slots of each entry that leaves one") {
  for (choice const& c : {choice{4, 1, false, 0, 1, 3}, choice{4, 4, false, 1, 3, 2}, choice{4, 3, true, 0, 1, 2},
                          choice{9, 4, false, 1, 1, 2}, choice{9, 1, false, 0, 1, 4}}) {
    INFO(c.text());
    table::run_tables const t = test::tables_of(c);
    auto const bytes = [&](int workers, std::vector<int> of) {
      table::run_values const values{test::bit_samples, c.n, workers, 5, false, 64, false};
      return executor::run_plan(t, values, std::move(of)).memory().bytes();
    };
    for (int border = 1; border < t.ranks; ++border) {
      INFO("from rank " << border << " on another one");
      std::vector<int> one, first, second;
      for (int r = 0; r < t.ranks; ++r) {
        one.push_back(r < border ? 0 : 1);
        first.push_back(r < border ? 0 : executor::hosted_by(1));
        second.push_back(r < border ? executor::hosted_by(0) : 0);
      }
      std::size_t sent = 0;
      for (table::wire_entry const& e : t.stages[static_cast<std::size_t>(border)].wire_in)
        sent += 2 * padded(e.bytes(test::bit_samples)) * (e.gradient ? 2 : 1);
      CHECK(bytes(1, first) + bytes(1, second) == bytes(2, one) + sent);
    }
  }
}

TEST_CASE("a sender whose microbatches leave out of their order keeps the slots that this takes") {
  schedule::extent const four{4, 4, 2};
  schedule::program plain = schedule::generate(schedule::gpipe{}, four),
                    turned = schedule::generate(test::last_in_first_out{}, four);
  using schedule::op_kind;
  for (int stage = 0; stage < 4; ++stage) {
    for (op_kind const kind : {op_kind::F, op_kind::B}) CHECK(executor::in_order(plain.view(), stage, kind));
    CHECK(executor::in_order(turned.view(), stage, op_kind::F));
    CHECK_FALSE(executor::in_order(turned.view(), stage, op_kind::B));
  }
}

TEST_CASE("the edges of the global norm are no channels, and do not take their place") {
  for (bool normed : {false, true}) {
    INFO(normed);
    schedule::program own = schedule::generate(schedule::gpipe{}, {4, 4, 2});
    if (normed) own = schedule::with_global_norm(std::move(own));
    auto const first = one_of_two({4, 1, false, 0, 1, 2}, own, 2, 0, 1);
    auto const ends = executor::open_ends(first->memory, first->view, 1);
    REQUIRE(ends.size() == 2);
    CHECK((ends[0].id == transport::channel_id{2, 0, transport::channel_kind::activation}));
    CHECK((ends[1].id == transport::channel_id{2, 0, transport::channel_kind::gradient}));
    CHECK(ends[0].sends);
    CHECK_FALSE(ends[1].sends);
  }
}

TEST_CASE("progress is counted by the last stage that a process hosts") {
  choice const c{4, 1, false, 0, 1, 2};
  auto const first = one_of_two(c, {}, 2, 0, 1);
  CHECK(first->shared->last_hosted == 1);
  while (first->workers[0].advance() == executor::progress::ran) {
  }
  CHECK(first->shared->microbatches_done.load() > 0);
  CHECK(first->losses.count() == 0);
}
