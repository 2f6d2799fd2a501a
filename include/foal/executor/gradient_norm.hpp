// The norm of the whole model's gradient, of which each unit gives its part when its minibatch's gradient is complete: among
// replicas when it is summed, so that each replica has all of it.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// Sums of squares by unit, in double. All units add them in the order of their numbers, so the norm has the same bits for
/// any number of ranks, workers and processes. A unit can give its next part only after every unit has used this one: its
/// next gradient needs what their updates have made, as the program is synchronous.
class gradient_norm {
 public:
  /// The parts that units have given: none, or those from before a pause.
  void begin(std::vector<bound_stage> const& units, std::size_t stages) {
    stages_ = stages;
    parts_ = flat_table<part>(units.size());
    for (std::size_t u = 0; u < units.size(); ++u) {
      bound_stage const& b = units[u];
      parts_[u].updates = !b.input_gradient_only && !b.forward_only;
      parts_[u].squares.fill(b.squares);
      parts_[u].given.produced.value.store(b.gradients_given);
    }
  }
  bool used() const { return !parts_.empty(); }

  /// A unit's part, its `count`-th of the phase.
  void give(int unit, std::uint32_t count, double squares) {
    part& p = parts_[static_cast<std::size_t>(unit)];
    p.squares[(count - 1) % p.squares.size()] = squares;
    p.given.produced.value.store(count, std::memory_order_release);  // before who gives it rings who may sleep
  }
  /// Whether all units of a replica have given so many parts. Always, where the norm is not asked for.
  bool complete(int replica, std::uint32_t count) const {
    for (std::size_t u = first(replica); u < last(replica); ++u)
      if (parts_[u].updates && parts_[u].count() < count) return false;
    return true;
  }
  double squares(int replica) const {
    double sum = 0;
    for (std::size_t u = first(replica); u < last(replica); ++u)
      if (parts_[u].updates) sum += parts_[u].last();
    return sum;
  }

  /// The channel of a unit's parts to another process, at the one end or the other: there give() is what the message does.
  /// Nobody gives slots back: a part has been used everywhere before the next one is there.
  transport::open_end open(std::size_t unit, bool sends, long long minibatches) {
    part& p = parts_[unit];
    return {.id = {static_cast<int>(unit % stages_), static_cast<int>(unit / stages_), transport::channel_kind::norm},
            .sends = sends,
            .out = {&p.given, &nobody_, false, false},
            .in = {&p.given, &nobody_, 0, 0},
            .entries = {{reinterpret_cast<std::byte*>(p.squares.data()), sizeof(double), sizeof(double), 2}},
            .order = {{0}, 1, minibatches},
            .begun = p.count()};
  }
  /// At a pause: what units that others host have given is known to go on with.
  void keep(std::vector<bound_stage>& units) const {
    for (std::size_t u = 0; u < parts_.size(); ++u) {
      units[u].gradients_given = parts_[u].count();
      units[u].squares = parts_[u].last();
    }
  }

 private:
  struct alignas(alignment) part {
    transport::channel given;         ///< to all units, here and elsewhere
    std::array<double, 2> squares{};  ///< of the last parts: one may be on its way while the next is given
    bool updates = true;

    std::uint32_t count() const { return given.produced.value.load(std::memory_order_acquire); }
    double last() const { return squares[(count() + squares.size() - 1) % squares.size()]; }
  };
  /// The units of a replica; none where the norm is not asked for.
  std::size_t first(int replica) const { return parts_.empty() ? 0 : static_cast<std::size_t>(replica) * stages_; }
  std::size_t last(int replica) const { return parts_.empty() ? 0 : first(replica) + stages_; }

  std::size_t stages_ = 0;
  flat_table<part> parts_;
  transport::bell nobody_;
};

}  // namespace foal::executor
