// How much memory saved activations take: counted from the program, planned, and seen alive while a run was at work.
#pragma once

#include <algorithm>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/trace.hpp>
#include <foal/trainer/engine.hpp>

namespace recompute {

struct saved_bytes {
  long long counted = 0;   ///< by the program: every stage's slots times what a microbatch keeps there
  long long planned = 0;   ///< and allocated
  long long peak = 0;      ///< seen: of each array the most that was alive, summed, for no stage uses another's memory
  long long at_once = 0;   ///< seen: the most that was alive in one moment of a run on one worker
  long long slots = 0;     ///< microbatches, counted: of all stages, and of the inputs that heads of groups keep
  long long overlaps = 0;  ///< times that an op wrote over something alive

  bool agree() const { return counted == planned && peak == planned && overlaps == 0; }
};

/// Throws foal::error, with `name` for the run, unless what was counted, planned and seen is the same.
inline void require_agreement(saved_bytes const& s, char const* name) {
  foal::require(s.agree(), "cannot vouch for the saved activations ", name, ", because ", s.counted,
                " bytes were counted from the program, ", s.planned, " planned and ", s.peak, " seen alive, and ",
                s.overlaps,
                " ops wrote over something alive; find out which of them is wrong before any of these numbers is used");
}

/// One array of a stage that holds saved activations of several microbatches, as the run's memory has it.
struct saved_array {
  foal::executor::ring place;
  bool from_forward = true;  ///< alive from F on, else from R on
  bool until_again = false;  ///< until R, else until W
  int slots = 0;             ///< by the program
  int live = 0, peak = 0;
};

/// The arrays of one stage. Needs a trainer that has run. F of a recompute group's head leaves its input where it came, for
/// R and, where its first layer keeps it, for W.
inline std::vector<saved_array> arrays_of(foal::table::run_tables const& t, foal::executor::bound_stage const& b) {
  foal::schedule::stage_facts const& f = t.phases.back().facts.stage[static_cast<std::size_t>(b.number)];
  std::vector<saved_array> all;
  for (std::size_t x = 0; x < b.table->tensors.size(); ++x) {
    foal::table::tensor const& y = b.table->tensors[x];
    bool const input = y.where == foal::table::place::wire_in, kept = y.last != foal::until::forward;
    if (input && b.begins_recompute_group())
      all.push_back({b.tensors[x], true, !kept, kept ? f.in_flight : f.wire_recompute});
    else if ((input && kept) || y.where == foal::table::place::kept)
      all.push_back({b.tensors[x], f.head < 0, false, f.saved_peak});
  }
  return all;
}

/// What a finished run saved, from its tables, its plan and the spans of its ops in the order in which one worker ran them;
/// in several processes of the stages of this one.
inline saved_bytes measure(foal::table::run_tables const& t, foal::executor::engine const& e,
                           std::span<foal::report::span const> ops) {
  foal::require(e.values().workers == 1, "cannot see what is alive at once with ", e.values().workers,
                " workers, because their ops have no common order; run on 1");
  saved_bytes all;
  std::vector<std::vector<saved_array>> stages;
  for (foal::executor::bound_stage const& b : e.stages()) {
    auto& arrays = stages.emplace_back();
    if (b.worker < 0) continue;
    arrays = arrays_of(t, b);
    auto const& f = t.phases.back().facts.stage[static_cast<std::size_t>(b.number)];
    all.slots += f.saved_peak + (b.begins_recompute_group() ? f.in_flight : 0);
    for (saved_array const& a : arrays) all.counted += a.slots * static_cast<long long>(a.place.stride);
  }
  all.planned = static_cast<long long>(e.memory().plan().bytes(foal::category::saved));

  std::set<void const*> alive;
  long long now = 0;
  for (foal::report::span const& o : ops) {
    std::string_view const kind = o.kind;
    auto const m = static_cast<std::uint32_t>(o.microbatch);
    for (saved_array& a : stages[static_cast<std::size_t>(o.stage)]) {
      if (kind == (a.from_forward ? "F" : "R")) {
        all.overlaps += alive.insert(a.place.at(m)).second ? 0 : 1;
        a.peak = std::max(a.peak, ++a.live);
        now += static_cast<long long>(a.place.stride);
      } else if (a.until_again ? kind == "R" : kind == "BW" || kind == "W") {
        alive.erase(a.place.at(m));
        --a.live;
        now -= static_cast<long long>(a.place.stride);
      }
    }
    all.at_once = std::max(all.at_once, now);
  }
  for (auto const& arrays : stages)
    for (saved_array const& a : arrays) all.peak += a.peak * static_cast<long long>(a.place.stride);
  return all;
}

}  // namespace recompute
