// A schedule of one's own: 1F1B that keeps twice as many forwards in flight, so that messages travel while ranks work.
#include <cstdio>
#include <foal/foal.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/proof/replay.hpp>

/// Rank r runs min(2(R-1-r), N) forwards before it alternates, where 1F1B runs R-1-r: twice the saved activations, and a
/// message may take as long as an op before anyone waits for it.
struct eager_1f1b {
  static constexpr char const* name = "eager_1f1b";
  static constexpr bool asynchronous = false;

  template <class Sink>
  constexpr void emit(foal::schedule::extent e, Sink& sink) const {
    using namespace foal::schedule;
    int const n = e.microbatches;
    for (int r = 0; r < e.ranks; ++r) {
      int const ahead = 2 * (e.ranks - 1 - r) < n ? 2 * (e.ranks - 1 - r) : n;
      for (int m = 0; m < ahead; ++m) emit_forward(e, r, m, sink);
      for (int m = 0; m < n; ++m) {
        if (m + ahead < n) emit_forward(e, r, m + ahead, sink);
        emit_backward(e, r, m, sink);
      }
    }
  }
};

// Nothing is registered. The proof that guards the built-in schedules guards this one: each op once, dependencies met, no
// deadlock, messages received in the order in which they are sent. The same list with a flaw would not compile.
static_assert(foal::schedule::proof(eager_1f1b{}, {.stages = 4, .ranks = 4, .microbatches = 16}));

struct net
    : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::repeat<3, foal::linear<48>, foal::relu>, foal::linear<10>> {};

template <class Schedule>
std::vector<float> show(foal::data::dataset const& digits) {
  foal::schedule::program program = foal::schedule::generate(Schedule{}, {.stages = 4, .ranks = 4, .microbatches = 16});
  int const saved = foal::schedule::analyse(program.view()).stage[0].saved_peak;
  foal::trainer<net, foal::loss::cross_entropy, Schedule, foal::optim::momentum> t(
      {.microbatch_size = 4, .microbatches = 16, .workers = 2, .lr = {.rate = 0.05}});
  foal::fit_report const result = t.fit(digits.train, {.epochs = 4, .evaluate = digits.test, .quiet = true});
  std::printf("%-12s %5d", Schedule::name, saved);
  for (double const message : {0.0, 0.5, 1.0, 2.0})
    std::printf("%8.1f %%", 100 * foal::schedule::replay(program.view(), {.message = message}).utilisation);
  std::printf("%9.1f %%\n", 100 * result.accuracy());
  return t.all_weights();
}

int main() {
  foal::schedule::program small = foal::schedule::generate(eager_1f1b{}, {.stages = 3, .ranks = 3, .microbatches = 6});
  std::printf("%s\n", foal::schedule::lists(small.view()).c_str());
  std::puts("4 ranks, 16 microbatches; utilisation by the time of a message in forwards:\n");
  std::puts("schedule     saved         0       0.5         1         2   accuracy");
  foal::data::dataset const digits = foal::data::handwritten();
  auto const ours = show<eager_1f1b>(digits), plain = show<foal::schedule::one_f_one_b>(digits);
  std::printf("weights after training with either: %s\n", ours == plain ? "the same bits" : "different");
}
