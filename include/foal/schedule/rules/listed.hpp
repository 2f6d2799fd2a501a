// A program that is given as it is: read from a file (csv.hpp, parse.hpp), found by a search, written by hand.
#pragma once

#include <string>
#include <utility>

#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// `foal::trainer<net, loss, schedule::listed>({.microbatches = 8, .ranks = 2, .schedule = {schedule::from_csv(text)}})`.
/// Trains as many stages, ranks and microbatches as the program has, and no others; bubble, peak and delay are the program's
/// own. It is proved where it is used. A synchronous program.
struct listed {
  static constexpr char const* name = "listed";
  static constexpr bool asynchronous = false;
  static constexpr bool proved_at_construction = true;

  program ops{};

  template <class F>
  void numbers(F&& f) const {
    extent const e = ops.size();
    f("stages", e.stages);
    f("ranks", e.ranks);
    f("microbatches", e.microbatches);
    f("digest", digest());
  }

  /// Throws foal::error where the program is of another size, or its periods overlap.
  constexpr program build(extent e) const {
    extent const own = ops.size();
    if (ops.asynchronous() || own.stages != e.stages || own.ranks != e.ranks || own.microbatches != e.microbatches ||
        own.replicas != e.replicas || own.segments != e.segments)
      throw error(sentence("cannot run ", e.stages, " stages on ", e.ranks, " ranks with ", e.microbatches,
                           " microbatches by this list, because it is for ", own.stages, " stages on ", own.ranks,
                           " ranks with ", own.microbatches, " microbatches, ", own.replicas, " replicas and ", own.segments,
                           " segments", ops.asynchronous() ? " without a flush" : "",
                           "; ask for those, or give another list"));
    program mine = ops;
    program_view const v = mine.view();
    program p(e, v.period, false);
    p.recompute({v.recompute.begin(), v.recompute.end()});
    p.wants({v.wants.begin(), v.wants.end()});
    p.global_norm(v.global_norm);
    p.evictions({v.evictions.begin(), v.evictions.end()}, v.most_held);
    p.offloads({v.offloads.begin(), v.offloads.end()});
    for (int r = 0; r < e.ranks; ++r)
      for (op const& o : v.rank(r)) p(r, o);
    time(p);
    return p;
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }

 private:
  /// Tells lists apart: FNV-1a over all ops.
  constexpr unsigned long long digest() const {
    program mine = ops;
    unsigned long long h = 14695981039346656037ULL;
    auto const take = [&h](int v) { h = (h ^ static_cast<unsigned>(v)) * 1099511628211ULL; };
    program_view const v = mine.view();
    for (int r = 0; r < static_cast<int>(v.begin.size()) - 1; ++r) {
      take(-1 - r);
      for (op const& o : v.rank(r))
        for (int const x : {static_cast<int>(o.kind), o.stage, o.microbatch, o.replica, o.segment}) take(x);
    }
    return h;
  }
};

}  // namespace foal::schedule
