// What the ops of a period count in units and channels, kept until it is known that the period will be done.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include <foal/executor/memory.hpp>
#include <foal/executor/phase_state.hpp>

namespace foal::executor {

/// Of a run in one process, on an asynchronous device, of which one thread calls all ops. What arrays hold on the device is
/// no part of it: ops that have been called to be recorded have written none of it.
class period_undo {
 public:
  period_undo(run_memory& memory, phase_state& shared) : memory_(memory), shared_(shared), units_(memory.stages().size()) {}

  /// Before the first op of a period.
  void keep() {
    done_ = shared_.microbatches_done.load();
    for (std::size_t u = 0; u < units_.size(); ++u) {
      bound_stage const& b = memory_.stages()[u];
      auto const numbers = memory_.numbers(u).bytes();
      one& to = units_[u];
      to.state = b.state();
      to.numbers.assign(numbers.begin(), numbers.end());
      to.in = {b.wire_in, b.gradient_in, b.rebuilt_in};
      to.out = {b.wire_out, b.gradient_out, b.rebuilt_out};
    }
  }
  /// Units and channels are as they were at keep().
  void restore() {
    shared_.microbatches_done = done_;
    for (std::size_t u = 0; u < units_.size(); ++u) {
      bound_stage& b = memory_.stages()[u];
      one const& from = units_[u];
      b.state(from.state);
      b.refused = -1;
      std::copy(from.numbers.begin(), from.numbers.end(), memory_.numbers(u).bytes().begin());
      b.wire_in = from.in[0], b.gradient_in = from.in[1], b.rebuilt_in = from.in[2];
      b.wire_out = from.out[0], b.gradient_out = from.out[1], b.rebuilt_out = from.out[2];
    }
    memory_.restore_channels();
  }

 private:
  struct one {
    unit_state state{};
    std::vector<std::byte> numbers{};
    std::array<transport::inbox, 3> in{};
    std::array<transport::outbox, 3> out{};
  };

  run_memory& memory_;
  phase_state& shared_;
  long long done_ = 0;
  std::vector<one> units_;
};

}  // namespace foal::executor
