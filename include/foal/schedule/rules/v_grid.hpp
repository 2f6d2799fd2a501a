// Schedules of two chunks a rank on a V from a building block, one microbatch's ops that repeat (Qi, Wan, Amar, Lin:
// Pipeline Parallelism with Controllable Memory, NeurIPS 2024).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <foal/schedule/rules/chunk_list.hpp>

namespace foal::schedule {

/// Slots of a microbatch's ops on a rank, of which the next microbatch's are six later: F of the chunk on the way up, F of
/// that on the way down, its B, B of the first one.
using v_offsets = std::array<int, 4>;

/// An op of a rank's list, of the next microbatch of its kind. weight: of the chunk on the way down, or of any one.
enum class v_kind : std::uint8_t { none, up_forward, down_forward, down_backward, up_backward, weight, up_weight };
using v_list = std::vector<v_kind>;

constexpr bool forwards(v_kind kind) { return kind == v_kind::up_forward || kind == v_kind::down_forward; }
constexpr bool backwards(v_kind kind) { return kind == v_kind::down_backward || kind == v_kind::up_backward; }
constexpr bool weights(v_kind kind) { return kind >= v_kind::weight; }

/// Emits the lists of all ranks.
template <class Sink>
constexpr void emit_lists(extent e, std::vector<v_list> const& lists, Sink& sink) {
  using enum v_kind;
  for (int r = 0; r < e.ranks; ++r) {
    chunk_list list(e, r, {half_of(e, r, 0), half_of(e, r, 1)}, sink);
    for (v_kind const kind : lists[static_cast<std::size_t>(r)]) {
      if (forwards(kind)) list.forward(kind == up_forward ? 0 : 1);
      if (backwards(kind)) list.backward(kind == up_backward ? 0 : 1);
      if (weights(kind)) list.weight(kind == up_weight ? 0 : 1);
    }
  }
}

/// The ops of all ranks in slots, one a slot and rank.
class v_grid {
 public:
  /// Blocks for N microbatches, without W's. `offsets` is of every rank. Needs offsets of a rank that differ modulo 6, and
  /// ops that come after what they wait for.
  constexpr v_grid(std::vector<v_offsets> const& offsets, int microbatches) : n_(microbatches) {
    int last = 0;
    for (v_offsets const& of : offsets) last = std::max(last, of[3]);
    rows_.assign(offsets.size(), row(static_cast<std::size_t>(last + block * (n_ - 1) + 1), none));
    for (std::size_t r = 0; r < rows_.size(); ++r)
      for (int kind = 0; kind < 4; ++kind)
        for (int m = 0; m < n_; ++m)
          rows_[r][static_cast<std::size_t>(offsets[r][static_cast<std::size_t>(kind)] + block * m)] =
              static_cast<v_kind>(1 + kind);
  }

  /// The order of all: W's in free slots; then, where `reordered`, ops of the beginning and the end move to earlier slots
  /// that are free as long as no rank saves more than the fullest one does, nor needs more room for its two chunks, of which
  /// each has its own. Twice: with W's, and around them.
  constexpr void finish(bool reordered) {
    if (reordered) {
      add_weights(false);
      reorder(true);
      squeeze();
      drop_weights();
      reorder(false);
      add_weights(false);
      squeeze();
      drop_weights();
    }
    add_weights(true);
  }

  /// The chunks that the fullest rank saves at most. Before finish(), which takes no more.
  constexpr int peak() const {
    int most = 0;
    for (row const& of : rows_) most = std::max(most, peaks_of(of, true).together);
    return most;
  }

  /// Gives each op the first slot in which it can run after those before it on its rank.
  constexpr void squeeze() {
    std::vector<row> out(rows_.size());
    times at(rows_.size(), n_);
    for (std::size_t slot = 0; slot < longest(); ++slot)
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        if (slot >= rows_[r].size() || rows_[r][slot] == none) continue;
        v_kind const kind = rows_[r][slot];
        std::size_t const now = std::max(out[r].size(), static_cast<std::size_t>(at.earliest(kind, r) + 1));
        out[r].resize(now, none);
        out[r].push_back(kind);
        at.take(kind, r, static_cast<int>(now));
      }
    rows_ = std::move(out);
  }

  /// The ops of every rank, in order. After finish().
  constexpr std::vector<v_list> const& lists() const { return rows_; }

 private:
  using enum v_kind;
  using row = v_list;
  static constexpr int block = 6;

  /// The slots of the ops of all ranks that have run.
  class times {
   public:
    constexpr times(std::size_t ranks, int n) : ranks_(ranks), n_(static_cast<std::size_t>(n)) {
      at_.assign(4 * ranks * n_, -1);
      count_.assign(4 * ranks, 0);
    }
    /// The slot of the last op that the next one of `kind` on rank r waits for, but for those before it in a list; -1: none.
    constexpr int earliest(v_kind kind, std::size_t r) const {
      if (weights(kind)) return -1;
      std::size_t const k = number(kind), m = count_[k * ranks_ + r];
      int after = -1;
      bool const from_below = kind == up_forward || kind == down_backward;
      if (from_below && r > 0) after = slot(k, r - 1, m);
      if (!from_below && r + 1 < ranks_) after = slot(k, r + 1, m);
      if (k > 0) after = std::max(after, slot(k - 1, r, m));
      if (m > 0) after = std::max(after, slot(k, r, m - 1));
      return after;
    }
    constexpr void take(v_kind kind, std::size_t r, int when) {
      if (weights(kind)) return;
      std::size_t const k = number(kind), m = count_[k * ranks_ + r]++;
      at_[(k * ranks_ + r) * n_ + m] = when;
    }

   private:
    static constexpr std::size_t number(v_kind kind) { return static_cast<std::size_t>(kind) - 1; }
    constexpr int slot(std::size_t k, std::size_t r, std::size_t m) const { return at_[(k * ranks_ + r) * n_ + m]; }

    std::size_t ranks_, n_;
    std::vector<int> at_;
    std::vector<std::size_t> count_;
  };

  constexpr std::size_t longest() const {
    std::size_t most = 0;
    for (row const& of : rows_) most = std::max(most, of.size());
    return most;
  }

  /// The most that a rank saves: of both chunks at once, and of each for itself. A run gives each chunk memory of its own.
  struct peaks {
    int together = 0, apart = 0;

    constexpr bool within(peaks const& limit) const { return together <= limit.together && apart <= limit.apart; }
    constexpr void include(peaks const& other) {
      together = std::max(together, other.together);
      apart = std::max(apart, other.apart);
    }
  };

  /// `around`: as if W's filled the free slots, those of the chunk on the way down first.
  static constexpr peaks peaks_of(row const& of, bool around) {
    int saved[2] = {0, 0}, waiting[2] = {0, 0}, most[2] = {0, 0}, together = 0;
    for (v_kind const kind : of) {
      if (forwards(kind)) {
        int const c = kind == up_forward ? 0 : 1;
        most[c] = std::max(most[c], ++saved[c]);
        together = std::max(together, saved[0] + saved[1]);
      } else if (backwards(kind)) {
        ++waiting[kind == up_backward ? 0 : 1];
      } else if (weights(kind) || around) {
        int const c = waiting[1] > 0 ? 1 : 0;
        if (waiting[c] > 0) --waiting[c], --saved[c];
      }
    }
    return {together, most[0] + most[1]};
  }

  /// `by_chunk`: those of the chunk on the way down first, else in the order of B's, and none says of which.
  constexpr void add_weights(bool by_chunk) {
    for (row& of : rows_) {
      int down = 0, up = 0;
      auto const next = [&](v_kind& cell) {
        cell = by_chunk && down == 0 ? up_weight : weight;
        --(down > 0 ? down : up);
      };
      while (!of.empty() && of.back() == none) of.pop_back();
      for (v_kind& cell : of) {
        if (backwards(cell)) ++(cell == down_backward || !by_chunk ? down : up);
        if (cell == none && down + up > 0) next(cell);
      }
      while (down + up > 0) next(of.emplace_back(none));
    }
  }
  constexpr void drop_weights() {
    for (row& of : rows_)
      for (v_kind& cell : of)
        if (weights(cell)) cell = none;
  }

  /// Moves ops to earlier slots, in the order of slots: those before the first B of rank 0's first chunk (only where there
  /// are W's) and those after its last F.
  constexpr void reorder(bool with_weights) {
    peaks limit;
    for (row const& of : rows_) limit.include(peaks_of(of, !with_weights));
    times at(rows_.size(), n_);
    std::vector<row> moved = rows_;
    std::vector<std::vector<int>> backward(rows_.size());  // slots of B's that have been placed
    std::vector<std::size_t> weight_count(rows_.size(), 0);
    std::vector<int> forward_count(rows_.size(), 0);
    int phase = 0;
    for (std::size_t slot = 0; slot < longest(); ++slot)
      for (std::size_t r = 0; r < rows_.size(); ++r) {
        if (slot >= rows_[r].size() || rows_[r][slot] == none) continue;
        v_kind const kind = rows_[r][slot];
        bool stays = phase == 1 || (phase == 0 && !with_weights);
        if (phase == 0 && kind == up_backward && r == 0) phase = 1, stays = true;
        if (kind == up_forward && ++forward_count[r] == n_ && phase == 1) phase = 2, stays = true;
        std::size_t to = slot;
        if (!stays) {
          int after = at.earliest(kind, r);
          if (weights(kind)) {
            after = std::max(last_weight(moved[r], slot), backward[r][weight_count[r]]);
          }
          to = place(moved[r], slot, static_cast<std::size_t>(after + 1), limit, with_weights);
        }
        at.take(kind, r, static_cast<int>(to));
        if (weights(kind)) ++weight_count[r];
        if (backwards(kind))
          backward[r].insert(std::upper_bound(backward[r].begin(), backward[r].end(), to), static_cast<int>(to));
      }
    rows_ = std::move(moved);
  }

  static constexpr int last_weight(row const& of, std::size_t before) {
    while (before > 0 && !weights(of[before - 1])) --before;
    return static_cast<int>(before) - 1;
  }

  /// Moves the op in `slot` of a rank to the first free slot from `earliest` on with which the rank saves `limit` at most,
  /// and gives that slot.
  static constexpr std::size_t place(row& of, std::size_t slot, std::size_t earliest, peaks const& limit,
                                     bool with_weights) {
    v_kind const kind = of[slot];
    for (std::size_t to = earliest; to < slot; ++to) {
      if (of[to] != none) continue;
      of[to] = kind, of[slot] = none;
      bool const costs_nothing = with_weights && !forwards(kind);
      if (costs_nothing || peaks_of(of, !with_weights).within(limit)) return to;
      of[to] = none, of[slot] = kind;
    }
    return slot;
  }

  int n_;
  std::vector<row> rows_;
};

/// Emits blocks of every microbatch, finished as v_grid does.
template <class Sink>
constexpr void emit_blocks(extent e, std::vector<v_offsets> const& offsets, bool reordered, Sink& sink) {
  v_grid grid(offsets, e.microbatches);
  grid.finish(reordered);
  emit_lists(e, grid.lists(), sink);
}

}  // namespace foal::schedule
