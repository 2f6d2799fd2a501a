// All that a program implies, as text: times, idle slots and why, memory over time, versions, channels.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/report/number.hpp>
#include <foal/report/table.hpp>
#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/messages.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/proof/channel.hpp>

#include "catalogue.hpp"

namespace schedules {

/// A program with what is known of it besides.
struct subject {
  std::string name, about;
  schedule::program program{};
  schedule::version_reads reads{};               ///< what its ops read
  std::vector<char> overlaps{};                  ///< none, or which ops overlap
  std::vector<double> factors{};                 ///< none, or of its stages
  std::vector<schedule::staleness> staleness{};  ///< by stage
  double bytes = 0;                              ///< of every message; 0: not known
};

inline subject subject_of(entry const& e, question const& q) {
  subject s;
  s.name = e.name, s.about = e.about;
  s.program = e.build(q);
  s.reads = e.reads(s.program.view());
  if (e.overlaps) s.overlaps = e.overlaps(s.program.view());
  if (e.factors) s.factors = e.factors(q);
  s.staleness = schedule::staleness_of(schedule::versions(s.program.view()), s.reads);
  return s;
}

/// What its ops take: as asked, and as its stages differ by their nature where no factors are asked for.
inline schedule::costs cost_of(subject const& s, schedule::costs asked) {
  if (asked.stage_factor.empty()) asked.stage_factor = s.factors;
  return asked;
}

namespace detail {

inline std::string number(double v) { return foal::report::trimmed(v, 3); }

inline char const* name(schedule::edge via) {
  switch (via) {
    case schedule::edge::activation:
      return "activations";
    case schedule::edge::gradient:
      return "gradients";
    case schedule::edge::rebuilt:
      return "rebuilt activations";
    default:
      return "sums";
  }
}

/// Of a minibatch with a flush; without one, of one in the middle.
inline std::string ranks(schedule::timing const& t, schedule::steady_state const& steady,
                         std::vector<schedule::rank_memory> const& memory, bool flush) {
  foal::report::table rows{{{"rank"}, {"busy"}, {"idle"}, {"fill"}, {"waiting"}, {"drain"}, {"in the long run"}, {"peak"}}};
  if (!flush) rows.columns = {{"rank"}, {"busy"}, {"idle"}, {"peak"}};
  auto const idle = schedule::idle_of(t);
  for (std::size_t r = 0; r < idle.size(); ++r) {
    std::string const rank = std::to_string(r), peak = std::to_string(memory[r].peak), later = number(steady.idle[r]);
    if (flush)
      rows.add({rank, number(t.rank[r].busy), number(t.rank[r].idle), number(idle[r].fill), number(idle[r].waiting),
                number(idle[r].drain), later, peak});
    else
      rows.add({rank, number(steady.minibatch - steady.idle[r]), later, peak});
  }
  return rows.text();
}

/// The gaps that begin in [from, to), at most `most` of each rank.
inline std::string gaps(schedule::timing const& t, double from, double to, int most) {
  std::string out;
  int rank = -1, shown = 0, left_out = 0;
  auto const close = [&] {
    if (left_out > 0) out += foal::sentence("  rank ", rank, ": and ", left_out, " more\n");
    left_out = 0;
  };
  for (schedule::gap const& g : t.gaps) {
    if (g.start < from || g.start >= to) continue;
    if (g.rank != rank) close(), shown = 0, rank = g.rank;
    if (++shown > most) {
      ++left_out;
      continue;
    }
    out += "  rank " + std::to_string(g.rank) + ", " + number(g.start) + " to " + number(g.start + g.length) + ": " +
           text(g) + "\n";
  }
  close();
  return out;
}

inline std::string capacity(schedule::program_view v, schedule::shared_fifo how) {
  int const room = schedule::channel_capacity(v, how);
  if (room < 0) return "other order than sent, at any capacity";
  return room == 0 ? "in order, rendezvous suffices" : foal::sentence("in order, capacity ", room);
}

}  // namespace detail

/// The time of F, B and W is that of a chunk; the memory's unit what a chunk's forward saves of a microbatch.
inline std::string facts_of(subject& of, schedule::costs cost) {
  cost.overlaps = of.overlaps;
  using detail::number;
  schedule::program_view const v = of.program.view();
  schedule::timing const alone = schedule::replay(v, cost);
  schedule::steady_state const steady = schedule::steady_of(v, cost);
  schedule::timing const& t = v.asynchronous ? steady.run : alone;
  double const from = v.asynchronous ? steady.from : 0, to = v.asynchronous ? from + steady.minibatch : t.makespan;
  auto const memory = schedule::saved_over_time(v, t);
  double span = 0;
  for (schedule::rank_time const& r : alone.rank) span = std::max(span, r.last - r.first);
  std::string out = of.name + (of.about.empty() ? "" : ": " + of.about) + "\n";
  out +=
      foal::sentence(v.size.stages, " stages on ", v.size.ranks, " ranks, ", v.size.microbatches, " microbatches an update",
                     v.size.replicas > 1 ? foal::sentence(", ", v.size.replicas, " replicas") : "",
                     v.size.segments > 1 ? foal::sentence(", ", v.size.segments, " segments") : "",
                     v.asynchronous ? ", asynchronous" : "", "; ", schedule::text(schedule::prove(v)));
  out += "\n\n";
  if (v.asynchronous)
    out += "a minibatch takes " + number(steady.minibatch) + " in the steady state (alone " + number(alone.makespan) + ")";
  else
    out += "makespan " + number(t.makespan) + ", span " + number(span) + " (bubble " + number(t.span_bubble) +
           "), utilisation " + foal::report::fixed(100 * t.utilisation, 1) + " %; in the long run a minibatch takes " +
           number(steady.minibatch);
  out += "\n\n" + detail::ranks(t, steady, memory, !v.asynchronous);
  std::string const gaps = detail::gaps(t, from, to, 20);
  out += v.asynchronous ? "\nidle in a minibatch of the steady state:\n" : "\nidle:\n";
  out += gaps.empty() ? "  no rank is\n" : gaps;

  out += "\nunits held by rank, from each time on:\n";
  for (std::size_t r = 0; r < memory.size(); ++r) {
    out += "  rank " + std::to_string(r) + ":";
    int before = 0;
    std::string steps;
    for (auto const& [time, units] : memory[r].curve) {
      if (time <= from) before = units;
      if (time > from && time <= to) steps += " " + number(time) + ":" + std::to_string(units);
    }
    out += " " + number(from) + ":" + std::to_string(before) + steps + "\n";
  }
  if (!of.staleness.empty()) {
    foal::report::table rows{{{"stage"}, {"versions"}, {"delay F"}, {"delay B"}}};
    for (std::size_t s = 0; s < of.staleness.size(); ++s)
      rows.add({std::to_string(s), std::to_string(of.staleness[s].versions), number(of.staleness[s].forward),
                number(of.staleness[s].backward)});
    out += "\nweights by stage, delays in updates:\n" + rows.text();
  }

  std::vector<double> const bytes(of.bytes > 0 ? static_cast<std::size_t>(v.size.stages) : 0, of.bytes);
  auto const channels = schedule::channels_of(v, bytes);
  foal::report::table rows{{{"from"}, {"to"}, {"", foal::report::align::left}, {"messages"}, {"bytes"}}};
  for (schedule::channel_use const& c : channels)
    rows.add({std::to_string(c.from), std::to_string(c.to), detail::name(c.via), std::to_string(c.messages),
              of.bytes > 0 ? foal::report::grouped(static_cast<long long>(c.bytes)) : "-"});
  schedule::channel_use const all = schedule::total_of(channels);
  out += "\nmessages of a minibatch: " + std::to_string(all.messages);
  if (of.bytes > 0) out += ", " + foal::report::grouped(static_cast<long long>(all.bytes)) + " bytes";
  out += "\n" + rows.text();
  out += "\nchannels that take turns in one FIFO\n  all from a rank to another:   " +
         detail::capacity(v, schedule::shared_fifo::pair) +
         "\n  forwards apart from backwards: " + detail::capacity(v, schedule::shared_fifo::pair_direction) +
         "\n  every kind by itself:          " + detail::capacity(v, schedule::shared_fifo::kind) + "\n";
  out += "\nlists:\n" + schedule::lists(v);
  return out;
}

}  // namespace schedules
