// What changes in a unit while a run goes on, beside what its arrays hold: plain data, so that it can be copied out and
// back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include <foal/core/config.hpp>
#include <foal/table/functions.hpp>

namespace foal::executor {

/// Where microbatches come through a unit, in whatever order: F (or R, if that reads the wire again), B, W (or BW), and R
/// where it reads what R of the stage before made.
enum class passage : std::uint8_t { forwarded, returned, freed, rebuilt };
inline constexpr std::size_t passages = 4;

/// Messages that a unit has sent, or taken, in the phase at work: as many as came in their order.
struct alignas(long long) message_counts {
  std::uint32_t wire_in = 0, wire_out = 0;          ///< forward
  std::uint32_t gradient_in = 0, gradient_out = 0;  ///< backward
  std::uint32_t rebuilt_in = 0, rebuilt_out = 0;    ///< from R to R within a recompute group
  /// Of gradients, to and from each of the other replicas: parts that are sent; that have come and whose sums are sent;
  /// sums.
  std::uint32_t parts_out = 0, parts_in = 0, sums_in = 0;
};

/// Only the unit's worker touches it. Everything that a phase begins anew is zero in a new one.
struct unit_state {
  long long updates = 0;             ///< from the start of the run
  long long evaluations_copied = 0;  ///< copies of the weights made for evaluations
  double rate = 0;                   ///< of the last update; 0: there was none
  std::uint32_t version = 0;         ///< updates in this phase
  int accumulated = 0;               ///< microbatches whose W waits for the last one of the minibatch
  int backwards = 0;                 ///< B of the minibatch that have been run
  /// Parts of the norm of the whole model, in this phase; where replicas share states out, steps on the unit's own part.
  std::uint32_t gradients_given = 0;
  double squares = 0;                 ///< the last of them: the gradient's sum of squares
  bool bounded = false;               ///< `bounds` are known
  table::update_bounds bounds{};      ///< on what the unit's next update reads
  std::uint32_t through[passages]{};  ///< by passage: all microbatches before it are through
  std::uint32_t early[passages]{};    ///< and so many after it
  message_counts messages{};

  /// As a phase begins: what counts from the start of the run goes on.
  void begin_phase() {
    unit_state next;
    next.updates = updates;
    next.evaluations_copied = evaluations_copied;
    next.rate = rate;
    *this = next;
  }
};
static_assert(std::is_trivially_copyable_v<unit_state>);

/// Calls f(name, number) for every number of a state; names stay what they are, whatever becomes of the struct.
template <class State, class F>
void each_number_of_unit(State& s, F const& f) {
  auto const row = [&f](std::string const& name, auto& numbers) {
    for (std::size_t i = 0; i < std::size(numbers); ++i) f(name + "." + std::to_string(i), numbers[i]);
  };
  f("updates", s.updates);
  f("evaluations_copied", s.evaluations_copied);
  f("rate", s.rate);
  f("version", s.version);
  f("accumulated", s.accumulated);
  f("backwards", s.backwards);
  f("gradients_given", s.gradients_given);
  f("squares", s.squares);
  f("bounded", s.bounded);
  f("bounds.w", s.bounds.w);
  f("bounds.g", s.bounds.g);
  f("bounds.most", s.bounds.most);
  row("bounds.state", s.bounds.state);
  row("bounds.delay", s.bounds.delay);
  row("through", s.through);
  row("early", s.early);
  f("wire_in", s.messages.wire_in);
  f("wire_out", s.messages.wire_out);
  f("gradient_in", s.messages.gradient_in);
  f("gradient_out", s.messages.gradient_out);
  f("rebuilt_in", s.messages.rebuilt_in);
  f("rebuilt_out", s.messages.rebuilt_out);
  f("parts_out", s.messages.parts_out);
  f("parts_in", s.messages.parts_in);
  f("sums_in", s.messages.sums_in);
}

/// Arrays of numbers of fixed size that change with a unit's state: one block of memory, so that they are copied as one.
class unit_numbers {
 public:
  /// Sizes do not depend on workers.
  struct sizes {
    std::size_t in_flight = 1;  ///< microbatches between F and W
    std::size_t window = 1;     ///< microbatches that any passage of the unit has in disorder
    std::size_t borrowed = 0;   ///< parameters whose home is another unit
    std::size_t lengths = 0;    ///< ints of the lengths of one microbatch; 0: all are as long as can be
  };

  unit_numbers() = default;
  explicit unit_numbers(sizes n) : of_(n), block_(bytes_of(n) / sizeof(std::uint32_t)) {}

  /// Version that the unit's copy of a borrowed parameter has.
  std::span<std::uint32_t> borrowed() { return {block_.data(), of_.borrowed}; }
  /// Lengths of microbatch m, at m mod in_flight.
  std::span<int> lengths() {
    static_assert(sizeof(int) == sizeof(std::uint32_t));
    return {reinterpret_cast<int*>(block_.data() + of_.borrowed), of_.in_flight * of_.lengths};
  }
  /// Of microbatch m at m mod size: through, where an earlier one is still missing.
  std::span<std::uint8_t> done(passage p) {
    auto* const first = reinterpret_cast<std::uint8_t*>(block_.data() + words_before_done(of_));
    return {first + static_cast<std::size_t>(p) * of_.window, of_.window};
  }
  std::span<std::byte> bytes() { return std::as_writable_bytes(std::span(block_)); }

 private:
  static std::size_t words_before_done(sizes n) { return n.in_flight * n.lengths + n.borrowed; }
  static std::size_t bytes_of(sizes n) {
    std::size_t const word = sizeof(std::uint32_t);
    return (words_before_done(n) + (passages * n.window + word - 1) / word) * word;
  }

  sizes of_{};
  std::vector<std::uint32_t> block_;  // borrowed, lengths, then bytes
};

}  // namespace foal::executor
