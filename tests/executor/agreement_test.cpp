// What processes agree on, in whatever order their notes come: one place for all, and nothing let in behind it.
#include <foal/executor/agreement.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/pipemare.hpp>

#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using executor::phase_state;
using transport::note;

constexpr long long minibatches = 12;

/// Processes of one thread. Gates let minibatches in as they are allowed to; ops of them are not run.
class agreeing {
 public:
  agreeing(int count, int gates, unsigned seed)
      : program_(schedule::generate(schedule::pipemare{}, {4, 4, 1})), random_(seed), gates_(gates) {
    for (int p = 0; p < count; ++p) {
      auto& shared = *phases_.emplace_back(std::make_unique<phase_state>(program_.view()));
      shared.bells = &bells_;
      shared.alone = false;
      shared.minibatches = minibatches;
      shared.periods = minibatches + 5;
      all_.push_back(std::make_unique<executor::agreement>(shared, transport::process_place{p, count}, p < gates));
      begun_.push_back(0);
      done_.push_back(0);
      notes_.emplace_back(static_cast<std::size_t>(count));
    }
  }

  phase_state& shared(int p) { return *phases_[static_cast<std::size_t>(p)]; }
  long long begun(int p) const { return begun_[static_cast<std::size_t>(p)]; }
  int count() const { return static_cast<int>(all_.size()); }
  bool over(int p) const { return all_[static_cast<std::size_t>(p)]->over(); }
  bool all_over() const {
    return std::all_of(all_.begin(), all_.end(), [](auto const& a) { return a->over(); });
  }
  bool done(int p) const { return done_[static_cast<std::size_t>(p)] != 0; }
  bool all_done() const {
    return std::all_of(done_.begin(), done_.end(), [](int d) { return d != 0; });
  }
  std::size_t on_the_way() const {
    std::size_t n = 0;
    for (auto const& of : notes_)
      for (auto const& from : of) n += from.size();
    return n;
  }

  /// A process does one thing.
  void step() {
    int const p = static_cast<int>(random_() % all_.size());
    switch (random_() % 4) {
      case 0:
        return begin(p);
      case 1:
        return look(p);
      default:
        return hear(p);
    }
  }

  std::string wrong;  ///< what must not be

 private:
  auto tell(int from) {
    return [this, from](int to, note const& n) {
      if (from == 0 && over(0)) wrong = "a process is told what it does not hear any more";
      if (from != 0 && to != 0) wrong = "processes tell each other without process 0";
      notes_[static_cast<std::size_t>(to)][static_cast<std::size_t>(from)].push_back(n);
    };
  }

  void begin(int p) {
    phase_state& s = shared(p);
    long long& n = begun_[static_cast<std::size_t>(p)];
    if (p >= gates_) {  // has what the slowest gate has let in
      long long least = minibatches;
      for (int g = 0; g < gates_; ++g) least = std::min(least, begun(g));
      n = std::min(n + 1, least);
    } else {
      bool const may = n < s.through() && n * s.keys_of_period() < s.stop_at;
      if (may) {
        s.begin(n + 1);
        if (n < std::min(s.admitted.load(), s.held.load())) ++n;
      }
    }
    if (n > 0 && n > s.through())
      wrong = sentence("minibatch ", n - 1, " has been let in, and the phase ends after ", s.through());
    bool const at_end = n >= s.through() || n * s.keys_of_period() >= s.stop_at;
    if (at_end) done_[static_cast<std::size_t>(p)] = 1;
  }
  void look(int p) { all_[static_cast<std::size_t>(p)]->look(done_[static_cast<std::size_t>(p)] != 0, tell(p)); }
  void hear(int p) {
    auto& from = notes_[static_cast<std::size_t>(p)];
    std::size_t const q = random_() % from.size();
    if (from[q].empty()) return;
    note const n = from[q].front();
    from[q].pop_front();
    all_[static_cast<std::size_t>(p)]->hear(n, tell(p));
    if (over(p) && !all_done()) wrong = "it is over before the workers of all are at their end";
  }
  schedule::program program_;
  std::mt19937 random_;
  int gates_;
  flat_table<transport::bell> bells_{1};
  std::vector<std::unique_ptr<phase_state>> phases_;
  std::vector<std::unique_ptr<executor::agreement>> all_;
  std::vector<long long> begun_;
  std::vector<int> done_;
  std::vector<std::vector<std::deque<note>>> notes_;  // by who hears and who has told
};

}  // namespace

TEST_CASE("in any order of notes all processes come to one end, one pause and one failure") {
  constexpr unsigned orders = foal_test::repeats(10000U, 300U);
  int early = 0, paused = 0, copied = 0;
  for (unsigned seed = 0; seed < orders; ++seed) {
    std::mt19937 random(seed + 1);
    int const count = 1 + static_cast<int>(random() % 5),
              gates = 1 + static_cast<int>(random() % static_cast<unsigned>(count));
    agreeing a(count, gates, seed);
    INFO("seed " << seed << ", " << count << " processes, " << gates << " of which let in");
    auto const some = [&] { return static_cast<int>(random() % static_cast<unsigned>(count)); };
    auto const when = [&] { return static_cast<long long>(random() % 200); };
    long long const ends_at = when(), pauses_at = when(), fails_at = when();
    bool const ends = random() % 2 == 0, pauses = random() % 2 == 0, fails = random() % 4 == 0, copies = random() % 2 == 0;
    int const who_ends = some(), who_pauses = some(), who_fails = some(), who_copies = some();
    long long const copies_from = when();
    for (long long step = 0; !a.all_over() || a.on_the_way() > 0; ++step) {
      REQUIRE(step < 100000);
      if (ends && step == ends_at) a.shared(who_ends).end_soon();
      if (pauses && step == pauses_at) a.shared(who_pauses).pause_soon();
      if (copies && step >= copies_from && !a.done(who_copies)) a.shared(who_copies).stop_soon();  // as it is asked again
      if (fails && step == fails_at && !a.done(who_fails))  // nothing fails in who is at the end
        a.shared(who_fails).fail(static_cast<long long>(random() % 3) * 200);
      a.step();
    }
    CHECK(a.wrong.empty());
    long long begun = 0;
    for (int p = 0; p < count; ++p) {
      CHECK(a.shared(p).cut == a.shared(0).cut);
      CHECK(a.shared(p).stop_at == a.shared(0).stop_at);
      CHECK(a.shared(p).pauses_by_wish == a.shared(0).pauses_by_wish);
      if (p < gates) begun = std::max(begun, a.begun(p));
    }
    if (a.shared(0).cut < minibatches) {
      ++early;
      CHECK(begun <= a.shared(0).cut);
    }
    bool const stops = a.shared(0).stop_at < phase_state::no_limit && !fails;
    if (stops && a.shared(0).pauses_by_wish) ++paused;
    if (stops && !a.shared(0).pauses_by_wish) ++copied;
    if (!pauses) CHECK_FALSE(a.shared(0).pauses_by_wish);
  }
  CHECK(early > static_cast<int>(orders) / 20);
  CHECK(paused > static_cast<int>(orders) / 20);
  CHECK(copied > static_cast<int>(orders) / 20);
}

TEST_CASE("no op behind the place of a pause is of a minibatch that had been begun") {
  schedule::program program = schedule::generate(schedule::pipemare{}, {4, 4, 2});
  phase_state s(program.view());
  schedule::analysis const facts = schedule::analyse(program.view());
  s.minibatches = 10;
  s.periods = 10 + facts.periods_after;
  for (long long begun : {0, 1, 4}) {
    long long const key = s.key_behind(begun);
    for (long long period = 0; period < s.periods; ++period)
      for (int r = 0; r < program.size().ranks; ++r)
        for (schedule::op const& o : program.view().rank(r))
          if (s.key(period, o, r) >= key) CHECK(period * 2 + o.microbatch >= begun * 2);
  }
}
