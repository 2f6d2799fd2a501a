// The planner as a program: the schedules among which it chooses, and what it prints.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/report/json.hpp>
#include <foal/report/number.hpp>
#include <foal/report/table.hpp>
#include <foal/schedule/cost/plan_text.hpp>
#include <foal/schedule/cost/planner.hpp>

#include "catalogue.hpp"

namespace schedules {

/// Synchronous schedules, in several numbers of chunks; `asynchronous`: those without a flush too.
inline std::vector<schedule::plan_candidate> plan_candidates(bool asynchronous) {
  using namespace schedule;
  namespace versions = foal::versions;
  std::vector<plan_candidate> all{
      candidate_of<sequential{}>(),
      candidate_of<gpipe{}>(),
      candidate_of<one_f_one_b{}>(),
      candidate_of<k_f_k_b{.k = 2}>("k_f_k_b 2"),
      candidate_of<k_f_k_b{.k = 4}>("k_f_k_b 4"),
      candidate_of<interleaved{.chunks = 2, .uneven = true}>("interleaved 2"),
      candidate_of<interleaved{.chunks = 4, .uneven = true}>("interleaved 4"),
      candidate_of<looped_bfs{.chunks = 2}>("looped_bfs 2"),
      candidate_of<looped_bfs{.chunks = 4}>("looped_bfs 4"),
      candidate_of<chimera{}>(),
      candidate_of<hanayo{.waves = 1}>("hanayo 1"),
      candidate_of<zb_h1{}>(),
      candidate_of<zb_h2{}>(),
      candidate_of<zb_v{}>(),
      candidate_of<interleaved_zb{.chunks = 2}>("interleaved_zb 2"),
      candidate_of<v_half{}>(),
      candidate_of<v_min{}>(),
      candidate_of<two_bp<one_f_one_b>{}>(),
  };
  for (bool const v : {false, true}) {
    plan_candidate overlapped = v ? candidate_of<dual_pipe_v{}>() : candidate_of<dual_pipe{}>();
    overlapped.overlaps = dual_pipe_overlaps;
    all.push_back(overlapped);
  }
  // Made for the stages of each grouping, in about the memory of zb_h1 and of zb_h2.
  plan_candidate automatic = candidate_of<zb_auto{}>();
  automatic.by_times = true;
  automatic.build = [](int stages, int ranks, int microbatches, std::span<stage_times const> times) {
    return zb_auto_for({stages, ranks, microbatches}, times);
  };
  all.push_back(automatic);
  automatic.name = "zb_auto 2R";
  automatic.build = [](int stages, int ranks, int microbatches, std::span<stage_times const> times) {
    return zb_auto_for({stages, ranks, microbatches}, times, 2 * ranks);
  };
  all.push_back(automatic);
  if (asynchronous) {
    all.push_back(candidate_of<async_1f1b{}, versions::stash>("pipedream"));
    all.push_back(candidate_of<async_1f1b{}, versions::double_buffered>("two_bw"));
    all.push_back(candidate_of<async_1f1b{}>("async_1f1b"));
    all.push_back(candidate_of<pipemare{}>());
  }
  return all;
}

inline std::string text_of(schedule::plan_result const& found, schedule::plan_problem const& p) {
  using foal::report::trimmed;
  std::string out;
  for (auto const* c : {&found.best, &found.runner_up}) {
    if (!*c) continue;
    out += c == &found.best ? "best: " : "\nrunner-up, " + schedule::beside(*c, found.best) + ": ";
    out += schedule::configuration_of(*c, p) + "\n  " + schedule::reason_of(*c, p) +
           "\n  items by stage: " + schedule::ranges_of(c->group) + '\n';
  }
  foal::report::table t{{{"schedule", foal::report::align::left},
                         {"time"},
                         {"N"},
                         {"replicas"},
                         {"recomputed", foal::report::align::left},
                         {"bytes"},
                         {"groupings", foal::report::align::left}}};
  for (schedule::plan_choice const& c : found.of_candidates)
    t.add({std::string(c.name) + (c.asynchronous ? " *" : ""), trimmed(c.time, 4), std::to_string(c.microbatches),
           std::to_string(c.copies), c.recomputed ? "yes" : "no", trimmed(c.most_bytes(), 4),
           c.all_groupings ? "all" : "some"});
  bool const late = std::any_of(found.of_candidates.begin(), found.of_candidates.end(),
                                [](schedule::plan_choice const& c) { return c.asynchronous; });
  out += "\nThe best of each schedule.";
  if (late) out += " *: asynchronous, in the long run, whatever the delay does to what is learnt.";
  out += "\n\n" + t.text() + "\ntried: " + schedule::searched(found) + "\n";
  if (!found.refused.empty())
    out += "\nRefused (a configuration is a schedule with an N, a number of replicas, recomputed or not):\n";
  for (schedule::plan_refusal const& r : found.refused) out += schedule::text(r, p) + "\n";
  return out;
}

inline std::string json_of(schedule::plan_result const& found, schedule::plan_problem const& p) {
  std::string out;
  foal::report::json_writer json(out, 1);
  auto const choice = [&](schedule::plan_choice const& c) {
    json.begin_object().member("schedule", std::string(c.name)).member("microbatches", c.microbatches);
    json.member("samples", p.minibatch / c.microbatches).member("chunks", c.chunks).member("replicas", c.copies);
    json.member("recomputed", c.recomputed).member("asynchronous", c.asynchronous).member("time", c.time);
    json.member("all_groupings", c.all_groupings);
    json.key("stage_of_items").begin_array();
    for (int const s : c.group) json.value(s);
    json.end_array();
    json.key("bytes").begin_array();
    for (double const b : c.bytes) json.value(b);
    json.end_array();
    json.key("idle").begin_array();
    for (schedule::idle_time const& i : c.idle) json.value(i.sum());
    json.end_array();
    json.member("reason", schedule::reason_of(c, p)).end_object();
  };
  json.begin_object();
  json.key("best"), choice(found.best);
  json.key("runner_up"), found.runner_up ? choice(found.runner_up) : void(json.value(nullptr));
  json.key("of_schedules").begin_array();
  for (schedule::plan_choice const& c : found.of_candidates) choice(c);
  json.end_array();
  json.key("refused").begin_array();
  for (schedule::plan_refusal const& r : found.refused)
    json.begin_object()
        .member("schedule", std::string(r.name))
        .member("configurations", r.count)
        .member("because", schedule::text(r, p))
        .end_object();
  json.end_array();
  json.member("configurations", found.configurations).member("groupings", found.groupings);
  json.member("all_groupings", found.all_groupings).end_object();
  return out + '\n';
}

}  // namespace schedules
