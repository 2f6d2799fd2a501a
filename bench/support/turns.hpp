// A contender in a process of its own, which a script lets train in turn with others: lines on standard input and output.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/number.hpp>

#include "fma.hpp"
#include "paired.hpp"

namespace bench {

/// Says "ready", then answers a line each until the input ends: "train K" with the seconds that passed, the processor
/// seconds, and what train(K) gives, K losses; "fma" with this core's multiply-adds a second.
template <class Train>
void take_turns_with_others(Train train) {
  auto const say = [](std::vector<double> const& numbers) {
    std::string line;
    for (double const n : numbers) line.append(line.empty() ? "" : " ").append(foal::report::shortest(n));
    std::puts(line.c_str());
    std::fflush(stdout);
  };
  std::puts("ready");
  std::fflush(stdout);
  char line[64];
  for (int minibatches = 0; std::fgets(line, sizeof line, stdin) != nullptr;) {
    if (std::string(line) == "fma\n") {
      say({fma_rate()});
      continue;
    }
    foal::require(std::sscanf(line, "train %d", &minibatches) == 1 && minibatches > 0,
                  "cannot take a turn, because the line ", std::string(line),
                  " is neither 'fma' nor 'train' with a number of minibatches; write one of them");
    std::vector<double> losses;
    double passed = 0;
    double const cpu = cpu_seconds_of([&] { passed = seconds_of([&] { losses = train(minibatches); }); });
    losses.insert(losses.begin(), {passed, cpu});
    say(losses);
  }
}

}  // namespace bench
