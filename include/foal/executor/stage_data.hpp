// What F asks of a source: inputs, lengths and targets, brought to where the op reads them.
#pragma once

#include <atomic>
#include <cstring>
#include <utility>

#include <foal/executor/minibatch_targets.hpp>
#include <foal/executor/moves.hpp>
#include <foal/executor/replica_ops.hpp>

namespace foal::executor {

/// Called by the stage's worker.
class stage_data : public replica_ops {
 public:
  /// The microbatch whose data the source is about to give; -1: none. Any thread may ask, for messages.
  long long awaited() const {
    long long const inputs = awaited_inputs_.load(std::memory_order_relaxed);
    return inputs >= 0 ? inputs : awaited_targets_.load(std::memory_order_relaxed);
  }

  /// Of a period that is recorded: the inputs, or targets, of an F come to its place. Gives whether the op is the one that
  /// the place is of: the loss divides by the same number, and sequences have the same lengths. anew: the place becomes its.
  bool bring_data(bound_stage& b, position p, op_place& to, bool anew) const {
    bool const last = b.number + 1 == static_cast<int>(t_.stages.size());
    if (b.number == 0) {
      asking const now(awaited_inputs_, p);
      lengths_of_axes const n = source_.lengths != nullptr ? source_.lengths(source_.self, number(p)) : lengths_of_axes{};
      check_lengths(n, longest_, "microbatch", number(p));
      if (anew) to.lengths = n;
      if (n.ragged || n != to.lengths) return false;
      std::byte* at = to.host + to.inputs;
      for (std::size_t e = 0; e < b.table->wire_in.size(); at += input_bytes(b, e++))
        load_input(b, p, e, at, static_cast<std::size_t>(b.table->tensors[e].count(v_.microbatch_size, n)));
    }
    if (!last) return true;
    asking const now(awaited_targets_, p);
    targets_.stage(b, p, to.host + to.targets);
    double const divide = targets_.divide(b, p);
    if (anew) to.divide = divide;
    return divide == to.divide;
  }
  /// Of the inputs of a microbatch, and of its targets, in the place of an op.
  std::size_t bytes_of_inputs(bound_stage const& b) const {
    std::size_t all = 0;
    for (std::size_t e = 0; b.number == 0 && e < b.table->wire_in.size(); ++e) all += input_bytes(b, e);
    return all;
  }
  std::size_t bytes_of_targets() const { return targets_.bytes(); }

 protected:
  stage_data(table::run_tables const& tables, table::run_values const& values, table::source_functions const& source,
             std::byte* host_targets, probes watching)
      : replica_ops(tables, values, std::move(watching)),
        source_(source),
        targets_(tables, values, source, host_targets),
        longest_(longest_of(tables)) {}

  /// Says so while the source is asked.
  class asking {
   public:
    asking(std::atomic<long long>& of, position p) : of_(of) { of_.store(p.global, std::memory_order_relaxed); }
    asking(asking const&) = delete;
    asking& operator=(asking const&) = delete;
    ~asking() { of_.store(-1, std::memory_order_relaxed); }

   private:
    std::atomic<long long>& of_;
  };

  /// The source's number of a microbatch.
  long long number(position p) const { return p.global + source_.shift; }

  /// A microbatch's lengths: from the source, or beside the wire; and on to the next stage.
  void pass_lengths(bound_stage& b, position p) const {
    if (b.lengths.empty()) return;
    microbatch_lengths mine = b.lengths.at(p.microbatch);
    if (b.number > 0)
      mine.take(b.lengths_in.at(p.microbatch));
    else
      load_lengths(mine, p);
    if (!b.lengths_out.empty()) b.lengths_out.at(p.microbatch).take(mine);
  }

  void load_lengths(microbatch_lengths mine, position p) const {
    mine.load(source_, number(p), longest_);
    auto const segments = static_cast<std::uint32_t>(t_.segments);
    if (segments > 1) mine.cut({static_cast<int>(p.microbatch % segments), t_.segments, 0}, longest_, number(p));
  }

  /// Writes an entry of the inputs as the source has it, n numbers in host memory.
  void ask(bound_stage& b, position p, std::size_t entry, void* to, std::size_t n) const {
    int const e = static_cast<int>(entry);
    if (e != t_.targets_entry) return source_.inputs(source_.self, number(p), e, to, b.staging);
    source_.targets(source_.self, number(p), to);
    t_.loss.to_scalars(to, n);
  }
  /// The same, n of them: where sequences come in segments, the one that is there. The source is asked once for all segments
  /// that follow each other.
  void load_input(bound_stage& b, position p, std::size_t entry, void* x, std::size_t n) const {
    if (t_.segments == 1) return ask(b, p, entry, x, n);
    std::byte* from = b.window;
    for (std::size_t i = 0; i < entry; ++i) from += padded(whole_bytes(t_, v_, i));
    std::size_t const bytes = whole_bytes(t_, v_, entry);
    if (b.window_of != p.global) ask(b, p, entry, from, bytes / bytes_of(t_.types.activations, 1));
    shape const s = b.table->wire_in[entry].extent;
    if (s.rank == 2)
      cut_segment(segment_at(t_, b, s, p.microbatch), v_.microbatch_size, bytes_of(t_.types.activations, s.channels()), from,
                  static_cast<std::byte*>(x));
    else
      std::memcpy(x, from, bytes);
    if (entry + 1 == b.table->wire_in.size()) b.window_of = p.global;
  }

  /// Where the entry after it begins in the place of an op.
  std::size_t input_bytes(bound_stage const& b, std::size_t e) const {
    return padded(bytes_of(t_.types.activations, b.table->tensors[e].count(v_.microbatch_size, {})));
  }

  void load_inputs(bound_stage& b, position p) const {
    bool const staged = b.later != nullptr && b.later->in_period();
    std::byte const* from = staged ? b.later->place().device + b.later->place().inputs : nullptr;
    asking const now(awaited_inputs_, p);
    for (std::size_t e = 0; e < b.table->wire_in.size(); ++e) {  // tensor e of the first stage is the model's input e
      int const loaded = b.table->wire_in[e].loaded;
      void* const stored = b.forward_tensors[e].at(p.microbatch);
      void* const x = loaded < 0 ? stored : b.forward_tensors[static_cast<std::size_t>(loaded)].at(p.microbatch);
      lengths_of_axes const lengths = b.lengths_of(p.microbatch);
      auto const n = static_cast<std::size_t>(b.table->tensors[e].count(v_.microbatch_size, lengths));
      std::size_t const bytes = n * bytes_of(t_.types.activations);
      if (staged) {
        t_.device.copy(b.device, x, from, bytes);
        from += input_bytes(b, e);
      } else {
        load_input(b, p, e, t_.device.host_memory ? x : b.host_input, n);
        if (!t_.device.host_memory) t_.device.copy_in(b.device, x, b.host_input, bytes);
      }
      if (loaded >= 0)
        tensor_moves{t_, b.device, v_.microbatch_size, lengths}.encode(b.table->tensors[e], {x, nullptr, stored});
    }
  }

  /// What the gradient of a loss whose targets are there is divided by.
  double divide(bound_stage& b, position p) const { return targets_.divide(b, p); }

  void* load_targets(bound_stage& b, position p) const {
    asking const now(awaited_targets_, p);
    return targets_.load(b, p);
  }

 private:
  table::source_functions source_;
  minibatch_targets targets_;
  lengths_of_axes longest_;
  mutable std::atomic<long long> awaited_inputs_{-1}, awaited_targets_{-1};
};

}  // namespace foal::executor
