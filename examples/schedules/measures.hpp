// A schedule in numbers, beside all others: the table, and its rows as JSON.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/report/json.hpp>
#include <foal/report/number.hpp>
#include <foal/report/table.hpp>
#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/messages.hpp>

#include "catalogue.hpp"

namespace schedules {

/// Of N microbatches; of an asynchronous schedule in the steady state, its fill and drain left out.
struct measures {
  std::string name, refused;                    ///< a sentence, where it cannot be
  bool asynchronous = false, modelled = false;  ///< modelled: a run holds something else
  double makespan = 0, span = 0, idle_worst = 0;
  int parts = 1;  ///< of a rank's share of a microbatch: chunks times segments; an op is of one
  int peak_worst = 0, messages = 0;
  std::vector<int> peaks;                      ///< by rank
  std::vector<schedule::staleness> staleness;  ///< by stage

  int versions() const {
    int most = 1;
    for (schedule::staleness const& s : staleness) most = std::max(most, s.versions);
    return most;
  }
  double delay(double schedule::staleness::*of) const {
    double most = 0;
    for (schedule::staleness const& s : staleness) most = std::max(most, s.*of);
    return most;
  }
};

inline measures measure(entry const& e, question const& q, schedule::costs cost) {
  measures m;
  m.name = e.name;
  try {
    schedule::program p = e.build(q);
    schedule::program_view const v = p.view();
    if (schedule::verdict const bad = schedule::prove(v); !bad) throw foal::error(schedule::text(bad));
    std::vector<char> const overlaps = e.overlaps ? e.overlaps(v) : std::vector<char>();
    cost.overlaps = overlaps;
    m.parts = (e.any_chunks && q.chunks > 0 ? q.chunks : e.chunks) * v.size.segments;
    m.asynchronous = v.asynchronous;
    double const times = static_cast<double>(q.microbatches) / v.size.microbatches;
    schedule::timing t;
    if (v.asynchronous) {
      schedule::steady_state const s = schedule::steady_of(v, cost);
      m.makespan = m.span = s.minibatch * times;
      m.idle_worst = *std::max_element(s.idle.begin(), s.idle.end()) * times;
      t = s.run;
    } else {
      t = schedule::replay(v, cost);
      m.makespan = t.makespan;
      for (schedule::rank_time const& r : t.rank) {
        m.span = std::max(m.span, r.last - r.first);
        m.idle_worst = std::max(m.idle_worst, r.idle);
      }
    }
    m.modelled = static_cast<bool>(e.modelled);
    auto const memory = m.modelled ? e.modelled(v, t) : schedule::saved_over_time(v, t);
    for (schedule::rank_memory const& r : memory) m.peaks.push_back(r.peak);
    m.peak_worst = *std::max_element(m.peaks.begin(), m.peaks.end());
    m.staleness = schedule::staleness_of(schedule::versions(v), e.reads(v));
    m.messages = static_cast<int>(schedule::total_of(schedule::channels_of(v)).messages * times);
  } catch (foal::error const& error) {
    m.refused = error.what();
  }
  return m;
}

/// An array of objects, one a schedule; what a refused one has not is null.
inline std::string json_of(std::vector<measures> const& all) {
  std::string out;
  foal::report::json_writer json(out, 1);
  json.begin_array();
  for (measures const& m : all) {
    bool const there = m.refused.empty();
    auto const member = [&](char const* key, auto value) {
      json.key(key);
      there ? json.value(value) : json.value(nullptr);
    };
    auto const list = [&](char const* key, auto const& values, auto of) {
      json.key(key).begin_array();
      for (auto const& v : values) json.value(of(v));
      json.end_array();
    };
    json.begin_object().member("schedule", m.name);
    member("makespan", m.makespan);
    member("span", m.span);
    member("idle_worst", m.idle_worst);
    member("peak_worst", m.peak_worst);
    list("peaks", m.peaks, [](int p) { return p; });
    member("versions", m.versions());
    member("delay_f", m.delay(&schedule::staleness::forward));
    member("delay_b", m.delay(&schedule::staleness::backward));
    member("messages", m.messages);
    member("parts", m.parts);
    json.key("refused");
    there ? json.value(nullptr) : json.value(m.refused);
    member("asynchronous", m.asynchronous);
    member("modelled", m.modelled);
    list("versions_of_stages", m.staleness, [](auto const& s) { return s.versions; });
    list("delay_f_of_stages", m.staleness, [](auto const& s) { return s.forward; });
    list("delay_b_of_stages", m.staleness, [](auto const& s) { return s.backward; });
    json.end_object();
  }
  json.end_array();
  return out + '\n';
}

/// "4 3 2 1"; of many numbers the first and the last.
template <class List, class Of>
std::string joined(List const& values, Of of) {
  std::string out;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values.size() > 8 && i >= 3 && i + 2 < values.size()) {
      if (i == 3) out += " ..";
      continue;
    }
    out += (out.empty() ? "" : " ") + of(values[i]);
  }
  return out;
}

inline foal::report::table table_of(std::vector<measures> const& all) {
  using foal::report::trimmed;
  foal::report::table t{{{"schedule", foal::report::align::left},
                         {"parts"},
                         {"makespan"},
                         {"span"},
                         {"idle"},
                         {"of it"},
                         {"peak"},
                         {"peaks", foal::report::align::left},
                         {"versions"},
                         {"delay F"},
                         {"delay B"},
                         {"messages"}}};
  for (measures const& m : all) {
    if (!m.refused.empty()) continue;
    t.add({m.name + (m.asynchronous ? " *"
                     : m.modelled   ? " +"
                                    : ""),
           std::to_string(m.parts), trimmed(m.makespan, 2), trimmed(m.span, 2), trimmed(m.idle_worst, 2),
           trimmed(m.makespan > 0 ? 100 * m.idle_worst / m.makespan : 0, 1) + " %", std::to_string(m.peak_worst),
           joined(m.peaks, [](int p) { return std::to_string(p); }), std::to_string(m.versions()),
           trimmed(m.delay(&schedule::staleness::forward), 3), trimmed(m.delay(&schedule::staleness::backward), 3),
           std::to_string(m.messages)});
  }
  return t;
}

}  // namespace schedules
