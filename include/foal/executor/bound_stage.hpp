// A stage with its memory: where every tensor, weight and old version lies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

#include <foal/executor/microbatch_lengths.hpp>
#include <foal/table/run_values.hpp>
#include <foal/transport/local.hpp>

namespace foal::executor {

/// Slots of equal size; microbatch m has slot m mod count.
struct ring {
  std::byte* base = nullptr;
  std::size_t stride = 0;
  std::uint32_t count = 1;

  void* at(std::uint32_t microbatch) const { return base == nullptr ? nullptr : base + (microbatch % count) * stride; }
};

/// A set of a stage's parameters in memory: all of them at their offsets, or only those that B reads, packed.
struct weight_set {
  std::byte* base = nullptr;
  bool packed = false;
};

/// Up to which microbatch a stage is through with something, whatever the order in which it comes through.
struct watermark {
  std::vector<std::uint8_t> done;  ///< of microbatch m at m mod size, where an earlier one is still missing
  std::uint32_t up_to = 0;         ///< all before it are through

  /// Gives true if up_to moved. Needs m - up_to < done.size().
  bool pass(std::uint32_t m) {
    auto const size = static_cast<std::uint32_t>(done.size());
    if (m != up_to) {
      done[m % size] = 1;
      return false;
    }
    for (++up_to; done[up_to % size] != 0; ++up_to) done[up_to % size] = 0;
    return true;
  }
  void reset() {
    std::fill(done.begin(), done.end(), std::uint8_t{0});
    up_to = 0;
  }
};

/// One end of a channel, with the other side's progress as this side last saw it. What is sent is counted in messages, which
/// arrive in the order in which they are taken (the proof says so); room is counted in microbatches, which give their slots
/// back in their own order.
struct channel_end {
  transport::channel* channel = nullptr;
  transport::bell* other = nullptr;  ///< of the worker at the other end
  std::uint32_t messages = 0;        ///< that this end has sent, or taken
  std::uint32_t ring_transit = 0;    ///< slots of entries that the receiver reads in one op only; 0: no such entry
  std::uint32_t ring_kept = 0;       ///< slots of entries that it keeps longer; 0: none
  std::uint32_t seen = 0, seen_other = 0;
};

struct bound_stage;

/// Tied weights travel with the first microbatch whose F at home has read them, their gradients with the last B of a
/// minibatch. Both lie in rings of the home stage: version v, and the sum of minibatch k of the phase. As many slots as
/// versions that a microbatch in flight at home can span, and one, are enough: home's U of a minibatch comes after every
/// other stage's ops on it.
struct lent_parameter {
  int parameter = 0;  ///< of the home stage
  ring versions, gradients;
};
struct borrowed_parameter {
  int parameter = 0;  ///< of this stage
  bound_stage const* home = nullptr;
  ring versions, gradients;
  std::uint32_t version = 0;  ///< that this stage's copy has
};

struct bound_stage {
  table::stage_table const* table = nullptr;
  int number = 0, worker = 0, rank = 0;
  void* device = nullptr;  ///< the worker's

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
  std::byte* predicted = nullptr;     ///< the worker's room for the weights that F reads, where they are predicted
  std::byte* trial = nullptr;         ///< the worker's room for a block of an update that is tried
  std::byte* extrapolated = nullptr;  ///< the worker's room for the weights that B reads, where they are extrapolated
  std::byte* staging = nullptr;       ///< one sample, for augmentation (first stage), host memory
  std::byte* host_input = nullptr;    ///< inputs or targets before the copy to a device with its own memory
  ring targets;                       ///< last stage: one microbatch, or all of the minibatch at work
  std::vector<ring> tensors;          ///< by number, as B, W and R see them in this phase
  std::vector<ring> forward_tensors;  ///< as F sees them: where R rebuilds the saved activations, F has other places
  std::vector<lent_parameter> lent;
  std::vector<borrowed_parameter> borrowed;

  channel_end wire_in, wire_out;          ///< forward
  channel_end gradient_in, gradient_out;  ///< backward
  channel_end again_in, again_out;        ///< from R to R within a segment of recomputed stages

  // Lengths travel beside a wire, in as many slots as it has. Null where no axis has a length of its own.
  microbatch_lengths const* lengths_in = nullptr;
  microbatch_lengths* lengths_out = nullptr;
  std::uint32_t length_slots_in = 1, length_slots_out = 1;

  // What follows changes as the run goes on; only the stage's worker touches it.
  std::vector<table::layer_call> calls;     ///< of each layer: prepared once, filled in by each op
  std::vector<microbatch_lengths> lengths;  ///< of microbatch m at m mod size; empty: always the largest
  long long updates = 0;                    ///< from the start of the run
  std::uint32_t version = 0;                ///< updates in this phase
  double rate = 0;                          ///< of the last update; 0: there was none
  long long weighed = -1;                   ///< last stage: the minibatch of the run whose weight is `weight`
  double weight = 0;
  std::vector<microbatch_lengths> ahead;    ///< last stage: of a microbatch whose targets are counted; or empty
  int refused = -1;                         ///< the statistic that would not have been finite after an F; -1: none
  table::update_bounds bounds{};            ///< on what the stage's next update reads
  bool bounded = false;                     ///< they are known
  int accumulated = 0;                      ///< microbatches whose W waits for the last one of the minibatch
  int backwards = 0;                        ///< B of the minibatch that have been run
  long long evaluations_copied = 0;         ///< copies of the weights made for evaluations
  std::vector<std::uint32_t> version_read;  ///< by F, of microbatch m at m mod size
  watermark forwarded, returned, freed;     ///< through F (or R, if that reads the wire again), B, W (or BW)
  std::exception_ptr beside;                ///< what a probe has thrown, until the worker takes it
  watermark rebuilt;                        ///< through R, where it reads what R of the stage before made

  // Of the phase.
  schedule::stage_facts facts{};
  int delay = 0;  ///< injected, in microbatches; -1: F reads the live version
  bool asynchronous = false, stashes = false;
  bool frozen = false;          ///< it has B, but no W and no U
  bool forward = false;         ///< it has F alone: inference, or nothing below or here trains
  long long phase_updates = 0;  ///< updates before the asynchronous part of the run
  /// No U changes this stage, but every F moves its statistics: F makes its copies for evaluations.
  bool copied_by_forward = false;

  /// After F nothing reads the wire any more.
  bool reads_wire_once() const { return forward || continues_segment(); }
  /// R reads the wire that F has read: the stage is the first one of a segment.
  bool begins_segment() const { return facts.head == number; }
  /// R reads what R of the stage before made.
  bool continues_segment() const { return facts.head >= 0 && facts.head < number; }

  /// Start of the array that parameter p has in a set.
  void* in_set(weight_set set, table::parameter_row const& p) const {
    if (!set.packed) return set.base + bytes_of(p.type, p.offset);
    if (p.backward_offset >= 0) return set.base + bytes_of(p.type, p.backward_offset);
    return w + bytes_of(p.type, p.offset);  // not read; live, so that it is always a valid pointer
  }
  lengths_of_axes lengths_of(std::uint32_t m) const {
    return lengths.empty() ? lengths_of_axes{} : lengths[m % lengths.size()].all();
  }
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
    return {facts.tau_fwd, facts.tau_bkwd, facts.tau_fwd - facts.tau_bkwd, rate, updates - phase_updates};
  }
};

namespace detail {

/// Where a parameter or buffer lies in an array laid out by the stage's offsets.
inline std::byte* in(std::byte* base, element type, table::parameter_row const& p) {
  return base + bytes_of(type, p.offset);
}

}  // namespace detail

}  // namespace foal::executor
