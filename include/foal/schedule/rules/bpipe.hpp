// BPipe (Kim et al., ICML 2023): 1F1B whose first ranks lend what they save to the last ones, which save little.
#pragma once

#include <foal/core/error.hpp>
#include <foal/schedule/evictions.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>

namespace foal::schedule {

/// The list is one_f_one_b's, and so are time and bits: rank r < R/2 evicts what it saves beyond `limit` microbatches to
/// rank R-1-r and has it back before its backward, and together they have R + 1 to hold. A run plans so much memory where
/// both ranks are on workers of one process; where one worker has both, where another process has one of them, and in what
/// other rules make of this one (but with_global_norm, refined, listed), all is saved where it is made.
/// schedule/cost/balanced_memory.hpp says how much moves. Needs links that carry saved activations while ranks compute.
/// Delay 0.
struct bpipe {
  static constexpr char const* name = "bpipe";
  static constexpr bool asynchronous = false;

  int limit = 0;  ///< microbatches; 0: (R+2)/2, rounded up, as its authors have it: enough for any N

  template <class F>
  constexpr void numbers(F&& f) const {
    f("limit", limit);
  }

  constexpr void check() const {
    if (limit < 0)
      throw error(sentence("cannot generate ", name, " with .limit = ", limit,
                           ", because a rank keeps a microbatch at least; use 1 or more, or 0 for the authors' limit"));
  }

  constexpr int limit_for(int ranks) const { return limit > 0 ? limit : (ranks + 3) / 2; }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    one_f_one_b{}.emit(e, sink);
  }

  constexpr void evict(program& timed) const {
    int const most = limit_for(timed.size().ranks);
    timed.evictions(balanced_evictions(timed.view(), most), most);
  }
};

}  // namespace foal::schedule
