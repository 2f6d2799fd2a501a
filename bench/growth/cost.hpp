// What a run of a size costs, and who measures it.
#pragma once

namespace bench::growth {

struct cost {
  double construction = 0;    ///< processor seconds
  double arena = 0;           ///< bytes
  double sample = 0, op = 0;  ///< processor seconds of a sample, and of an op
};

/// Stages of the net whose ranks and microbatches grow.
constexpr int numbers_stages = 64;

/// Of that net; growth/numbers.cpp.
cost of_numbers(int ranks, int microbatches, int rounds);

/// Milliseconds of a microbatch where every rank has a thread and ops wait: F 1 ms and BW 2 ms a stage, N = 2 R.
double waited_ms(int ranks);

}  // namespace bench::growth
