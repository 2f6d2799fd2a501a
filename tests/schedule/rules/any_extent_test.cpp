// Every rule with random numbers, for random stages, ranks and microbatches: it gives a program that is proved and runs with
// any costs, or a sentence that says which values do not go together.
#include <foal/schedule/generate.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cctype>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/overlaps.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/message_driven.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/v_search.hpp>
#include <foal/schedule/rules/varuna.hpp>
#include <foal/schedule/rules/vocabulary_1f1b.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>

#include "tests/support/sanitized.hpp"

using namespace foal::schedule;

namespace {

/// What is asked of a rule, and all whole numbers in it.
struct asked {
  std::string name;
  std::set<std::string> names;  ///< its own, and its base's
  std::set<int> values;
  std::function<program()> make;
};

template <class G>
void describe(G const& g, asked& q) {
  q.names.insert(G::name);
  if constexpr (requires { g.base; }) describe(g.base, q);
  if constexpr (requires { int{g.replicas}; }) q.values.insert(g.replicas);
  if constexpr (requires { g.numbers([](char const*, auto const&) {}); })
    g.numbers([&](char const*, auto const& v) {
      if constexpr (std::is_same_v<std::remove_cvref_t<decltype(v)>, int>) q.values.insert(v);
    });
}

template <class G>
asked ask(G const& g, int stages, int ranks, int microbatches) {
  asked q{
      G::name, {}, {stages, ranks, microbatches}, [=] { return generate(g, extent_of(g, stages, ranks, microbatches)); }};
  describe(g, q);
  return q;
}

std::vector<int> numbers_in(std::string const& text) {
  auto const digit = [&](std::size_t i) { return i < text.size() && std::isdigit(static_cast<unsigned char>(text[i])); };
  std::vector<int> all;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!digit(i) || (i > 0 && std::isalnum(static_cast<unsigned char>(text[i - 1])))) continue;
    std::size_t end = i;
    while (digit(end)) ++end;
    all.push_back(std::stoi(text.substr(i, end - i)));
  }
  return all;
}

struct random_questions {
  std::mt19937 random{11};
  int below(int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); }

  static constexpr int rules = 38;

  /// Of rule i: numbers that it can have, on up to 6 ranks, now and then more than there are stages; too few microbatches
  /// too.
  asked next(int i) {
    int const ranks = 1 + below(6), n = 1 + below(14), one_or_more = 1 + below(3);
    int const stages = std::max(1, below(12) == 0 ? ranks - 1 : ranks + below(2 * ranks + 1));
    int const pairs = 2 * (1 + below(2));
    double const f = 1 + below(3), b = 1 + below(3), w = 1 + below(3);
    auto const of = [&](auto const& g) { return ask(g, stages, ranks, n); };
    switch (i) {
      case 0:
        return of(gpipe{.newest_first = below(2) == 0});
      case 1:
        return of(one_f_one_b{});
      case 2:
        return of(k_f_k_b{.k = one_or_more});
      case 3:
        return of(interleaved{.chunks = one_or_more, .turn = below(2) * below(8), .uneven = below(2) == 0});
      case 4:
        return of(looped_bfs{.chunks = one_or_more, .newest_first = below(2) == 0});
      case 5:
        return of(chimera{.replicas = pairs, .units = below(2) == 0});
      case 6:
        return of(hanayo{.waves = one_or_more});
      case 7:
        return of(zb_h1{});
      case 8:
        return of(zb_h2{});
      case 9:
        return of(zb_v{});
      case 10:
        return of(interleaved_zb{.chunks = one_or_more});
      case 11:
        return of(zb_auto{.forward = f, .backward = b, .weight = w, .memory = below(2 * ranks)});
      case 12:
        return of(v_half{});
      case 13:
        return of(v_min{});
      case 14:
        return of(two_bp<one_f_one_b>{});
      case 15:
        return of(two_bp<chimera>{});
      case 16:
        return of(two_bp<interleaved>{.base = {.chunks = one_or_more}});
      case 17:
        return of(seq1f1b{.segments = one_or_more});
      case 18:
        return of(bpipe{});
      case 19:
        return of(dual_pipe{});
      case 20:
        return of(dual_pipe_v{});
      case 21:
        return of(varuna{});
      case 22:
        return of(async_1f1b{});
      case 23:
        return of(paci{.every = below(6)});
      case 24:
        return of(pipemare{});
      case 25:
        return ask(sequential{}, stages, 1, n);
      case 26:
        return of(recomputed<gpipe>{.segment = below(3)});
      case 27:
        return of(recomputed<pipemare>{.segment = below(3)});
      case 28:
        return of(recomputed<looped_bfs>{.segment = below(3)});
      case 29:
        return of(message_driven{.limit = below(4), .backward = one_or_more, .message = below(2)});
      case 30:
        return of(lag_bounded{.lag = below(7) - 1});
      case 31:
        return of(wpipe{});
      case 32:
        return ask(amdp{.replicas = one_or_more}, stages, 2 * one_or_more, n);
      case 33:
        return ask(cyclic{.replicas = one_or_more}, stages, ranks, n);
      case 34:
        return of(folded<one_f_one_b>{.placed = vee});
      case 35:
        return of(folded<pipemare>{});
      case 36:
        return of(vocabulary_1f1b{.parts = below(2) * one_or_more,
                                  .forward = f,
                                  .backward = b + w,
                                  .output_forward = f / 2,
                                  .output_backward = b,
                                  .embedding = 0.25 * below(2),
                                  .message = 0.5 * below(2),
                                  .memory = below(ranks + 2)});
      default: {
        int const few = 1 + ranks % 3;  // a search
        return ask(v_search{.memory = below(3) * few, .forward = f, .backward = b, .weight = w}, 2 * few, few, 1 + n % 5);
      }
    }
  }
};

}  // namespace

TEST_CASE("every rule gives what is proved and runs, or says which values do not go together", "[schedule]") {
  random_questions questions;
  std::set<std::string> ran;
  int refusals = 0;
  int const rounds = foal_test::repeats(60, 20);
  for (int i = 0; i < rounds * random_questions::rules; ++i) {
    asked const q = questions.next(i % random_questions::rules);
    std::string values;
    for (int const v : q.values) values += " " + std::to_string(v);
    INFO(q.name << ", asked with" << values);
    program p;
    try {
      p = q.make();
    } catch (foal::error const& refused) {
      std::string const why = refused.what();
      INFO(why);
      CHECK(why.starts_with("cannot "));
      CHECK(std::any_of(q.names.begin(), q.names.end(), [&](auto const& n) { return why.find(n) != std::string::npos; }));
      auto const because = why.find(", because "), instead = why.find("; ");
      REQUIRE(because != std::string::npos);
      REQUIRE(instead != std::string::npos);
      CHECK(because < instead);
      auto const said = numbers_in(why.substr(0, instead));
      CHECK(std::count_if(said.begin(), said.end(), [&](int n) { return q.values.contains(n); }) >= 2);
      ++refusals;
      continue;
    }
    program_view const v = p.view();
    verdict const told = prove(v);
    INFO(lists(v) << text(told));
    REQUIRE(told);
    ran.insert(q.name);

    auto const below = [&](int n) { return questions.below(n); };
    costs const cost{.forward = 1.0 + below(3),
                     .backward = 1.0 + below(3),
                     .weight = 1.0 + below(3),
                     .update = 0.5 * below(2),
                     .message = 0.5 * below(3),
                     .side_by_side = below(2) == 0};
    timing const t = replay(v, cost);
    double most = 0;
    for (int r = 0; r < v.size.ranks; ++r) {
      auto const at = static_cast<std::size_t>(r);
      double work = 0;
      for (event const& e : t.events[at]) work += e.end - e.start;
      most = std::max(most, work);
      CHECK(t.events[at].size() == v.rank(r).size());
      CHECK(t.rank[at].busy <= work);
      CHECK(t.rank[at].busy + t.rank[at].idle == Approx(t.makespan));
      CHECK(t.rank[at].last <= t.makespan);
    }
    for (rank_memory const& m : saved_over_time(v, t)) {
      for (auto const& [time, units] : m.curve) CHECK(units >= 0);
      if (!v.asynchronous && !m.curve.empty()) CHECK(m.curve.back().second == 0);
    }
    if (v.asynchronous && cost.update == 0 && !cost.side_by_side) CHECK(steady_of(v, cost).minibatch >= Approx(most));
  }
  CHECK(refusals > rounds);
  CHECK(ran.size() == random_questions::rules);
}
