// What an op waits for: the one place that knows. Clock, proof, replay, channels, analysis and workers ask it.
#pragma once

#include <vector>

#include <foal/core/flat_table.hpp>
#include <foal/schedule/cells.hpp>
#include <foal/schedule/program.hpp>

namespace foal::schedule {

/// Over what an input comes.
enum class edge : std::uint8_t {
  activation,  ///< the forward wire, from F of the stage below
  gradient,    ///< the backward wire, from the backward of the stage above
  rebuilt,     ///< what R of the stage below made of the wire, in a group of recomputed stages
  own,         ///< from an op of the same unit: the order of its rank's list sees to it
  sum,         ///< the gradients of another replica's minibatch
  norm,        ///< the norm of another stage's gradients
  tied         ///< weights or gradients of a group of tied layers, which ride with activations and gradients
};

/// An op that another op waits for. Where a stage has BW, B stands for it and the other way round.
struct input {
  op_kind kind = op_kind::F;
  int stage = 0, replica = 0, microbatch = 0, segment = 0;
  edge via = edge::own;

  constexpr bool operator==(input const&) const = default;
};

/// The op that is meant, without a slot.
constexpr op op_of(input const& in) {
  return {.kind = in.kind, .stage = in.stage, .microbatch = in.microbatch, .replica = in.replica, .segment = in.segment};
}

/// The rule of dependencies, with what it has to know of a program besides the op. Made once, asked for any number of ops.
/// Needs a program that is well_formed(), and does not outlive what its view points to.
class dependencies {
 public:
  constexpr dependencies() = default;
  constexpr explicit dependencies(program_view v)
      : view_(v), cells_(v.size), heads_(recompute_groups_of(v)), recomputes_(!heads_.empty()) {
    find_replicas();
    find_last_gradients();
  }

  /// f(input) for everything that `o` waits for. Microbatches count as o's does.
  ///
  /// F(s, m) waits for F(s-1, m). A backward (B or BW) of (s, m) waits for F(s, m), for R(s, m) where the stage is
  /// recomputed, and for the backward of (s+1, m). R(s, m) waits for F(s, m) and, inside a group of recomputed stages, for
  /// R(s-1, m). W waits for its B. Of a sequence in segments, F and R wait for the segment before, a backward for the one
  /// after. U waits for its unit's last W or BW of the microbatches that it consumes; among replicas G does, for that of
  /// every replica, and U for its G. Where the global norm clips, U waits for the gradients of every stage.
  template <class Each>
  constexpr void for_each_input(op const& o, Each&& f) const {
    visit<true>(o, f);
  }

  /// The same without what the order of the list sees to: the inputs that arrive over channels.
  template <class Each>
  constexpr void for_each_crossing_input(op const& o, Each&& f) const {
    visit<false>(o, f);
  }

  /// Where the op of an input or output is in tables that have an entry per (stage, position, segment), and for U and G one
  /// per unit and U of its period.
  template <class Op>
  constexpr int cell(Op const& o) const {
    int const position =
        o.microbatch >= 0 && o.microbatch < cells_.microbatches ? o.microbatch : cells_.position(o.microbatch);
    if (o.kind == op_kind::U || o.kind == op_kind::G) return closing_cell(unit_of(view_.size, o.stage, o.replica), position);
    return (o.stage * cells_.microbatches + position) * cells_.segments + o.segment;
  }
  /// The entry of the U (or G) that consumes the gradient of `position`, and how many there are.
  constexpr int closing_cell(int unit, int position) const {
    return row_ == 1 ? unit : unit * row_ + closing(unit, position);
  }
  constexpr int closing_cells() const { return units(view_.size) * row_; }
  constexpr cells const& numbering() const { return cells_; }

  /// Per stage the first stage of its group of recomputed stages, -1 where none; empty without recomputation.
  constexpr std::vector<int> const& heads() const { return heads_; }
  constexpr bool recomputed(int stage) const { return recomputes_ && heads_[static_cast<std::size_t>(stage)] >= 0; }
  /// The replica through which the microbatch at that position of a minibatch runs; 0 where no op says.
  constexpr int replica_of(int position) const {
    return replica_.empty() ? 0 : replica_[static_cast<std::size_t>(position)];
  }
  /// The position of the microbatch that the U names which consumes the gradient of `position`, in that unit; N - 1 unless
  /// the unit has several.
  constexpr int closing(int unit, int position) const {
    return row_ == 1 ? cells_.microbatches - 1 : closes_[static_cast<std::size_t>(unit * row_ + position)];
  }

 private:
  // Calls are few and inputs are made in place: proofs of 107 stages are within the compilers' limits because of that.
  template <bool Own, class Each>
  constexpr void visit(op const& o, Each&& f) const {
    if (o.kind == op_kind::F) {
      if (Own && o.segment > 0) f(input{op_kind::F, o.stage, o.replica, o.microbatch, o.segment - 1, edge::own});
      if (o.stage > 0) f(input{op_kind::F, o.stage - 1, o.replica, o.microbatch, o.segment, edge::activation});
    } else if (is_backward(o.kind)) {
      if (Own) f(input{op_kind::F, o.stage, o.replica, o.microbatch, o.segment, edge::own});
      if (Own && recomputes_ && recomputed(o.stage))
        f(input{op_kind::R, o.stage, o.replica, o.microbatch, o.segment, edge::own});
      if (Own && o.segment + 1 < cells_.segments)
        f(input{o.kind, o.stage, o.replica, o.microbatch, o.segment + 1, edge::own});
      if (o.stage + 1 < view_.size.stages) f(input{o.kind, o.stage + 1, o.replica, o.microbatch, o.segment, edge::gradient});
    } else {
      visit_other<Own>(o, f);
    }
  }

  template <bool Own, class Each>
  constexpr void visit_other(op const& o, Each&& f) const {
    bool const sums = view_.size.replicas > 1;
    switch (o.kind) {
      case op_kind::R:
        if (Own) f(input{op_kind::F, o.stage, o.replica, o.microbatch, o.segment, edge::own});
        if (Own && o.segment > 0) f(input{op_kind::R, o.stage, o.replica, o.microbatch, o.segment - 1, edge::own});
        if (continues_recompute_group(heads_, o.stage))
          f(input{op_kind::R, o.stage - 1, o.replica, o.microbatch, o.segment, edge::rebuilt});
        return;
      case op_kind::W:
        if (Own) f(input{op_kind::B, o.stage, o.replica, o.microbatch, o.segment, edge::own});
        return;
      case op_kind::U:
        if (Own && sums) f(input{op_kind::G, o.stage, o.replica, o.microbatch, o.segment, edge::own});
        if (Own && !sums) last_gradient(o, o.stage, 0, edge::own, f);
        for (int s = 0; s < view_.size.stages && view_.global_norm; ++s) {
          if (s == o.stage || view_.wanted(s) != gradients::both) continue;
          if (sums)
            f(input{op_kind::G, s, o.replica, o.microbatch, o.segment, edge::norm});
          else
            last_gradient(o, s, 0, edge::norm, f);
        }
        return;
      case op_kind::G:
        if (Own) last_gradient(o, o.stage, o.replica, edge::own, f);
        for (int r = 0; r < view_.size.replicas; ++r)
          if (r != o.replica) last_gradient(o, o.stage, r, edge::sum, f);
        return;
      default:
        return;
    }
  }

  /// The W or BW that runs last of those which U or G `o` consumes, in the unit (stage, replica).
  template <class Each>
  constexpr void last_gradient(op const& o, int stage, int replica, edge via, Each&& f) const {
    int const unit = unit_of(view_.size, stage, replica), position = cells_.position(o.microbatch);
    last const& l = last_[static_cast<std::size_t>(unit * row_ + (row_ == 1 ? 0 : closing(unit, position)))];
    if (l.position >= 0) f(input{l.kind, stage, replica, o.microbatch - position + l.position, l.segment, via});
  }

  constexpr void find_replicas() {
    if (view_.size.replicas == 1) return;
    replica_.assign(static_cast<std::size_t>(cells_.microbatches), 0);
    for (op const& o : view_.ops)
      if (o.kind == op_kind::F) replica_[static_cast<std::size_t>(cells_.position(o.microbatch))] = o.replica;
  }

  constexpr void find_last_gradients() {
    auto const all = static_cast<std::size_t>(units(view_.size));
    int_table updates(all, 0);
    int* const updates_of = updates.data();
    op const* const ops = view_.ops.data();
    auto const size = static_cast<int>(view_.ops.size());
    for (int i = 0; i < size; ++i)
      if (ops[i].kind == op_kind::U && ++updates_of[unit_of(view_.size, ops[i].stage, ops[i].replica)] > 1)
        row_ = cells_.microbatches;
    if (row_ > 1) {
      closes_.assign(all * static_cast<std::size_t>(row_), -1);
      int* const closes = closes_.data();
      for (op const& o : view_.ops)
        if (o.kind == op_kind::U)
          closes[unit_of(view_.size, o.stage, o.replica) * row_ + cells_.position(o.microbatch)] =
              cells_.position(o.microbatch);
      // What no U names is consumed by the next one that does, or by that of the last microbatch.
      for (int i = static_cast<int>(closes_.size()) - 1; i >= 0; --i)
        if (closes[i] < 0) closes[i] = (i + 1) % row_ == 0 ? row_ - 1 : closes[i + 1];
    }
    last_ = flat_table<last>(all * static_cast<std::size_t>(row_));
    last* const lasts = last_.data();
    for (int i = 0; i < size; ++i) {
      op const& o = ops[i];
      if (!adds_weight_gradient(o.kind)) continue;
      int const unit = unit_of(view_.size, o.stage, o.replica);
      int const position =
          o.microbatch >= 0 && o.microbatch < cells_.microbatches ? o.microbatch : cells_.position(o.microbatch);
      last& l = lasts[row_ == 1 ? unit : unit * row_ + closing(unit, position)];
      // An op of an earlier minibatch in the body runs so many periods after those of its own.
      int const late = o.microbatch >= 0 ? 0 : -floor_div(o.microbatch, cells_.microbatches);
      if (late >= l.late) l = {position, o.segment, late, o.kind};
    }
  }

  struct last {
    int position = -1, segment = 0, late = 0;
    op_kind kind = op_kind::BW;
  };

  program_view view_;
  cells cells_;
  std::vector<int> heads_;
  int_table replica_;  // [position]
  bool recomputes_ = false;
  int row_ = 1;            // 1, or N where some unit has several U's
  int_table closes_;       // [unit * row + position]: the next position that a U names
  flat_table<last> last_;  // [unit * row + closing position]
};

/// The rule for one op. Who asks for many keeps `dependencies`.
template <class Each>
constexpr void for_each_input(program_view v, op const& o, Each&& f) {
  dependencies(v).for_each_input(o, f);
}

/// The rank of every unit, by its ops in the lists: where a program is, whatever its extent's placement would say. -1 for a
/// unit without ops. Needs a program that is well_formed().
constexpr std::vector<int> ranks_of(program_view v) {
  std::vector<int> ranks(static_cast<std::size_t>(units(v.size)), -1);
  for (int r = 0; r < v.size.ranks; ++r)
    for (op const& o : v.rank(r)) ranks[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))] = r;
  return ranks;
}

}  // namespace foal::schedule
