// Delays that the researcher chooses: the tool to study a delay without the pipeline that causes it.
#pragma once

#include <vector>

#include <foal/core/error.hpp>
#include <foal/policy/versions/concept.hpp>

namespace foal::versions {

/// F and R of microbatch m at stage s read version max(0, floor((m - d_s)/N)), counted from the start of the phase; B reads
/// the newest one. Needs one delay >= 0 per stage (fewer: the rest are 0), none below what the schedule itself causes:
/// schedule::sequential causes none. Old versions are kept for as long as they are read.
struct injected {
  using role = foal::role::versions;
  static constexpr char const* name = "injected";

  std::vector<int> delays{};  ///< d_s in microbatches

  constexpr schedule::version_read read(schedule::version_table const& there, int stage, int j) const {
    auto const s = static_cast<std::size_t>(stage);
    int const f = there.delayed(stage, j, s < delays.size() ? delays[s] : 0);
    return {f, f, there.at(stage, j).backward};
  }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("delays", delays);
  }

  void check() const {
    for (int const d : delays)
      require(
          d >= 0 && d <= schedule::largest_slot, "cannot inject a delay of ", d,
          " microbatches, because a forward reads weights of now or of before, and microbatches are counted in integers; "
          "give 0 to ",
          schedule::largest_slot);
  }
};

}  // namespace foal::versions
