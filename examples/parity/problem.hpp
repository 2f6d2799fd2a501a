// What parity asks of a translation unit: one network in one element type, trained as told, with every step on record.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace parity {

struct net3;  ///< 64-32-32-10
struct net7;  ///< 20-24-24-24-24-24-24-10

enum class method { gpipe, pipedream, two_bw, vertical_sync, pipemare };
enum class timing { pipemare, async_1f1b, injected };

/// A run and its input. Weights are [in, out] row-major.
struct problem {
  parity::method method = method::pipemare;
  parity::timing timing = timing::pipemare;
  std::vector<int> delays;    ///< of timing::injected, microbatches
  int microbatches = 1;       ///< N
  int microbatch_size = 1;    ///< M
  long long minibatches = 1;  ///< K
  double rate = 0.01, momentum = 0;
  bool t1 = false, t2 = false, exact = false;
  long long t1_steps = 0;
  double t1_floor = 1, t2_decay = 0;
  long long warmup = 0;  ///< T3, minibatches
  int workers = 1;

  std::vector<std::vector<double>> weight, bias;  ///< one of each per stage
  std::vector<double> x;                          ///< [n, inputs]
  std::vector<std::int32_t> y;                    ///< [n]
};

/// What happened. Steps that a diverged run never reached stay NaN, their versions -1.
template <class S>
struct record {
  long long parameters = 0;
  std::vector<S> weights;              ///< [K + 1, parameters]: W1, b1, W2, b2, ... after each of the stage's updates
  std::vector<double> loss;            ///< [K * N]
  std::vector<std::int32_t> versions;  ///< [K * N, stages, 2]: read by F and by B
  std::string divergence;              ///< empty, or the sentence
};

/// Throws foal::error where the numbers cannot work. Defined for both networks, in float and double.
template <class Net, class S>
record<S> train(problem const& p);

}  // namespace parity
