// A case of pausing.hpp in several processes, which are threads (rooms.hpp).
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tests/executor/pausing.hpp"
#include "tests/support/rooms.hpp"

namespace foal::test {

/// So many processes of so many workers.
struct spread {
  int processes = 2, workers = 1;
};

/// One of them.
template <class Device = device::host>
std::unique_ptr<piece<Device>> process(pausing const& of, spread s, int number) {
  return std::make_unique<piece<Device>>(
      of, s.workers, 5, executor::driver_of<executor::processes_over<rooms>>(), [&](int ranks) {
        std::vector<int> all = shares(ranks, s.processes * s.workers);
        for (int& w : all) w = w / s.workers == number ? w % s.workers : executor::hosted_by(w / s.workers);
        return all;
      });
}

/// What f(piece, outcome, number) leaves in each process, put together by units. Of replicas the losses are not all here.
template <class Device = device::host, class F>
outcome in_processes(pausing const& of, spread s, F const& f) {
  std::vector<std::vector<std::byte>> states;
  std::mutex sizing;
  std::vector<double> losses;
  std::vector<std::vector<double>> evaluations(static_cast<std::size_t>(s.processes));
  std::vector<std::string> thrown(static_cast<std::size_t>(s.processes));
  std::size_t const left = rooms::with_processes(s.processes, [&](int number) {
    auto const one = process<Device>(of, s, number);
    outcome mine;
    try {
      f(*one, mine, number);
    } catch (std::exception const& e) {
      thrown[static_cast<std::size_t>(number)] = e.what();
      if (thrown[static_cast<std::size_t>(number)].empty()) std::abort();
    }
    evaluations[static_cast<std::size_t>(number)] = mine.evaluations;
    {
      std::scoped_lock const held(sizing);
      states.resize(one->tables().units());
    }
    for (executor::bound_stage const& b : one->engine().stages()) {
      if (b.worker < 0) continue;
      states[static_cast<std::size_t>(b.unit)] = state_of(one->tables(), std::vector{b});
      if (b.replica == 0 && b.number + 1 == of.what.net) losses = mine.losses;
    }
  });
  CHECK(left == 0);
  for (std::string const& text : thrown) CHECK(text == "");
  outcome all;
  all.losses = losses;
  all.evaluations = evaluations.front();
  for (std::vector<double> const& heard : evaluations) CHECK(heard == evaluations.front());
  for (auto const& of_stage : states) all.state.insert(all.state.end(), of_stage.begin(), of_stage.end());
  return all;
}

template <class Device>
void train(piece<Device>& p, outcome& to) {
  if (p.run(to, {})) throw error("cannot be paused, because nobody asked");
}

}  // namespace foal::test
