// The sizes that are numbers: ranks and microbatches of one net.
#include "../support/timed_run.hpp"
#include "cost.hpp"
#include "run.hpp"

namespace bench::growth {

cost of_numbers(int ranks, int microbatches, int rounds) {
  return measured<deep<numbers_stages>>(ranks, microbatches, rounds);
}

double waited_ms(int ranks) {
  namespace schedule = foal::schedule;
  int const n = 2 * ranks;
  bench::timed_program p{
      schedule::generate(schedule::one_f_one_b{}, {numbers_stages, ranks, n}), {}, {.forward_ms = 1, .backward_ms = 2}};
  p.reads = schedule::reads_of(schedule::own_versions{}, schedule::versions(p.program.view()));
  return bench::spread_of(bench::run_timed<bench::small_stages<numbers_stages>>(p, n, 3).measured).median / n;
}

}  // namespace bench::growth
