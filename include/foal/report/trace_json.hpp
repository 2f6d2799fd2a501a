// Traces in the JSON that chrome://tracing and ui.perfetto.dev open.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>

#include <foal/report/json.hpp>
#include <foal/report/trace.hpp>

namespace foal::report {

namespace detail {

// The format's times are microseconds; the fraction keeps the nanoseconds, printed from integers so that none is lost.
inline std::string microseconds(long long ns) {
  std::string const rest = shortest(ns % 1000);
  return shortest(ns / 1000) + "." + std::string(3 - rest.size(), '0') + rest;
}

}  // namespace detail

/// The Trace Event Format: a process per worker, a thread per (rank, lane), and behind them a process per device with a
/// thread per unit; a complete event ("ph": "X") per span with stage, microbatch and version as arguments. Time starts at
/// the first span. `dropped` spans are mentioned in the file.
inline std::string trace_json(std::span<span const> spans, long long dropped = 0) {
  // Device, or -1 and the worker; then rank and lane, or 0 and the unit.
  using track = std::tuple<int, int, int, int>;
  auto const track_of = [](span const& s) {
    return s.device < 0 ? track{-1, s.worker, s.rank, s.lane} : track{s.device, 0, 0, s.lane};
  };
  std::map<track, std::set<int>> stages;
  int workers = 0;
  long long origin = spans.empty() ? 0 : spans[0].begin_ns;
  for (span const& s : spans) {
    stages[track_of(s)].insert(s.stage);
    workers = std::max(workers, s.worker + 1);
    origin = std::min(origin, s.begin_ns);
  }

  std::string out;
  json_writer json(out, 2);
  json.begin_object().member("displayTimeUnit", "ns");
  json.key("otherData").begin_object().member("dropped_spans", dropped).end_object();
  json.key("traceEvents").begin_array();
  auto const name = [&](char const* what, int process, int thread, std::string const& text) {
    json.begin_object().member("ph", "M").member("name", what).member("pid", process).member("tid", thread);
    json.key("args").begin_object().member("name", text).end_object().end_object();
  };
  // 0 is special in viewers; threads are unique over all processes.
  std::map<track, std::pair<int, int>> place;
  int last = 0;
  for (auto const& [key, hosted] : stages) {
    auto const [device, worker, rank, lane] = key;
    int const process = device < 0 ? worker + 1 : workers + 1 + device, id = static_cast<int>(place.size()) + 1;
    place[key] = {process, id};
    if (std::exchange(last, process) != process)
      name("process_name", process, id, device < 0 ? "worker " + shortest(worker) : "device " + shortest(device));
    std::string text = device < 0 ? "rank " + shortest(rank) + (lane == 0 ? "" : " lane " + shortest(lane)) + ", stages"
                                  : "unit " + shortest(lane) + ", stage";
    for (int const stage : hosted) text.append(" ").append(shortest(stage));
    name("thread_name", process, id, text);
    json.begin_object().member("ph", "M").member("name", "thread_sort_index").member("pid", process).member("tid", id);
    json.key("args").begin_object().member("sort_index", id).end_object().end_object();
  }
  for (span const& s : spans) {
    json.begin_object().member("ph", "X").member("name", std::string(s.kind) + " " + shortest(s.microbatch));
    auto const [process, thread] = place[track_of(s)];
    json.member("cat", s.kind).member("pid", process).member("tid", thread);
    json.key("ts")
        .raw(detail::microseconds(s.begin_ns - origin))
        .key("dur")
        .raw(detail::microseconds(s.end_ns - s.begin_ns));
    json.key("args").begin_object().member("stage", s.stage).member("microbatch", s.microbatch);
    json.member("version", s.version).end_object().end_object();
  }
  json.end_array().end_object();
  return out + '\n';
}

}  // namespace foal::report
