// A schedule's output: for every rank an ordered list of ops, one period (one minibatch) long, that repeats.
//
// Period k runs the body with k * microbatches added to every microbatch number; ops whose microbatch falls outside the run
// are left out. So the prologue of an asynchronous program is its first periods with the negative microbatches left out, its
// epilogue the last ones with those past the end left out, and both need no storage: a program is O(S * N) for any length of
// run.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/flat_table.hpp>
#include <foal/schedule/op.hpp>
#include <foal/schedule/placement.hpp>

namespace foal::schedule {

/// What the backward of a stage is for: nothing (there is none), the gradient of its input alone (its weights are frozen),
/// or its weights' gradients as well.
enum class gradients : std::uint8_t { none, input, both };

/// What F of a stage saves of a microbatch, for which rank `to` has memory: there when that F is done, and back before its
/// backward.
struct eviction {
  int stage = 0, microbatch = 0, to = 0;

  constexpr bool operator==(eviction const&) const = default;
};

/// What F of a stage saves of each microbatch is copied to host memory when that F is done, and back before its backward.
/// Device memory has `slots` slots for what F writes, and as many for what comes back: microbatch m is in slot m mod slots.
/// The copy back is called before that op of the stage (F or backward) which is `ahead` of them before the backward, and
/// after F of the microbatch.
struct offload {
  int stage = 0, slots = 2, ahead = 1;

  constexpr bool operator==(offload const&) const = default;
};

/// What proofs, analysis and executors read. Ops of one rank are in execution order. Members index without a check: what
/// came from elsewhere is asked well_formed() first.
struct program_view {
  extent size;
  int period = 0;              ///< slots between two repetitions of the body; 0: not timed yet
  bool asynchronous = false;   ///< periods overlap: no flush between minibatches
  std::span<op const> ops;     ///< all ranks' lists, one after the other
  std::span<int const> begin;  ///< size.ranks + 1 offsets into ops
  /// Empty, or per stage d_s in microbatches: F of microbatch m reads version max(0, floor((m - d_s)/N)), counted from the
  /// start of the phase, instead of the live one.
  std::span<int const> delays{};
  /// Empty, or per stage the first stage of its recompute group: R rebuilds what F saved, stage after stage, from the input
  /// that the group's first stage keeps. -1: not recomputed. An empty list leaves every stage that has R to itself.
  std::span<int const> recompute{};
  /// Empty (both everywhere), or per stage what its backward is for; none only below all others.
  std::span<gradients const> wants{};
  bool inference = false;  ///< F alone: no stage has a backward
  /// Clipping by the global norm: every U waits for the gradients of all stages.
  bool global_norm = false;
  /// Of a synchronous program, which saves all others where they are made. In any order.
  std::span<eviction const> evictions{};
  /// Microbatches that a rank has memory for, those that it keeps for others too; 0: as many as there are.
  int most_held = 0;
  /// One of a stage at most, in any order.
  std::span<offload const> offloads{};

  constexpr gradients wanted(int stage) const {
    if (inference) return gradients::none;
    return wants.empty() ? gradients::both : wants[static_cast<std::size_t>(stage)];
  }

  constexpr std::span<op const> rank(int r) const {
    auto const first = static_cast<std::size_t>(begin[static_cast<std::size_t>(r)]);
    auto const last = static_cast<std::size_t>(begin[static_cast<std::size_t>(r) + 1]);
    return ops.subspan(first, last - first);
  }
};

/// Per stage the first stage of its recompute group, -1 where nothing is recomputed; empty for a program without
/// recomputation. Needs a program that is well_formed().
constexpr std::vector<int> recompute_groups_of(program_view v) {
  std::vector<int> heads(v.recompute.begin(), v.recompute.end());
  if (!heads.empty()) return heads;
  op const* const ops = v.ops.data();
  for (std::size_t i = 0; i < v.ops.size(); ++i) {
    if (ops[i].kind != op_kind::R) continue;
    if (heads.empty()) heads.assign(static_cast<std::size_t>(v.size.stages), -1);
    heads[static_cast<std::size_t>(ops[i].stage)] = ops[i].stage;
  }
  return heads;
}

/// True if R of `stage` reads what R of the stage below it made.
constexpr bool continues_recompute_group(std::vector<int> const& heads, int stage) {
  if (heads.empty() || stage <= 0 || static_cast<std::size_t>(stage) >= heads.size()) return false;
  int const head = heads[static_cast<std::size_t>(stage)];
  return head >= 0 && head < stage;
}

/// The periods after a minibatch's own in which ops of it still run: 0 with a flush.
constexpr int periods_late(program_view v) {
  int late = 0;
  for (op const& o : v.ops) {
    int const of = -floor_div(o.microbatch, v.size.microbatches);
    late = of > late ? of : late;
  }
  return late;
}

/// A program with storage of its own. Usable in constant expressions as long as it does not outlive them.
class program {
 public:
  constexpr program() = default;
  /// Throws foal::error where there is no stage, replica, segment or microbatch, or there are not 1 to as many ranks as
  /// units.
  constexpr program(extent size, int period, bool asynchronous) : size_(size), period_(period), asynchronous_(asynchronous) {
    if (!size.sound())
      throw error(sentence("cannot begin a program of ", size.stages, " stages on ", size.ranks, " ranks with ",
                           size.microbatches, " microbatches, ", size.replicas, " replicas and ", size.segments,
                           " segments, because every rank hosts a stage and every update needs a microbatch; use at "
                           "least one of each, and 1 rank to as many as there are stages in all replicas"));
    lists_.resize(static_cast<std::size_t>(size.ranks));
    // F, BW and U of every stage that the rank hosts; without this, growing would be most of a compile-time evaluation.
    long long const hosted = (static_cast<long long>(units(size)) + size.ranks - 1) / size.ranks;
    long long const ops = hosted * (2 * static_cast<long long>(size.microbatches) + 1), most = 1 << 14;
    for (auto& list : lists_) list.reserve(static_cast<std::size_t>(ops < most ? ops : most));
  }

  /// The sink that generators emit into: appends to the list of `rank`.
  constexpr void operator()(int rank, op const& o) {
    if (rank < 0 || static_cast<std::size_t>(rank) >= lists_.size())
      throw error(sentence("cannot add ", name(o.kind), "(stage ", o.stage, ", microbatch ", o.microbatch, ") to rank ",
                           rank, ", because the program has ranks 0 to ", static_cast<int>(lists_.size()) - 1,
                           "; emit to one of them"));
    lists_[static_cast<std::size_t>(rank)].push_back(o);
    sealed_ = false;
  }

  constexpr void period(int slots) { period_ = slots; }
  constexpr int period() const { return period_; }
  constexpr bool asynchronous() const { return asynchronous_; }
  constexpr void delays(std::vector<int> microbatches) { delays_ = std::move(microbatches); }
  constexpr void recompute(std::vector<int> heads) { recompute_ = std::move(heads); }
  constexpr void wants(std::vector<gradients> of_stages) { wants_ = std::move(of_stages); }
  constexpr void inference(bool forward_alone) { inference_ = forward_alone; }
  constexpr void global_norm(bool clips) { global_norm_ = clips; }
  /// most_held: see program_view.
  constexpr void evictions(std::vector<eviction> all, int most_held) {
    evictions_ = std::move(all);
    most_held_ = most_held;
  }
  constexpr void offloads(std::vector<offload> all) { offloads_ = std::move(all); }
  constexpr extent size() const { return size_; }
  /// Throws foal::error where there is no such rank.
  constexpr std::vector<op>& list(int rank) {
    if (rank < 0 || static_cast<std::size_t>(rank) >= lists_.size())
      throw error(sentence("cannot give the list of rank ", rank, ", because the program has ranks 0 to ",
                           static_cast<int>(lists_.size()) - 1, "; name one of them"));
    sealed_ = false;
    return lists_[static_cast<std::size_t>(rank)];
  }

  /// Gives the ops slots, in the order of view().ops; an op in the slot of the one before it gets the next lane. Throws
  /// foal::error unless there is one slot per op.
  constexpr void slots(std::span<int const> slots) {
    std::size_t i = 0;
    for (auto const& list : lists_) i += list.size();
    if (i != slots.size())
      throw error(sentence("cannot give ", i, " ops ", slots.size(), " slots, because each op has one; give as many"));
    int const* slot = slots.data();
    op* sealed = sealed_ ? ops_.data() : nullptr;
    for (auto& list : lists_) {
      op* const ops = list.data();
      for (std::size_t k = 0, size = list.size(); k < size; ++k) {
        ops[k].slot = *slot++;
        ops[k].lane = k > 0 && ops[k - 1].slot == ops[k].slot ? ops[k - 1].lane + 1 : 0;
        if (sealed != nullptr) *sealed++ = ops[k];
      }
    }
  }

  /// Valid until the program changes.
  constexpr program_view view() {
    if (!sealed_) {
      std::size_t count = 0;
      for (auto const& list : lists_) count += list.size();
      ops_.assign(count, {});
      begin_.assign(1, 0);
      op* to = ops_.data();
      for (auto const& list : lists_) {
        op const* const from = list.data();
        for (std::size_t i = 0, size = list.size(); i < size; ++i) *to++ = from[i];
        begin_.push_back(static_cast<int>(to - ops_.data()));
      }
      sealed_ = true;
    }
    return {size_,      period_,      asynchronous_, {ops_.data(), ops_.size()},
            begin_,     delays_,      recompute_,    {wants_.data(), wants_.size()},
            inference_, global_norm_, evictions_,    most_held_,
            offloads_};
  }

 private:
  extent size_{};
  int period_ = 0;
  bool asynchronous_ = false, sealed_ = false, inference_ = false, global_norm_ = false;
  std::vector<std::vector<op>> lists_;
  flat_table<op> ops_;
  std::vector<int> begin_;
  std::vector<int> delays_, recompute_;
  std::vector<gradients> wants_;
  std::vector<eviction> evictions_;
  int most_held_ = 0;
  std::vector<offload> offloads_;
};

}  // namespace foal::schedule
