// Traces in the JSON that chrome://tracing and ui.perfetto.dev open.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>

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

/// The Trace Event Format: a process per worker, a thread per (rank, lane), a complete event ("ph": "X") per span with
/// stage, microbatch and version as arguments. Time starts at the first span. `dropped` spans are mentioned in the file.
inline std::string trace_json(std::span<span const> spans, long long dropped = 0) {
  using track = std::tuple<int, int, int>;  // worker, rank, lane
  std::map<track, std::set<int>> stages;
  long long origin = spans.empty() ? 0 : spans[0].begin_ns;
  for (span const& s : spans) {
    stages[{s.worker, s.rank, s.lane}].insert(s.stage);
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
  std::map<track, int> thread;
  for (auto const& [key, hosted] : stages) {
    auto const [worker, rank, lane] = key;
    int const id = static_cast<int>(thread.size()) + 1;  // 0 is special in viewers; unique over all processes
    bool const first_of_worker = thread.empty() || std::get<0>(thread.rbegin()->first) != worker;
    thread[key] = id;
    if (first_of_worker) name("process_name", worker + 1, id, "worker " + shortest(worker));
    std::string text = "rank " + shortest(rank) + (lane == 0 ? "" : " lane " + shortest(lane)) + ", stages";
    for (int const stage : hosted) text.append(" ").append(shortest(stage));
    name("thread_name", worker + 1, id, text);
    json.begin_object().member("ph", "M").member("name", "thread_sort_index").member("pid", worker + 1).member("tid", id);
    json.key("args").begin_object().member("sort_index", id).end_object().end_object();
  }
  for (span const& s : spans) {
    json.begin_object().member("ph", "X").member("name", std::string(s.kind) + " " + shortest(s.microbatch));
    json.member("cat", s.kind).member("pid", s.worker + 1).member("tid", thread[{s.worker, s.rank, s.lane}]);
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
