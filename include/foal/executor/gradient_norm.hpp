// The norm of the whole model's gradient, of which each unit gives its part when its minibatch's gradient is complete: among
// replicas when it is summed, so that each replica has all of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include <foal/executor/bound_stage.hpp>

namespace foal::executor {

/// Sums of squares by unit, in double. All units add them in the order of their numbers, so the norm has the same bits for
/// any number of ranks and workers. A unit can give its next part only after every unit has used this one: its next gradient
/// needs what their updates have made, as the program is synchronous.
class gradient_norm {
 public:
  /// The parts that units have given: none, or those from before a pause.
  void begin(std::vector<bound_stage> const& units, std::size_t stages) {
    stages_ = stages;
    parts_ = flat_table<part>(units.size());
    for (std::size_t u = 0; u < units.size(); ++u) {
      bound_stage const& b = units[u];
      parts_[u].updates = !b.input_gradient_only && !b.forward_only;
      parts_[u].squares = b.squares;
      parts_[u].given.store(b.gradients_given);
    }
  }
  bool used() const { return !parts_.empty(); }

  /// A unit's part, its `count`-th of the phase.
  void give(int unit, std::uint32_t count, double squares) {
    part& p = parts_[static_cast<std::size_t>(unit)];
    p.squares = squares;
    p.given.store(count, std::memory_order_seq_cst);  // before who gives it looks who sleeps: see transport/local.hpp
  }
  /// Whether all units of a replica have given so many parts. Always, where the norm is not asked for.
  bool complete(int replica, std::uint32_t count) const {
    for (std::size_t u = first(replica); u < last(replica); ++u)
      if (parts_[u].updates && parts_[u].given.load(std::memory_order_seq_cst) < count) return false;
    return true;
  }
  double squares(int replica) const {
    double sum = 0;
    for (std::size_t u = first(replica); u < last(replica); ++u)
      if (parts_[u].updates) sum += parts_[u].squares;
    return sum;
  }

 private:
  struct alignas(alignment) part {
    std::atomic<std::uint32_t> given{0};
    bool updates = true;
    double squares = 0;
  };
  /// The units of a replica; none where the norm is not asked for.
  std::size_t first(int replica) const { return parts_.empty() ? 0 : static_cast<std::size_t>(replica) * stages_; }
  std::size_t last(int replica) const { return parts_.empty() ? 0 : first(replica) + stages_; }

  std::size_t stages_ = 0;
  flat_table<part> parts_;
};

}  // namespace foal::executor
