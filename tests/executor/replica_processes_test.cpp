// Replicas in several processes: one in each, several in one, or each over several. Whatever they exchange, the bits are
// those of one thread, with pauses, evaluations, warm-up and the norm of the whole model too.
#include <foal/executor/processes.hpp>
#include <foal/lower/replica.hpp>
#include <foal/policy/replica/averaged.hpp>
#include <foal/policy/replica/delayed.hpp>
#include <foal/policy/replica/local.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/trainer/shared_result.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <memory>

#include "tests/executor/support.hpp"
#include "tests/support/rooms.hpp"
#include "tests/support/sanitized.hpp"
#include "tests/support/schedules.hpp"
#include "tests/support/sleeper.hpp"

namespace {

using namespace foal;
using test::rooms;

enum exchange { summed, delayed, averaged, local, sharded };
replica::summed const sums;
replica::delayed const late;
replica::averaged const averages{.alpha = 0.3};
replica::sharded const shards;
replica::local const locals{.every = 3, .rate = 0.7, .momentum = 0.9};

struct what {
  int net = 4;       ///< as test::choice has it
  int schedule = 2;  ///< the same; -1: Chimera
  int replicas = 2;
  exchange by = summed;
  int ranks = 4;  ///< of one of them
  bool norm = false;
  bool warm = false;  ///< one_f_one_b first
  long long evaluate_every = 0;
  int share = 2;                 ///< microbatches of a minibatch that run through each replica
  int delay = 0, optimizer = 1;  ///< as test::choice has them

  std::string text() const {
    return sentence("net ", net, "  schedule ", schedule, "  replicas ", replicas, "  exchange ", static_cast<int>(by),
                    "  ranks ", ranks, norm ? "  norm" : "", warm ? "  warm" : "", "  evaluate ", evaluate_every, "  delay ",
                    delay, "  optimizer ", optimizer);
  }
};

constexpr long long minibatches = 7, warm_up = 4;

table::run_tables tables_of(what const& of) {
  schedule::extent const one{of.net, of.ranks, of.share};
  auto const beside = [&](int which) {
    schedule::program p = test::program_of(which, one);
    if (of.norm) p = schedule::with_global_norm(std::move(p));
    return schedule::with_replicas(std::move(p), of.replicas);
  };
  test::choice const c{of.net, 1, of.norm, of.delay, of.optimizer, of.share * of.replicas, of.ranks};
  schedule::chimera const both_ways{.replicas = of.replicas};
  schedule::program own =
      of.schedule < 0
          ? schedule::generate(both_ways, schedule::extent_of(both_ways, of.net, of.ranks, of.share * of.replicas))
          : beside(of.schedule);
  if (of.schedule < 0 && of.norm) own = schedule::with_global_norm(std::move(own));
  table::run_tables t = test::tables_of(c, std::move(own));
  t.ranks = t.phases.back().program.size().ranks;
  if (of.warm) t.phases.insert(t.phases.begin(), lower::detail::make_phase("warm-up", beside(2), versions::flush{}, false));
  if (of.by == summed) lower::exchange<replica::summed, float>(t, sums, of.replicas);
  if (of.by == delayed) lower::exchange<replica::delayed, float>(t, late, of.replicas);
  if (of.by == averaged) lower::exchange<replica::averaged, float>(t, averages, of.replicas);
  if (of.by == sharded) lower::exchange<replica::sharded, float>(t, shards, of.replicas);
  if (of.by == local) lower::exchange<replica::local, float>(t, locals, of.replicas);
  return t;
}

/// So many processes of so many workers; 0 processes: one thread.
struct spread {
  int processes = 0, workers = 1;
};

/// Weights, statistics, and what the unit has of the optimizer's and the delay policy's states.
std::vector<std::byte> state_of(table::run_tables const& t, executor::bound_stage const& b) {
  std::vector<std::byte> all;
  auto const take = [&](std::byte const* from, element type, long long n) {
    if (from != nullptr) all.insert(all.end(), from, from + bytes_of(type, n));
  };
  take(b.w, t.types.weights, b.table->weight_elements);
  take(b.buffers, t.types.statistics, b.table->buffer_elements);
  for (int k = 0; k < t.policies.delay_states; ++k)
    take(b.delay_states[k], t.types.delay, b.delay_packed ? b.table->backward_elements : b.table->trained_elements);
  for (int k = 0; k < t.policies.optimizer_states; ++k)
    take(b.states[k], t.types.optimizer, executor::states_of(t, b, k).count);
  return all;
}

struct outcome {
  std::vector<std::vector<std::byte>> state;  ///< by unit
  std::vector<double> sums, evaluations;
  long long microbatches = 0;
  bool operator==(outcome const&) const = default;
};

/// One of the processes.
struct piece {
  what of;
  table::run_tables tables;
  test::stream data;
  executor::engine engine;

  piece(what const& w, spread s, int number)
      : of(w),
        tables(tables_of(w)),
        data{.features = w.net < 9 ? test::mlp_inputs : 72, .classes = test::mlp_classes, .samples = test::bit_samples},
        engine(tables,
               {test::bit_samples, tables.phases.back().program.size().microbatches, s.workers, 5, w.evaluate_every > 0, 2,
                false},
               s.processes > 0 ? executor::driver_of<executor::processes_over<rooms>>() : test::driver(false),
               workers(tables.ranks, s, number)) {}

  static std::vector<int> workers(int ranks, spread s, int number) {
    std::vector<int> all = test::shares(ranks, std::max(s.processes, 1) * s.workers);
    for (int& w : all) w = w / s.workers == number ? w % s.workers : executor::hosted_by(w / s.workers);
    return all;
  }
  executor::run_result run(executor::run_request request = {}, bool resumes = false) {
    request.minibatches = minibatches;
    request.loss_every = 2;
    request.source = test::source_of(data);
    if (of.evaluate_every > 0) {
      request.evaluate_every = of.evaluate_every;
      request.evaluation.self = &data;
      request.evaluation.samples = 4;
      request.evaluation.inputs = [](void const*, long long first, int n, int, lengths_of_axes, void* x) {
        for (int i = 0; i < n * test::mlp_inputs; ++i)
          static_cast<float*>(x)[i] = static_cast<float>((first * test::mlp_inputs + i) % 7) * 0.1F;
      };
      request.evaluation.targets = [](void const*, long long first, int n, lengths_of_axes, void* t) {
        for (int i = 0; i < n; ++i) static_cast<std::int32_t*>(t)[i] = static_cast<std::int32_t>((first + i) % 2);
      };
    }
    return resumes ? engine.resume(request) : engine.run(request, of.warm ? warm_up : 0);
  }
};

/// What f(piece, number) leaves in all processes, f giving a result as run() does.
template <class F>
outcome in(what const& of, spread s, F const& f) {
  outcome all;
  int const count = std::max(s.processes, 1);
  std::vector<outcome> each(static_cast<std::size_t>(count));
  std::vector<std::string> thrown(each.size());
  auto const process = [&](int number) {
    outcome& mine = each[static_cast<std::size_t>(number)];
    try {
      piece p(of, s, number);
      executor::run_result r = f(p, number);
      if (r.diverged) throw error(r.diverged->text());
      if (s.processes > 1) executor::share(r, [](std::string const& text) { return rooms().exchange(text); });
      for (auto const& sum : r.sums) mine.sums.push_back(sum.sum);
      for (auto const& e : r.evaluations) mine.evaluations.push_back(e.loss);
      mine.microbatches = r.microbatches;
      mine.state.resize(p.tables.units());
      for (executor::bound_stage const& b : p.engine.stages())
        if (b.worker >= 0) mine.state[static_cast<std::size_t>(b.unit)] = state_of(p.tables, b);
    } catch (std::exception const& e) {
      thrown[static_cast<std::size_t>(number)] = e.what();
      if (s.processes > 0) rooms::end_all(e.what());  // the others would wait
    }
  };
  if (s.processes == 0)
    process(0);
  else
    CHECK(rooms::with_processes(s.processes, process) == 0);
  for (std::string const& text : thrown) CHECK(text == "");
  all = each.front();
  for (outcome const& one : each) {
    CHECK(one.sums == all.sums);
    CHECK(one.evaluations == all.evaluations);
    CHECK(one.microbatches == all.microbatches);
    for (std::size_t u = 0; u < one.state.size(); ++u)
      if (!one.state[u].empty()) all.state[u] = one.state[u];
  }
  return all;
}

outcome trained(what const& of, spread s, unsigned seed = 0) {
  test::sleeper sleeper{seed};
  return in(of, s, [&](piece& p, int) {
    executor::run_request r;
    if (seed > 0) r.disturb = sleeper.hook();
    return p.run(r);
  });
}

std::vector<spread> spreads(what const& of) {
  std::vector<spread> all;
  int const ranks = of.schedule < 0 ? of.ranks : of.ranks * of.replicas;
  for (spread const s : {spread{1, 1}, {2, 1}, {2, 2}, {3, 1}, {4, 1}})
    if (s.processes * s.workers <= ranks) all.push_back(s);
  return all;
}

std::vector<what> cases() {
  std::vector<what> all;
  for (exchange const by : {summed, delayed, averaged, local, sharded})
    for (int const schedule : {2, 4}) all.push_back({.schedule = schedule, .by = by});
  all.push_back({.replicas = 3, .ranks = 2});
  all.push_back({.schedule = 3, .replicas = 3, .by = delayed, .ranks = 1});
  all.push_back({.schedule = -1});
  all.push_back({.schedule = -1, .replicas = 4, .ranks = 2});
  all.push_back({.net = 9, .schedule = -1, .ranks = 3, .norm = true});
  all.push_back({.schedule = 1, .norm = true});
  all.push_back({.schedule = 2, .replicas = 3, .ranks = 2, .norm = true});
  all.push_back({.schedule = 4, .by = delayed, .warm = true});
  all.push_back({.schedule = 4, .by = averaged, .warm = true});
  all.push_back({.net = 9, .schedule = 4, .ranks = 9});
  for (exchange const by : {summed, delayed, averaged, local})  // each replica has tied weights
    all.push_back({.net = 6, .schedule = by == summed ? 2 : 4, .by = by, .ranks = 3});
  all.push_back({.net = 6, .schedule = 2, .by = local, .ranks = 6});
  all.push_back({.net = 6, .schedule = 2, .ranks = 6, .norm = true});
  all.push_back({.net = 6, .schedule = 4, .by = averaged, .ranks = 3, .warm = true, .evaluate_every = 3});
  all.push_back({.evaluate_every = 2});
  all.push_back({.schedule = 4, .by = sharded, .warm = true, .evaluate_every = 2, .delay = 1, .optimizer = 3});
  all.push_back({.schedule = 2, .replicas = 3, .by = sharded, .ranks = 2, .optimizer = 3});
  for (exchange const by : {summed, averaged, sharded}) all.push_back({.net = 6, .schedule = 4, .by = by, .ranks = 6});
  all.push_back({.schedule = 4, .by = local, .evaluate_every = 3});
  return all;
}

/// Every op of all phases but the first of each.
std::vector<executor::run_place> places_of(what const& of) {
  std::vector<executor::run_place> places;
  table::run_tables const t = tables_of(of);
  long long trained_before = 0;
  for (std::size_t ph = 0; ph < t.phases.size(); ++ph) {
    schedule::program p = t.phases[ph].program;
    executor::op_order const order(p.view());
    long long const own = ph + 1 < t.phases.size() ? warm_up : minibatches - trained_before;
    for (long long key = 1; key < own * order.keys_of_period(); ++key) places.push_back({static_cast<int>(ph), key});
    trained_before += own;
  }
  return places;
}

}  // namespace

TEST_CASE("replicas in any number of processes train to the bits of one thread, whatever they exchange", "[executor]") {
  foal_test::turns turns(3);
  for (what const& of : cases()) {
    INFO(of.text());
    outcome const one = trained(of, {});
    REQUIRE(one.microbatches == minibatches * of.share * of.replicas);
    for (spread const s : spreads(of)) {
      if (!turns.take()) continue;
      INFO(s.processes << " processes of " << s.workers);
      for (unsigned seed = 0; seed < foal_test::repeats(2U, 1U); ++seed) CHECK(trained(of, s, seed) == one);
    }
  }
}

TEST_CASE("replicas that share out states train to the bits of those that do not, with as many states as one has",
          "[executor]") {
  for (int const schedule : {0, 2, 4})
    for (int const delay : {0, 1})
      for (int const optimizer : {0, 1, 2, 3, 4}) {
        if (delay == 1 && schedule != 4) continue;
        what of{.schedule = schedule, .replicas = optimizer == 3 ? 3 : 2, .delay = delay, .optimizer = optimizer};
        INFO(of.text());
        piece whole(of, {}, 0);
        of.by = sharded;
        piece parts(of, {}, 0);
        executor::run_result const a = whole.run(), b = parts.run();
        REQUIRE(a.sums.size() == b.sums.size());
        for (std::size_t i = 0; i < a.sums.size(); ++i) CHECK(a.sums[i].sum == b.sums[i].sum);
        table::run_tables const& t = whole.tables;
        auto const stages = static_cast<std::size_t>(of.net);
        for (std::size_t u = 0; u < t.units(); ++u) {
          executor::bound_stage const &x = whole.engine.stages()[u], &y = parts.engine.stages()[u];
          CHECK(std::memcmp(x.w, y.w, bytes_of(t.types.weights, x.table->weight_elements)) == 0);
          for (int k = 0; k < t.policies.delay_states && x.has_delay_states; ++k)
            CHECK(std::memcmp(x.delay_states[k], y.delay_states[k], bytes_of(t.types.delay, x.table->backward_elements)) ==
                  0);
          for (int k = 0; k < t.policies.optimizer_states; ++k)
            CHECK(std::memcmp(x.states[k] + bytes_of(t.types.optimizer, y.part.first), y.states[k],
                              bytes_of(t.types.optimizer, y.part.count)) == 0);
        }
        std::size_t all = 0;
        for (std::size_t s = 0; s < stages; ++s)
          all += bytes_of(t.types.optimizer, t.stages[s].trained_elements) *
                 static_cast<std::size_t>(t.policies.optimizer_states);
        auto const planned = [](piece const& p) { return p.engine.memory().plan().bytes(category::optimizer); };
        CHECK(planned(whole) >= all * static_cast<std::size_t>(of.replicas));
        CHECK(planned(parts) == all);
      }
}

TEST_CASE("two replicas of two processes each train as one pipeline does on the same minibatches, but for rounding",
          "[executor]") {
  for (int const schedule : {0, 1, 2}) {
    INFO("schedule " << schedule);
    outcome const two = trained({.schedule = schedule, .ranks = 2}, {4, 1}),
                  one = trained({.schedule = schedule, .replicas = 1, .ranks = 2, .share = 4}, {});
    for (std::size_t u = 0; u < two.state.size(); ++u) {
      std::vector<std::byte> const &a = two.state[u], &b = one.state[u % 4];
      REQUIRE(a.size() == b.size());
      for (std::size_t i = 0; i < a.size(); i += sizeof(float)) {
        float x = 0, y = 0;
        std::memcpy(&x, &a[i], sizeof x);
        std::memcpy(&y, &b[i], sizeof y);
        REQUIRE(std::abs(x - y) < 1e-5F);
      }
    }
    REQUIRE(two.sums.size() == one.sums.size());
    for (std::size_t i = 0; i < one.sums.size(); ++i) CHECK(two.sums[i] == Approx(one.sums[i]).epsilon(1e-5));
  }
}

TEST_CASE("replicas in processes that pause before any op go on to the bits of a run without a pause", "[executor]") {
  std::size_t turn = 0;
  for (what const& of : cases()) {
    INFO(of.text());
    outcome const one = trained(of, {});
    auto const places = places_of(of);
    auto const all = spreads(of);
    spread const s = all[1 + turn % (all.size() - 1)];
    INFO(s.processes << " processes of " << s.workers);
    std::size_t const every = foal_test::repeats(places.size() / 5, places.size() / 2);
    outcome const many = in(of, s, [&](piece& p, int) {
      executor::run_result r;
      std::vector<executor::evaluation_result> found;
      bool resumes = false;
      auto const run = [&](std::optional<executor::run_place> pause) {
        executor::run_request request;
        request.pause = pause;
        r = p.run(request, std::exchange(resumes, true));
        found.insert(found.end(), r.evaluations.begin(), r.evaluations.end());
        return r.paused;
      };
      bool goes_on = true;
      for (std::size_t i = turn % every; goes_on && i < places.size(); i += every) goes_on = run(places[i]);
      if (goes_on) run({});
      r.evaluations = found;
      return r;
    });
    ++turn;
    CHECK(many.state == one.state);
    CHECK(many.evaluations == one.evaluations);
    CHECK(many.microbatches == one.microbatches);
    REQUIRE(many.sums.size() <= one.sums.size());
    CHECK(std::equal(many.sums.rbegin(), many.sums.rend(), one.sums.rbegin()));
  }
}

TEST_CASE("shares of processes with replicas are one cut, and each is enough for its own process", "[executor]") {
  std::size_t turn = 0;
  foal_test::turns turns(2);
  for (what const& of : cases()) {
    if (!turns.take()) continue;
    INFO(of.text());
    outcome const one = trained(of, {});
    auto const places = places_of(of);
    auto const all = spreads(of);
    for (std::size_t repeat = 0; repeat < foal_test::repeats(3U, 1U); ++repeat, ++turn) {
      spread const s = all[1 + turn % (all.size() - 1)], next = all[1 + (turn + repeat) % (all.size() - 1)];
      executor::run_place const place = places[turn * 37 % places.size()];
      INFO(s.processes << " processes of " << s.workers << ", then " << next.processes << " of " << next.workers
                       << "  phase " << place.phase << " key " << place.key);
      std::vector<executor::run_cut> shares(static_cast<std::size_t>(s.processes));
      in(of, s, [&](piece& p, int number) {
        executor::run_request request;
        request.pause = place;
        executor::run_result const r = p.run(request);
        if (!r.paused) throw error("has not paused");
        shares[static_cast<std::size_t>(number)] = p.engine.cut();
        return r;
      });
      auto const goes_on = [](piece& p, executor::run_cut const& from) {
        p.engine.restore(from);
        return p.run({}, true);
      };
      CHECK(in(of, s, [&](piece& p, int number) { return goes_on(p, shares[static_cast<std::size_t>(number)]); }).state ==
            one.state);
      executor::run_cut whole;
      for (executor::run_cut const& share : shares) executor::join(whole, share);
      CHECK(in(of, next, [&](piece& p, int) { return goes_on(p, whole); }).state == one.state);
    }
  }
}

TEST_CASE("a divergence in one replica ends the processes of all as it ends one thread", "[executor]") {
  for (exchange const by : {summed, delayed, averaged, local, sharded})
    for (int const schedule : {2, 4})
      for (long long const poisoned : {0, 9, 14, 27}) {
        what const of{.schedule = schedule, .by = by};
        INFO(of.text() << "  poisoned " << poisoned);
        auto const said = [&](spread s) {
          std::vector<std::string> all(static_cast<std::size_t>(std::max(s.processes, 1)));
          auto const process = [&](int number) {
            piece p(of, s, number);
            p.data.poisoned = poisoned;
            executor::run_result const r = p.run();
            all[static_cast<std::size_t>(number)] = r.diverged ? r.diverged->text() : "all went well";
          };
          if (s.processes == 0)
            process(0);
          else
            rooms::with_processes(s.processes, process);
          for (std::string const& one : all) CHECK(one == all.front());
          return all.front();
        };
        std::string const one = said({});
        CHECK_THAT(one, Catch::StartsWith("cannot go on after update"));
        for (spread const s : {spread{2, 1}, spread{2, 2}, spread{3, 1}}) CHECK(said(s) == one);
      }
}

TEST_CASE("what replicas that share out states cannot do is refused with a sentence", "[executor]") {
  what const of{.by = sharded};
  piece whole(of, {}, 0);
  whole.run();
  table::parameter_row const& row = whole.engine.row(0, 0);
  std::vector<float> room(static_cast<std::size_t>(row.size));
  CHECK_THROWS_WITH(whole.engine.read_average(0, row, 0, room.data()), Catch::Contains("each has a part of them"));
  table::run_values looks = whole.engine.values();
  looks.diagnostics.every = 2;
  CHECK_THROWS_WITH(executor::engine(whole.tables, looks, test::driver(false), test::shares(whole.tables.ranks, 1)),
                    Catch::Contains("cannot look at the updates of replicas that share out"));
}
