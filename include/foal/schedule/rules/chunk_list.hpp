// What generators that split the backward share: runs of neighbouring stages, and a rank's list that is written run by run.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/program.hpp>

namespace foal::schedule {

/// Stages first to end - 1 of a replica, on one rank: a microbatch runs through all of them one after the other. With fewer
/// stages than chunks some have none, and no ops.
struct chunk {
  int first = 0, end = 0, replica = 0;
};

/// The stages of a rank where one replica, or the first of two in opposite directions, is placed contiguously.
constexpr chunk chunk_of(extent e, int rank) { return {first_stage(e, rank), first_stage(e, rank + 1)}; }

/// Chunk `c` of a placement that has `chunks` of them on every rank, counted from the first stage up.
constexpr chunk chunk_of(extent e, int chunks, int c) {
  e.ranks *= chunks;
  return chunk_of(e, c);
}

/// The two chunks of a rank on vee.in(2): which = 0 on the way up over the ranks, 1 on the way down.
constexpr chunk half_of(extent e, int rank, int which) { return chunk_of(e, 2, which == 0 ? rank : 2 * e.ranks - 1 - rank); }

/// One op of a chunk is one of each of its stages: F and R upwards, the others downwards. `microbatch` as in op.
template <class Sink>
constexpr void emit_chunk(op_kind kind, int rank, chunk const& c, int microbatch, Sink& sink) {
  bool const up = kind == op_kind::F || kind == op_kind::R;
  for (int i = 0; i < c.end - c.first; ++i)
    sink(rank, op{.kind = kind, .stage = up ? c.first + i : c.end - 1 - i, .microbatch = microbatch, .replica = c.replica});
}

/// The list of a rank that runs the microbatches of each of its chunks in order: who writes it says the kind and the chunk,
/// and the list knows the microbatch. With one replica U of a stage follows its last W; with two, which take microbatches in
/// turns, close() ends the list with the sums and updates.
template <class Sink>
class chunk_list {
 public:
  /// `counted`: microbatches that are counted, at least those of a chunk; the ops of those past the last one are left out.
  constexpr chunk_list(extent e, int rank, std::vector<chunk> chunks, Sink& sink, int counted = 0)
      : e_(e), rank_(rank), sink_(sink), chunks_(std::move(chunks)) {
    counted_ = std::max(counted, e.microbatches / e.replicas);
    f_.assign(chunks_.size(), 0), b_ = f_, w_ = f_;
  }

  /// Forwards of chunk `c` that are left.
  constexpr int forwards_left(int c = 0) const { return counted_ - f_[at(c)]; }
  constexpr int backwards_left(int c = 0) const { return counted_ - b_[at(c)]; }
  /// Microbatches whose B has run and whose W has not.
  constexpr int waiting(int c = 0) const { return b_[at(c)] - w_[at(c)]; }

  /// The next forward, if one is left.
  constexpr void forward(int c = 0) {
    if (forwards_left(c) > 0) put(op_kind::F, c, f_[at(c)]++);
  }
  /// The next backward for the input, if one is left.
  constexpr void backward(int c = 0) {
    if (backwards_left(c) == 0) return;
    put(op_kind::B, c, b_[at(c)]++);
    order_.push_back(c);
  }
  /// The next backward for the weights, if one waits.
  constexpr void weight(int c = 0) {
    if (waiting(c) > 0) put(op_kind::W, c, w_[at(c)]++);
  }
  /// The backward for the weights of the oldest B that waits for one. A list that calls it calls no weight().
  constexpr void oldest_weight() {
    if (oldest_ < order_.size()) weight(order_[oldest_++]);
  }
  /// The next backward for both, if one is left. Needs that no W waits.
  constexpr void both(int c = 0) {
    if (backwards_left(c) == 0) return;
    put(op_kind::BW, c, b_[at(c)]++);
    ++w_[at(c)];
  }

  /// Ends the list of a rank among replicas: the sums, and the updates, from the last stages down.
  constexpr void close() {
    for (chunk const& c : chunks_)
      for (int s = c.end - 1; s >= c.first; --s)
        for (op_kind const kind : {op_kind::G, op_kind::U})
          sink_(rank_, op{.kind = kind, .stage = s, .microbatch = e_.microbatches - 1, .replica = c.replica});
  }

 private:
  static constexpr std::size_t at(int c) { return static_cast<std::size_t>(c); }

  constexpr void put(op_kind kind, int c, int i) {
    chunk const& of = chunks_[at(c)];
    int const m = i * e_.replicas + of.replica;
    if (m >= e_.microbatches) return;
    if (!adds_weight_gradient(kind) || e_.replicas > 1 || m < e_.microbatches - 1) {
      emit_chunk(kind, rank_, of, m, sink_);
      return;
    }
    for (int s = of.end - 1; s >= of.first; --s)
      for (op_kind const k : {kind, op_kind::U}) sink_(rank_, op{.kind = k, .stage = s, .microbatch = m});
  }

  extent e_;
  int rank_, counted_ = 0;
  Sink& sink_;
  std::vector<chunk> chunks_;
  std::vector<int> f_, b_, w_, order_;  // per chunk what has run; chunks of the B's
  std::size_t oldest_ = 0;              // in order_: the first one whose W waits
};

}  // namespace foal::schedule
