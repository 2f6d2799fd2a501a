// What generators that split the backward share: runs of neighbouring stages, and a rank's list that is written run by run.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/rules/chunks.hpp>

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
  chunk_table const table(e, chunks);
  return {table.first(c), table.first(c + 1)};
}

/// The two chunks of a rank on vee.in(2): which = 0 on the way up over the ranks, 1 on the way down.
constexpr chunk half_of(extent e, int rank, int which) { return chunk_of(e, 2, which == 0 ? rank : 2 * e.ranks - 1 - rank); }

/// The list of a rank that runs the microbatches of each of its chunks in order: who writes it says the kind and the chunk,
/// and the list knows the microbatch. With one replica U of a stage follows its last W; those of two, which take
/// microbatches in turns, are left to emit_updates().
template <class Sink>
class chunk_list {
 public:
  /// `counted`: microbatches that are counted, at least those of a chunk; the ops of those past the last one are left out.
  constexpr chunk_list(extent e, int rank, std::vector<chunk> const& chunks, Sink& sink, int counted = 0)
      : rank_(rank),
        counted_(std::max(counted, e.microbatches / e.replicas)),
        share_(e.microbatches / e.replicas),
        size_(e),
        sink_(sink) {
    chunks_.reserve(chunks.size());
    for (chunk const& c : chunks) chunks_.push_back({.of = c});
  }

  /// Forwards of chunk `c` that are left, and backwards.
  constexpr int forwards_left(int c = 0) const { return counted_ - at(c).f; }
  constexpr int backwards_left(int c = 0) const { return counted_ - at(c).b; }
  /// Microbatches whose B has run and whose W has not.
  constexpr int waiting(int c = 0) const { return at(c).b - at(c).w; }

  /// The next forward, if one is left.
  constexpr void forward(int c = 0) {
    progress& x = at(c);
    if (x.f >= counted_) return;
    if (x.f++ < share_) put(op_kind::F, x.of, x.f - 1);
  }
  /// The next backward for the input, if one is left.
  constexpr void backward(int c = 0) {
    progress& x = at(c);
    if (x.b == counted_) return;
    if (x.b++ < share_) put(op_kind::B, x.of, x.b - 1);
    if (chunks_.size() > 1) order_.push_back(c);
  }
  /// The next backward for the weights, if one waits.
  constexpr void weight(int c = 0) {
    progress& x = at(c);
    if (x.w == x.b) return;
    if (x.w++ < share_) put(op_kind::W, x.of, x.w - 1);
  }
  /// The backward for the weights of the oldest B that waits for one. A list that calls it calls no weight(), and has
  /// chunks.
  constexpr void oldest_weight() {
    if (oldest_ < order_.size()) weight(order_[oldest_++]);
  }
  /// The next backward for both, if one is left. Needs that no W of the chunk waits.
  constexpr void both(int c = 0) {
    progress& x = at(c);
    if (x.b == counted_) return;
    if (x.b++ < share_) put(op_kind::BW, x.of, x.b - 1);
    ++x.w;
  }

 private:
  struct progress {
    chunk of{};
    int f = 0, b = 0, w = 0;  // microbatches that have run
  };

  // Of calls and statements there are few: the compilers' limits of constant evaluation count them.
  constexpr progress& at(int c) { return chunks_.data()[c]; }
  constexpr progress const& at(int c) const { return chunks_.data()[c]; }

  constexpr void put(op_kind kind, chunk const& of, int i) {
    int const m = i * size_.replicas + of.replica;
    bool const updates = m == size_.microbatches - 1 && adds_weight_gradient(kind) && size_.replicas == 1;
    op o{.kind = kind, .stage = of.first, .microbatch = m, .replica = of.replica};
    if (kind == op_kind::F) {
      for (; of.end > o.stage; ++o.stage) sink_(rank_, o);  // nvcc takes `o.stage <` for the template of that name
      return;
    }
    for (o.stage = of.end - 1; o.stage >= of.first; --o.stage) {
      sink_(rank_, o);
      if (updates) sink_(rank_, op{.kind = op_kind::U, .stage = o.stage, .microbatch = m});
    }
  }

  int rank_, counted_, share_;  // share_: of a replica
  extent size_;
  Sink& sink_;
  std::vector<progress> chunks_;
  std::vector<int> order_;  // chunks of the B's, where there are several
  std::size_t oldest_ = 0;  // in order_: the first one whose W waits
};

}  // namespace foal::schedule
