// kFkB (Ada-Grouper; Wang et al., 2023): 1F1B over groups of k microbatches, so that messages travel while a group is at
// work.
#pragma once

#include <algorithm>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Every rank runs one_f_one_b on groups of `k` microbatches, one behind the other; each sends its message when it is done.
/// Takes as long as one_f_one_b where messages take no time, and hides those of up to k - 1 ops; saves k min(R-r, N/k)
/// microbatches. Where k does not divide N the last group is smaller; any N. k = 1 is one_f_one_b, k >= N gpipe. Delay 0.
struct k_f_k_b {
  static constexpr char const* name = "k_f_k_b";
  static constexpr bool asynchronous = false;

  int k = 2;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("k", k);
  }
  constexpr void check() const {
    if (k < 1)
      throw error(sentence("cannot generate ", name, " with .k = ", k,
                           ", because a group has a microbatch at least; use 1 or more"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    int const n = e.microbatches, groups = n / k + (n % k != 0 ? 1 : 0);
    auto const each = [&](int group, auto&& run) {
      for (int m = group * k, end = group + 1 < groups ? m + k : n; m < end; ++m) run(m);
    };
    for (int r = 0; r < e.ranks; ++r) {
      auto const forward = [&](int m) { emit_forward(e, r, m, sink); };
      auto const backward = [&](int m) { emit_backward(e, r, m, sink); };
      int const fill = std::min(e.ranks - 1 - r, groups);
      for (int g = 0; g < fill; ++g) each(g, forward);
      for (int g = 0; g < groups; ++g) {
        if (g + fill < groups) each(g + fill, forward);
        each(g, backward);
      }
    }
  }
};

}  // namespace foal::schedule
