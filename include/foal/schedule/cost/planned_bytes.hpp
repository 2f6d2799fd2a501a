// What ranks hold of a program in bytes, where stages differ.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// Bytes of a stage: always there; kept of a microbatch by F (where it is recomputed, by R) until its W; kept by F for R.
struct stage_bytes {
  double always = 0, saved = 0, input = 0;
};

/// What ranks of a program hold at most, counted once and then asked for any sizes. Ranks run one op at a time in the order
/// of their lists, so the order says it all, and no times are needed.
class planned_bytes {
 public:
  /// Needs a program that prove() accepts and in which every stage has an update.
  constexpr explicit planned_bytes(program_view v) : rank_(ranks_of(v)), stages_(v.size.stages), ranks_(v.size.ranks) {
    int const n = v.size.microbatches;
    std::vector<int> const heads = recompute_groups_of(v);
    auto const recomputed = [&](int stage) { return !heads.empty() && heads[static_cast<std::size_t>(stage)] >= 0; };
    int const periods = v.asynchronous ? 2 * periods_late(v) + 2 : 1;
    for (int r = 0; r < ranks_; ++r)
      for (int p = 0; p < periods; ++p)
        for (op const& o : v.rank(r)) {
          if (o.microbatch + p * n < 0) continue;
          bool const again = recomputed(o.stage);
          if (o.kind == op_kind::F)
            steps_.push_back({r, o.stage, again ? 0 : 1, again ? 1 : 0});
          else if (o.kind == op_kind::R)
            steps_.push_back({r, o.stage, 1, 0});
          else if (adds_weight_gradient(o.kind))
            steps_.push_back({r, o.stage, -1, again ? -1 : 0});
        }
  }

  /// By rank. `stage`: of every stage.
  constexpr std::vector<double> by_rank(std::vector<stage_bytes> const& stage) const {
    std::vector<double> held(static_cast<std::size_t>(ranks_), 0);
    for (std::size_t u = 0; u < rank_.size(); ++u)
      held[static_cast<std::size_t>(rank_[u])] += stage[u % static_cast<std::size_t>(stages_)].always;
    std::vector<double> most = held;
    for (step const& s : steps_) {
      auto const r = static_cast<std::size_t>(s.rank);
      stage_bytes const& b = stage[static_cast<std::size_t>(s.stage)];
      held[r] += s.saved * b.saved + s.input * b.input;
      most[r] = std::max(most[r], held[r]);
    }
    return most;
  }

 private:
  struct step {
    int rank, stage, saved, input;
  };
  std::vector<step> steps_;
  std::vector<int> rank_;
  int stages_, ranks_;
};

}  // namespace foal::schedule
