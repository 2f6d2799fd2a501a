#include <foal/report/trace.hpp>

#include <catch2/catch.hpp>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <foal/report/trace_json.hpp>
#include <foal/report/trace_svg.hpp>

#include "markup.hpp"
#include "sample.hpp"

namespace report = foal::report;

TEST_CASE("a full buffer counts what it leaves out", "[report]") {
  report::trace t(2, 3);
  for (int i = 0; i < 5; ++i) t[1].add({.worker = 1, .microbatch = i});
  CHECK(t[1].size() == 3);
  CHECK(t[1].dropped() == 2);
  CHECK(t.dropped() == 2);
  CHECK(t[0].size() == 0);
  CHECK(t.spans().back().microbatch == 2);
  t[1].clear();
  CHECK(t.spans().empty());
  CHECK(t.dropped() == 0);
}

TEST_CASE("a reader sees whole spans while the worker writes", "[report]") {
  report::trace t(1, 100'000);
  std::thread worker([&] {
    for (int i = 0; i < 100'000; ++i) t[0].add({.kind = "F", .microbatch = i, .begin_ns = 2LL * i, .end_ns = 2LL * i + 1});
  });
  bool whole = true;
  for (std::size_t seen = 0; seen < 100'000;) {
    auto const spans = t[0].spans();
    for (; seen < spans.size(); ++seen) {
      auto const i = static_cast<long long>(seen);
      whole = whole && spans[seen].microbatch == i && spans[seen].end_ns == 2 * i + 1;
    }
  }
  worker.join();
  CHECK(whole);
}

TEST_CASE("spans are merged in a fixed order", "[report]") {
  report::trace t(2, 8);
  t[1].add({.worker = 1, .begin_ns = 5, .end_ns = 6});
  t[0].add({.worker = 0, .begin_ns = 9, .end_ns = 10});
  t[0].add({.worker = 0, .begin_ns = 7, .end_ns = 9});
  auto const spans = t.spans();
  CHECK(spans[0].begin_ns == 7);
  CHECK(spans[1].begin_ns == 9);
  CHECK(spans[2].worker == 1);
  CHECK(report::busy_share(spans, 2) == Approx(4.0 / 10));
  CHECK(report::busy_share({}, 2) == 0);
}

TEST_CASE("the trace file: complete events that do not overlap on a track", "[report]") {
  auto const spans = sample::spans(2, 8);
  auto const json = nlohmann::json::parse(report::trace_json(spans, 3));
  CHECK(json["otherData"]["dropped_spans"] == 3);
  std::map<int, std::vector<std::pair<double, double>>> tracks;
  std::map<int, int> process_of;
  int processes = 0, threads = 0;
  std::size_t events = 0;
  double first = 1e9;
  for (auto const& e : json["traceEvents"]) {
    CHECK(e["pid"].get<int>() > 0);
    CHECK(e["tid"].get<int>() > 0);
    if (e["ph"] == "M") {
      processes += e["name"] == "process_name";
      threads += e["name"] == "thread_name";
      continue;
    }
    REQUIRE(e["ph"] == "X");
    ++events;
    int const tid = e["tid"];
    CHECK(process_of.emplace(tid, e["pid"].get<int>()).first->second == e["pid"].get<int>());
    tracks[tid].emplace_back(e["ts"].get<double>(), e["dur"].get<double>());
    first = std::min(first, e["ts"].get<double>());
    CHECK(e["args"].contains("microbatch"));
    CHECK(e["args"].contains("version"));
  }
  CHECK(first == 0);
  CHECK(events == spans.size());
  CHECK(processes == 2);
  CHECK(threads == 4);
  CHECK(tracks.size() == 4);
  for (auto& [tid, list] : tracks) {
    std::sort(list.begin(), list.end());
    for (std::size_t i = 1; i < list.size(); ++i) CHECK(list[i - 1].first + list[i - 1].second <= list[i].first + 1e-9);
  }
}

TEST_CASE("the trace file has lanes of devices behind those of workers", "[report]") {
  std::vector<report::span> const spans = {
      {.worker = 1, .rank = 1, .stage = 2, .kind = "F", .begin_ns = 10, .end_ns = 20},
      {.worker = 1, .rank = 1, .stage = 2, .lane = 5, .kind = "F", .begin_ns = 15, .end_ns = 40, .device = 0},
      {.worker = 0, .rank = 0, .stage = 1, .lane = 1, .kind = "U", .begin_ns = 30, .end_ns = 50, .device = 1}};
  auto const json = nlohmann::json::parse(report::trace_json(spans));
  std::vector<std::pair<int, std::string>> names;
  std::vector<int> places;
  for (auto const& e : json["traceEvents"]) {
    if (e["ph"] == "X") places.push_back(e["pid"]);
    if (e["name"] == "process_name" || e["name"] == "thread_name") names.emplace_back(e["pid"], e["args"]["name"]);
  }
  CHECK(names == std::vector<std::pair<int, std::string>>{{2, "worker 1"},
                                                          {2, "rank 1, stages 2"},
                                                          {3, "device 0"},
                                                          {3, "unit 5, stage 2"},
                                                          {4, "device 1"},
                                                          {4, "unit 1, stage 1"}});
  CHECK(places == std::vector<int>{2, 3, 4});
}

TEST_CASE("times keep their nanoseconds", "[report]") {
  std::vector<report::span> const spans = {
      {.kind = "F", .begin_ns = 1'700'000'000'000'000'001, .end_ns = 1'700'000'000'000'001'006},
      {.kind = "U", .microbatch = 3, .begin_ns = 1'700'000'000'000'002'000, .end_ns = 1'700'000'000'012'002'000}};
  std::string const text = report::trace_json(spans);
  CHECK(text.find("\"ts\":0.000,\"dur\":1.005") != std::string::npos);
  CHECK(text.find("\"ts\":1.999,\"dur\":12000.000") != std::string::npos);
  CHECK(text.find("\"name\":\"U 3\"") != std::string::npos);
  CHECK(nlohmann::json::parse(report::trace_json({}))["traceEvents"].empty());
}

TEST_CASE("the picture of a trace shows every op in its row", "[report]") {
  auto const spans = sample::schedule(3, 9);
  std::string const text = report::trace_svg(
      spans, {.title = "a < b", .by = report::trace_picture::rows::rank, .unit_ns = 1000, .unit = "slots"});
  auto const d = markup::parse(text);
  INFO(d.problem);
  REQUIRE(d.well_formed);
  CHECK(d.count("title") == static_cast<int>(spans.size()));
  CHECK(d.count("rect", "f0") == 9 + 8 + 7 + 1);                    // F of three ranks and the legend
  CHECK(d.count("rect", "f1") == (9 - 5) + (9 - 4) + (9 - 3) + 1);  // the backward lanes begin after 2S-1-s slots
  CHECK(d.count("rect", "idle") == 6 + 1);
  CHECK(text.find("a &lt; b") != std::string::npos);
  CHECK(text.find("forward, microbatch 0, stage 0, rank 0, version 0, 1 slots") != std::string::npos);
}

TEST_CASE("the picture of a long trace stays small, a window shows a part", "[report]") {
  std::vector<report::span> many;
  for (int i = 0; i < 200'000; ++i)
    many.push_back({.kind = i % 2 == 0 ? "F" : "BW",
                    .microbatch = i,
                    .begin_ns = 100LL * i,
                    .end_ns = 100LL * i + (i % 2 == 0 ? 30 : 90)});
  auto const all = markup::parse(report::trace_svg(many));
  REQUIRE(all.well_formed);
  CHECK(all.count("rect") < 1200);
  CHECK(all.count("rect", "f1") > 900);  // most of the time is backward
  auto const part = markup::parse(report::trace_svg(many, {.begin_ns = 1000, .end_ns = 2000}));
  REQUIRE(part.well_formed);
  CHECK(part.count("title") == 10);
  for (auto const& e : part.elements) {
    if (e.name != "rect" || !e.attributes.contains("x")) continue;
    double const x = std::stod(e.attributes.at("x")), w = std::stod(e.attributes.at("width"));
    CHECK((x >= 0 && x + w <= 1100.001));
  }
  CHECK(markup::parse(report::trace_svg({})).well_formed);
}

TEST_CASE("a full pipeline begins with the first backward of stage 0 and ends with its last forward", "[report]") {
  // Two stages, F right after each other, B two spans later; times in tens of nanoseconds.
  std::vector<report::span> all;
  for (int m = 0; m < 4; ++m)
    for (int stage = 0; stage < 2; ++stage) {
      all.push_back({.worker = stage,
                     .stage = stage,
                     .kind = "F",
                     .microbatch = m,
                     .begin_ns = 40 * m + 10 * stage,
                     .end_ns = 40 * m + 10 * stage + 10});
      all.push_back({.worker = stage,
                     .stage = stage,
                     .kind = "BW",
                     .microbatch = m,
                     .begin_ns = 40 * m + 100 - 10 * stage,
                     .end_ns = 40 * m + 110 - 10 * stage});
    }
  auto const full = report::full_pipeline(all);
  REQUIRE(full.size() == 2);  // BW of 0 and F of 3, both of stage 0
  for (report::span const& s : full) {
    CHECK(s.begin_ns >= 100);
    CHECK(s.end_ns <= 130);
  }
  for (auto& s : all)
    if (s.kind[0] == 'B') s.stage = 1;
  CHECK(report::full_pipeline(all).size() == all.size());
  CHECK(report::full_pipeline({}).empty());
}
