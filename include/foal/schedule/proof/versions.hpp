// Versions of weights: the newest one at every op of a program, those that a rule has its ops read, and the proof that they
// are there.
#pragma once

#include <algorithm>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <foal/schedule/proof/prove.hpp>

namespace foal::schedule {

/// Versions of a stage's weights that the ops of a microbatch read, or find there, as offsets: the ops of minibatch k,
/// counted from the start of the phase, read version max(0, k * U + offset), U being the stage's updates per minibatch.
/// Version v is what v updates have made.
struct version_read {
  int forward = 0, recompute = 0, backward = 0;  ///< of F, R, and B or BW

  constexpr bool operator==(version_read const&) const = default;
};

/// The newest version at every op of a program in steady state, by (stage, position in the minibatch): what a version rule
/// is asked with.
struct version_table {
  int microbatches = 1;             ///< N
  std::vector<int> updates;         ///< [s] U's per minibatch; 0: the stage has one version, 0, and is asked nothing
  std::vector<char> recomputes;     ///< [s] it has R
  flat_table<version_read> newest;  ///< [s * N + j]
  std::vector<int> asked;           ///< [s * N + j] empty, or what the program has F read in place of the newest (injected)
  std::vector<int> consumed;        ///< [s * N + j] empty (0 everywhere), or v_U, the version that its U changes

  constexpr int stages() const { return static_cast<int>(updates.size()); }
  constexpr version_read const& at(int s, int j) const { return newest[static_cast<std::size_t>(s * microbatches + j)]; }
  /// What the program itself has F read: the newest version, unless it injects delays.
  constexpr int forward(int s, int j) const {
    return asked.empty() ? at(s, j).forward : asked[static_cast<std::size_t>(s * microbatches + j)];
  }
  /// v_U, the updates before the one that consumes the microbatch.
  constexpr int consumer(int s, int j) const {
    return consumed.empty() ? 0 : consumed[static_cast<std::size_t>(s * microbatches + j)];
  }
  /// The version that U of the microbatch `delay` before it changes: max(0, floor((m - delay)/N)) with one U per minibatch.
  constexpr int delayed(int s, int j, int delay) const {
    int const earlier = j - delay;
    return floor_div(earlier, microbatches) * updates[static_cast<std::size_t>(s)] +
           consumer(s, floor_mod(earlier, microbatches));
  }
  /// The lowest stage that is updated; 0 where none is.
  constexpr int first_trained() const {
    for (int s = 0; s < stages(); ++s)
      if (updates[static_cast<std::size_t>(s)] > 0) return s;
    return 0;
  }

  // The same as updates between the version and the one that consumes the microbatch: v_U - v_F, v_U - v_B, v_U - v_R.
  constexpr int forward_lag(int s, int j) const { return consumer(s, j) - forward(s, j); }
  constexpr int backward_lag(int s, int j) const { return consumer(s, j) - at(s, j).backward; }
  constexpr int recompute_lag(int s, int j) const {
    return recomputes[static_cast<std::size_t>(s)] != 0 ? consumer(s, j) - at(s, j).recompute : 0;
  }
};

/// The rule of a program by itself: every op reads the newest version there is; where the program injects delays, F and R
/// read those.
struct own_versions {
  static constexpr version_read read(version_table const& there, int stage, int j) {
    version_read const& newest = there.at(stage, j);
    int const f = there.forward(stage, j);
    return {f, there.asked.empty() ? newest.recompute : f, newest.backward};
  }
};

/// What a stage keeps so that its ops find the versions that they read.
struct kept_versions {
  int copies = 0;                                             ///< versions older than the newest one
  bool forward = false, recompute = false, backward = false;  ///< some F, R or B reads one of them
  int until_update = 0;  ///< those that F reads lie so far before the one that its minibatch changes, at most

  /// until_update_: what F has read is read once more when the gradient of its microbatch is there.
  constexpr int copies_of(bool until_update_) const {
    return until_update_ && until_update > copies ? until_update : copies;
  }
  constexpr bool operator==(kept_versions const&) const = default;
};

/// What the ops of a program read, by a rule.
struct version_reads {
  int microbatches = 1;
  std::vector<int> updates;         ///< [s] as version_table has them
  flat_table<version_read> offset;  ///< [s * N + j]
  flat_table<kept_versions> kept;   ///< [s]
  /// A microbatch's F, R and B read one version of each stage, though newer ones are there: nothing is left to correct.
  bool one_version = false;
  bool delayed = false;  ///< some F reads a version that is not the one its minibatch will change

  constexpr int updates_of(int s) const { return updates[static_cast<std::size_t>(s)]; }
  constexpr version_read const& at(int s, int j) const { return offset[static_cast<std::size_t>(s * microbatches + j)]; }
  constexpr std::span<version_read const> stage(int s) const {
    auto const n = static_cast<std::size_t>(microbatches);
    return {offset.data() + static_cast<std::size_t>(s) * n, n};
  }
};

/// Asks a rule for every op of a program. Whether the versions are there is for prove_versions() to say.
template <class Rule>
constexpr version_reads reads_of(Rule const& rule, version_table const& there) {
  version_reads r;
  int const n = r.microbatches = there.microbatches;
  r.updates = there.updates;
  r.offset.assign(there.newest.size(), {});
  r.kept.assign(there.updates.size(), {});
  bool alike = true, old = false;
  // Raises `most` to the updates between two versions, as many as an int counts: a rule may say anything before it is
  // judged.
  auto const raise = [](int& most, int older, int newer) {
    long long const between = static_cast<long long>(newer) - older;
    if (between <= most) return;
    constexpr int limit = std::numeric_limits<int>::max();
    most = between < limit ? static_cast<int>(between) : limit;
  };
  for (int s = 0; s < there.stages(); ++s) {
    auto const i = static_cast<std::size_t>(s);
    if (there.updates[i] == 0) continue;
    kept_versions& kept = r.kept[i];
    auto const look = [&kept, raise](int newest, int read, bool& any) {
      if (read >= newest) return;
      any = true;
      raise(kept.copies, read, newest);
    };
    for (int j = 0; j < n; ++j) {
      version_read const& newest = there.at(s, j);
      version_read& read = r.offset[static_cast<std::size_t>(s * n + j)];
      read = rule.read(there, s, j);
      bool const recomputed = there.recomputes[i] != 0;
      if (!recomputed) read.recompute = read.forward;
      look(newest.forward, read.forward, kept.forward);
      raise(kept.until_update, read.forward, there.consumer(s, j));
      if (recomputed) look(newest.recompute, read.recompute, kept.recompute);
      look(newest.backward, read.backward, kept.backward);
      alike = alike && read.forward == read.backward && read.forward == read.recompute;
      r.delayed = r.delayed || read.forward != there.consumer(s, j);
    }
    old = old || kept.forward || kept.recompute || kept.backward;
  }
  r.one_version = alike && old;
  return r;
}

enum class version_flaw {
  none,
  future,  ///< the version asked for is not there yet
  gone     ///< it is older than those that the rule keeps
};

/// Names the op of a failure, the version that it asks for and the newest one there, both as offsets.
struct version_verdict {
  version_flaw what = version_flaw::none;
  op_kind kind = op_kind::F;
  int stage = 0, microbatch = 0;  ///< its position in the minibatch
  int asked = 0, newest = 0;
  int copies = 0;  ///< that the rule keeps at most

  constexpr explicit operator bool() const { return what == version_flaw::none; }
  constexpr bool operator==(version_verdict const&) const = default;
};

/// Every version that an op reads is there when it starts: not made by a later update, and among the newest one and `copies`
/// older ones. In a run's first minibatches both are at least 0, so what holds in steady state holds there.
constexpr version_verdict prove_versions(version_table const& there, version_reads const& reads, int copies = largest_slot) {
  for (int s = 0; s < there.stages(); ++s) {
    auto const i = static_cast<std::size_t>(s);
    for (int j = 0; there.updates[i] > 0 && j < there.microbatches; ++j) {
      version_read const &newest = there.at(s, j), &read = reads.at(s, j);
      auto const judge = [&](op_kind kind, int asked, int most) {
        version_verdict v{version_flaw::none, kind, s, j, asked, most, copies};
        if (asked > most) v.what = version_flaw::future;
        if (asked<most&& static_cast<long long>(most) - asked> copies) v.what = version_flaw::gone;
        return v;
      };
      if (version_verdict const bad = judge(op_kind::F, read.forward, newest.forward); !bad) return bad;
      if (there.recomputes[i] != 0)
        if (version_verdict const bad = judge(op_kind::R, read.recompute, newest.recompute); !bad) return bad;
      if (version_verdict const bad = judge(op_kind::B, read.backward, newest.backward); !bad) return bad;
    }
  }
  return {};
}

/// One sentence: cannot, because, do. Versions are named by the minibatch k of the op.
inline std::string text(version_verdict const& v) {
  auto const of = [](int offset) {
    if (offset == 0) return std::string("k");
    return offset < 0 ? sentence("k - ", -static_cast<long long>(offset)) : sentence("k + ", offset);
  };
  std::string const op = sentence(name(v.kind), "(stage ", v.stage, ", microbatch ", v.microbatch, " of minibatch k)");
  switch (v.what) {
    case version_flaw::none:
      return "every version is there when it is read";
    case version_flaw::future:
      return sentence("cannot have ", op, " read version ", of(v.asked), ", because the newest there is ", of(v.newest),
                      "; read that one, or one before it");
    case version_flaw::gone:
      return sentence("cannot have ", op, " read version ", of(v.asked), ", because the newest there is ", of(v.newest),
                      " and the rule keeps ", v.copies, " older than that; keep ",
                      static_cast<long long>(v.newest) - v.asked, ", or read a newer one");
  }
  return {};
}

/// Versions older than the newest one that a stage keeps at most by a rule: its `copies`, or no limit.
template <class Rule>
constexpr int most_copies() {
  if constexpr (requires { Rule::copies; })
    return Rule::copies;
  else
    return largest_slot;
}

/// Proves what a rule reads of a program; throws the rule's own sentence (explain), or the proof's, where a version is not
/// there.
template <class Rule>
constexpr void require_versions(Rule const& rule, version_table const& there, version_reads const& reads) {
  version_verdict const bad = prove_versions(there, reads, most_copies<Rule>());
  if (bad) return;
  if constexpr (requires { rule.explain(bad, there); })
    throw error(rule.explain(bad, there));
  else if constexpr (requires { Rule::name; })
    throw error(sentence(text(bad), " (versions::", Rule::name, ")"));
  else
    throw error(text(bad));
}

namespace detail {

/// The U's of a unit that has several in a period, by where in the period they are: how many are before an op is found
/// without asking each.
class unit_updates {
 public:
  constexpr unit_updates(timeline const& t, int unit, int several) {
    for (int c = unit * several; c < (unit + 1) * several; ++c) {
      int const u = t.update[static_cast<std::size_t>(c)];
      if (u < 0) continue;
      int const slot = t.slot[static_cast<std::size_t>(u)];
      periods_ += floor_div(slot, t.period);
      all_.push_back({floor_mod(slot, t.period), u});
    }
    std::sort(all_.begin(), all_.end());
  }

  /// The version that op `i` of minibatch 0 finds: update k of a U runs k periods after that of the body.
  constexpr int before(program_view const& v, timeline const& t, int i) const {
    op const& reader = v.ops[static_cast<std::size_t>(i)];
    int const slot = t.slot[static_cast<std::size_t>(i)], place = floor_mod(slot, t.period);
    auto const beside = std::lower_bound(all_.begin(), all_.end(), std::pair{place, -1});
    auto count = static_cast<int>(beside - all_.begin());
    for (auto u = beside; u != all_.end() && u->first == place; ++u) {
      int const lane = v.ops[static_cast<std::size_t>(u->second)].lane;
      count += (lane != reader.lane ? lane < reader.lane : u->second < i) ? 1 : 0;
    }
    return static_cast<int>(all_.size()) * floor_div(slot, t.period) - periods_ + count;
  }

 private:
  std::vector<std::pair<int, int>> all_;  // slot in the period, number of the op
  int periods_ = 0;                       // before the U's, of all together
};

constexpr version_table versions_of(program_view v, timeline const& t) {
  int const n = v.size.microbatches;
  auto const entries = static_cast<std::size_t>(v.size.stages * n);
  version_table table;
  table.microbatches = n;
  table.updates.assign(static_cast<std::size_t>(v.size.stages), 0);
  table.recomputes.assign(static_cast<std::size_t>(v.size.stages), 0);
  table.newest.assign(entries, {});
  if (!v.delays.empty()) table.asked.assign(entries, 0);
  for (int s = 0; s < v.size.stages; ++s) {
    auto const stage = static_cast<std::size_t>(s);
    table.recomputes[stage] = !t.head.empty() && t.head[stage] >= 0 ? 1 : 0;
    if (v.wanted(s) != gradients::both) continue;  // no update, one version
    int const several = t.rule.closing_cells() / units(v.size);
    for (int j = 0; j < n; ++j) table.updates[stage] += several == 1 ? j == 0 : t.rule.closing(s, j) == j;
    if (several > 1 && table.consumed.empty()) table.consumed.assign(entries, 0);
    std::vector<unit_updates> updates_of;  // [replica]
    for (int k = 0; several > 1 && k < v.size.replicas; ++k) updates_of.emplace_back(t, unit_of(v.size, s, k), several);
    // Update k of a unit's U runs k periods after that of the body; the last one before the op makes the version.
    auto const newest = [&](int i) {
      auto const x = static_cast<std::size_t>(i);
      op const& reader = v.ops[x];
      int const unit = unit_of(v.size, s, reader.replica);
      if (several > 1) return updates_of[static_cast<std::size_t>(reader.replica)].before(v, t, i);
      int const u = t.update[static_cast<std::size_t>(unit)];
      if (u < 0) return 0;
      int const slot = t.slot[static_cast<std::size_t>(u)], lane = v.ops[static_cast<std::size_t>(u)].lane;
      bool const lane_after = lane != reader.lane ? lane < reader.lane : u < i;
      return floor_div(t.slot[x] - slot - (lane_after ? 0 : 1), t.period) + 1;
    };
    int consumed = 0;
    for (int j = 0; j < n; ++j) {
      version_read& there = table.newest[static_cast<std::size_t>(s * n + j)];
      for (int segment = 0; segment < v.size.segments; ++segment) {  // of several, what all of them find
        auto const c = static_cast<std::size_t>(t.at(s, j) + segment);
        version_read now{newest(t.forward[c]), 0, newest(t.backward[c])};
        now.recompute = t.recompute[c] >= 0 ? newest(t.recompute[c]) : now.forward;
        there.forward = segment > 0 && there.forward < now.forward ? there.forward : now.forward;
        there.recompute = segment > 0 && there.recompute < now.recompute ? there.recompute : now.recompute;
        there.backward = segment > 0 && there.backward < now.backward ? there.backward : now.backward;
      }
      if (several > 1) {
        table.consumed[static_cast<std::size_t>(s * n + j)] = consumed;
        consumed += t.rule.closing(s, j) == j ? 1 : 0;
      }
    }
    for (int j = 0; j < n && !v.delays.empty(); ++j)
      table.asked[static_cast<std::size_t>(s * n + j)] = table.delayed(s, j, v.delays[stage]);
  }
  return table;
}

}  // namespace detail

/// Needs a program that prove() accepts; throws its sentence otherwise.
constexpr version_table versions(program_view v) {
  timeline t;
  if (verdict const bad = detail::prove(v, t); !bad) throw error(text(bad));
  return detail::versions_of(v, t);
}

}  // namespace foal::schedule
