// A unit: a stage with its memory (where every tensor, weight and old version lies), its state, and its part in a phase.
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <vector>

#include <foal/executor/later.hpp>
#include <foal/executor/microbatch_lengths.hpp>
#include <foal/executor/unit_state.hpp>
#include <foal/plan/sums.hpp>
#include <foal/table/run_values.hpp>
#include <foal/transport/local.hpp>

namespace foal::executor {

/// Slots of equal size; microbatch m has slot m mod count, or, in a pool, that at places[m mod count].
struct ring {
  std::byte* base = nullptr;
  std::size_t stride = 0;
  std::uint32_t count = 1;
  std::size_t const* places = nullptr;

  void* at(std::uint32_t microbatch) const {
    if (base == nullptr) return nullptr;
    std::uint32_t const slot = microbatch % count;
    if (places != nullptr) [[unlikely]]
      return in_pool(slot);
    return base + slot * stride;
  }

 private:
  /// Not inline: within an op's many at() it would cost all runs a sixth of dispatch.
  [[gnu::noinline]] void* in_pool(std::uint32_t slot) const { return base + places[slot]; }
};

/// A set of a stage's parameters in memory: all of them at their offsets, or only those that B reads, packed.
struct weight_set {
  std::byte* base = nullptr;
  bool packed = false;
};

/// Which versions of its weights a unit's ops read in a phase.
struct version_reader {
  std::span<schedule::version_read const> offsets{};  ///< by position in the minibatch
  int updates = 0;                                    ///< of the unit, in a minibatch

  /// For microbatch m of the phase.
  std::uint32_t at(std::uint32_t m, int schedule::version_read::*of) const {
    auto const n = static_cast<std::uint32_t>(offsets.size());
    long long const v = static_cast<long long>(m / n) * updates + offsets[m % n].*of;
    return v < 0 ? 0U : static_cast<std::uint32_t>(v);
  }
};

/// Tied weights travel with the first microbatch whose F at home has read them, their gradients with the last B of a
/// minibatch. Both go in rings of the channel: version v, and the sum of minibatch k of the phase. As many slots as versions
/// that a microbatch in flight at home can span, and one, are enough: home's U of a minibatch comes after every other
/// stage's ops on it.
struct tied_channel {
  ring versions, gradients;
  version_reader home{};             ///< in the phase at work
  bool still = false;                ///< nothing changes the weights in it
  struct tied_ends* ends = nullptr;  ///< where another process has home, or the borrower

  /// The version that F of microbatch m reads.
  std::uint32_t read_forward(std::uint32_t m) const { return still ? 0 : home.at(m, &schedule::version_read::forward); }
};
struct lent_parameter {
  int parameter = 0;  ///< of the home stage
  tied_channel channel;
};
struct borrowed_parameter {
  int parameter = 0;  ///< of this stage
  tied_channel channel;
};

/// The same stage of another replica, which adds up a part of the gradients as this one does: rooms for parts of
/// minibatches, of which the k-th has slot k mod count, and the ends of the channels that say that parts, or sums, are
/// there. Sums are written to where they are used. Neither needs a release; see sum_slots, in plan/sums.hpp.
struct other_replica {
  int unit = 0;        ///< the stage's in that replica
  gradient_part part;  ///< its own
  ring from, to;       ///< its share of this one's part, here; this one's of its part, there
  ring results;        ///< where sums go there, by minibatch
  transport::inbox part_in, sum_in;
  transport::outbox part_out, sum_out;
};

/// What a unit evicts from the end of F to the begin of the backward, with its rooms on the other rank.
struct evicted_arrays {
  struct one {
    std::size_t tensor = 0, bytes = 0;
    ring away;
  };
  std::vector<char> is;                ///< by microbatch of a minibatch; empty: nothing is
  std::vector<one> arrays;             ///< all of them go and come together
  struct freed_slots* gone = nullptr;  ///< past the last one; null: nobody waits for that

  bool has(std::uint32_t m) const { return !is.empty() && is[m % is.size()] != 0; }
};

/// What does not change in a phase.
struct unit_memory {
  table::stage_table const* table = nullptr;
  int number = 0;  ///< of the stage
  int replica = 0, unit = 0, worker = 0, rank = 0;
  void* device = nullptr;        ///< the worker's, or the unit's own queue
  class later* later = nullptr;  ///< what its queue leaves to be read late; null: ops are done when they return

  // What every op looks at lies together.
  std::vector<ring> tensors;          ///< by number, as B, W and R see them in this phase
  std::vector<ring> forward_tensors;  ///< as F sees them: where R rebuilds the saved activations, F has other places
  transport::inbox wire_in, gradient_in;
  transport::outbox wire_out, gradient_out;
  std::span<std::uint8_t> done[passages];  ///< by passage: see unit_numbers; they change
  lengths_ring lengths;                    ///< of the microbatches in flight here; they change (see lengths_in)

  std::byte* w = nullptr;
  std::byte* g = nullptr;
  std::byte* microbatch = nullptr;  ///< the worker's room for one microbatch's gradient; null: it is added to g at once
  std::byte* buffers = nullptr;
  std::byte* states[table::most_states]{};        ///< the optimizer's: a parameter's at its state_offset
  std::byte* delay_states[table::most_states]{};  ///< laid out as w, or packed
  bool delay_packed = true;
  bool delay_acts = false;  ///< the delay policy changes something here, in the asynchronous phase
  bool has_delay_states = false;
  ring history;  ///< old versions of the weights: version v in slot v mod count; stride 0: none are kept
  bool history_packed = true;
  std::byte* predicted = nullptr;        ///< the worker's room for the weights that F reads, where they are predicted
  std::byte* trial = nullptr;            ///< the worker's room for a block of an update that is tried
  std::byte* extrapolated = nullptr;     ///< the worker's room for the weights that B reads, where they are extrapolated
  std::byte* staging = nullptr;          ///< one sample, for augmentation (first stage), host memory
  std::byte* window = nullptr;           ///< whole inputs of which segments are cut (first stage), host memory
  std::byte* segment_targets = nullptr;  ///< a segment's targets (last stage), host memory
  std::byte* host_input = nullptr;       ///< inputs or targets before the copy to a device with its own memory
  ring targets;                          ///< last stage: one microbatch, or all of the minibatch at work
  std::vector<lent_parameter> lent;
  std::vector<borrowed_parameter> borrowed;
  std::vector<other_replica> others;  ///< ascending; empty where there is one replica
  gradient_part part{};               ///< that this one adds up
  /// Where sums of minibatch k come: its gradients, or the reference weights.
  ring results;
  std::byte* outer = nullptr;  ///< momentum of the reference weights of its part

  evicted_arrays evicted;
  class offloaded* offload = nullptr;   ///< null: it offloads nothing, or is not here
  bool offloads = false;                ///< here or elsewhere: nothing is kept in the wire into it
  struct freed_slots* freed = nullptr;  ///< what others wait for who fill slots of a pool; null: nobody does
  transport::inbox rebuilt_in;          ///< from R to R within a recompute group
  transport::outbox rebuilt_out;

  // Lengths travel beside a wire, in as many slots as it has. Empty where no axis has a length of its own.
  lengths_ring lengths_in, lengths_out;
  lengths_ring ahead;  ///< last stage: of a microbatch whose targets are counted; or empty

  std::span<std::uint32_t> borrowed_version;  ///< that the copy of each borrowed parameter has; they change
};

/// A unit's part in the phase at work.
struct unit_phase {
  schedule::stage_facts facts{};     ///< share: microbatches of a minibatch that run through the unit, by which it counts
  std::span<int const> positions{};  ///< of these in the minibatch; empty where that is all
  int summed = 1;                    ///< microbatches in the gradient that the next U consumes
  version_reader versions{};
  schedule::kept_versions kept{};
  int copies = 0;            ///< of old versions that U makes
  bool one_version = false;  ///< schedule::version_reads::one_version
  bool asynchronous = false;
  bool input_gradient_only = false;  ///< it has B, but no W and no U: its weights are frozen
  bool forward_only = false;         ///< it has F alone: inference, or nothing below or here trains
  long long phase_updates = 0;       ///< updates before the asynchronous part of the run
  /// No U changes this stage, but every F moves its statistics: F makes its copies for evaluations.
  bool copied_by_forward = false;
};

/// What has been seen of the gradient that the next U reads, while it was written: a bound of so many parameters.
struct seen_gradient {
  double bound = 0;
  int parameters = 0;  ///< below 0: more was to come
};

struct bound_stage : unit_memory, unit_state, unit_phase {
  // Of the op at work.
  std::vector<table::layer_call> calls;  ///< of each layer: prepared once, filled in by each op
  seen_gradient seen{};                  ///< by the last op that has added to the gradient
  int refused = -1;                      ///< the statistic that would not have been finite after an F; -1: none
  std::exception_ptr beside;             ///< what a probe has thrown, until the worker takes it
  // Last stage: the minibatch of the run whose targets are there, and its weight. They are asked for again after a cut.
  long long weighed = -1;
  double weight = 0;
  // Of sequences in segments, the microbatch of the run that is there whole: its inputs, its targets. Asked for again too.
  long long window_of = -1, targets_of = -1;
  std::vector<std::vector<void*>> earlier;  ///< by layer, of those that carry: where earlier segments' arrays are

  unit_state const& state() const { return *this; }
  void state(unit_state const& s) {
    static_cast<unit_state&>(*this) = s;
    seen = {};  // of another gradient
  }

  /// Position in a minibatch of the unit's microbatch j of it.
  int position_of(int j) const { return positions.empty() ? j : positions[static_cast<std::size_t>(j)]; }

  /// Microbatch m comes through. Gives true if all before through[p] moved. Needs m - through[p] < done[p].size().
  bool pass(passage p, std::uint32_t m) {
    std::uint32_t &up_to = through[static_cast<std::size_t>(p)], &beyond = early[static_cast<std::size_t>(p)];
    std::span<std::uint8_t> const came = done[static_cast<std::size_t>(p)];
    auto const size = static_cast<std::uint32_t>(came.size());
    if (m != up_to) {
      came[m % size] = 1;
      ++beyond;
      return false;
    }
    for (++up_to; beyond > 0 && came[up_to % size] != 0; ++up_to, --beyond) came[up_to % size] = 0;
    return true;
  }
  /// Whether pass(p, m) would make it all before `to`.
  bool brings_through(passage p, std::uint32_t m, std::uint32_t to) const {
    std::span<std::uint8_t> const came = done[static_cast<std::size_t>(p)];
    std::uint32_t up_to = passed(p), beyond = early[static_cast<std::size_t>(p)];
    if (m != up_to) return false;
    for (++up_to; up_to != to && beyond > 0 && came[up_to % came.size()] != 0; --beyond) ++up_to;
    return up_to == to;
  }
  /// The op at work is done by a recording; what is called for it counts and writes numbers alone.
  bool done_again() const { return later != nullptr && later->again(); }

  std::uint32_t passed(passage p) const { return through[static_cast<std::size_t>(p)]; }

  /// The versions that F, R and B of microbatch m of the phase read.
  std::uint32_t forward_version(std::uint32_t m) const { return versions.at(m, &schedule::version_read::forward); }
  std::uint32_t recompute_version(std::uint32_t m) const { return versions.at(m, &schedule::version_read::recompute); }
  std::uint32_t backward_version(std::uint32_t m) const { return versions.at(m, &schedule::version_read::backward); }
  /// The same version, counted from the start of the run.
  long long in_run(std::uint32_t of_phase) const { return updates - version + static_cast<long long>(of_phase); }

  /// Whether R, or B, reads tied weights in the versions that home reads, in place of the copy that the last F has brought.
  bool recompute_reads_home() const { return one_version || kept.recompute; }
  bool backward_reads_home() const { return one_version || kept.backward; }

  /// After F nothing reads the wire any more.
  bool reads_wire_once() const { return forward_only || continues_recompute_group(); }
  /// R reads the wire that F has read: the stage is the first one of a recompute group.
  bool begins_recompute_group() const { return facts.head == number; }
  /// R reads what R of the stage before made.
  bool continues_recompute_group() const { return facts.head >= 0 && facts.head < number; }

  /// Start of the array that parameter p has in a set.
  void* in_set(weight_set set, table::parameter_row const& p) const {
    if (!set.packed) return set.base + bytes_of(p.type, p.offset);
    if (p.backward_offset >= 0) return set.base + bytes_of(p.type, p.backward_offset);
    return w + bytes_of(p.type, p.offset);  // not read; live, so that it is always a valid pointer
  }
  lengths_of_axes lengths_of(std::uint32_t m) const { return lengths.empty() ? lengths_of_axes{} : lengths.at(m).all(); }
  /// The delay policy has all that it needs in the phase at work.
  bool compensates(int arrays) const { return asynchronous && delay_acts && (arrays == 0 || has_delay_states); }
  bool delay_acts_on(table::parameter_row const& p) const {
    return p.kind == table::ownership::trained && (!delay_packed || p.backward_offset >= 0);
  }
  void* delay_state(int k, table::parameter_row const& p, element type) const {
    if (delay_states[k] == nullptr) return nullptr;
    return delay_states[k] + bytes_of(type, delay_packed ? p.backward_offset : p.offset);
  }
  delay::moment moment() const {
    return {facts.tau_fwd, facts.tau_bkwd, facts.tau_fwd - facts.tau_bkwd, rate, updates - phase_updates, updates, number};
  }
};

namespace detail {

/// Where a parameter or buffer lies in an array laid out by the stage's offsets.
inline std::byte* in(std::byte* base, element type, table::parameter_row const& p) {
  return base + bytes_of(type, p.offset);
}

}  // namespace detail

}  // namespace foal::executor
