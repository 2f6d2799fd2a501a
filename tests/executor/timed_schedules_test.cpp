// Every schedule of the catalogue on device::timed, a worker a rank: all its ops run, each as long as asked for, and the
// whole no faster than its replay, which nothing that waits for its inputs can be.
#include <foal/device/timed.hpp>
#include <foal/lower/wait.hpp>

#include <catch2/catch.hpp>

#include "examples/schedules/catalogue.hpp"
#include "tests/executor/support.hpp"

namespace {

using namespace foal;

template <int Stages>
struct small : stages<input<test::mlp_classes>, repeat<Stages, linear<test::mlp_classes>>> {};

/// Every op reads the version that a table gives.
struct as_given {
  using role = foal::role::versions;
  static constexpr char const* name = "as_given";
  schedule::version_reads reads{};

  schedule::version_read read(schedule::version_table const&, int stage, int j) const { return reads.at(stage, j); }
};

struct nothing {
  void inputs(long long, float*, float*) const {}
  void targets(long long, std::int32_t*) const {}
};

/// The spans of a run on one worker a rank.
template <int Stages>
std::vector<report::span> trained(schedule::program program, schedule::version_reads const& reads, int minibatches,
                                  device::timed::times const& times) {
  schedule::program_view const v = program.view();
  schedule::extent const e = v.size;
  table::run_tables t =
      test::lowered<small<Stages>, device::timed>({Stages, Stages, 1}, lower::detail::splits_weight_gradient(v));
  table::check_runnable(v, "test");
  auto const ops = v.ops.size();
  t.ranks = e.ranks;
  t.segments = e.segments;
  t.replicas = e.replicas;
  t.rank_of = schedule::ranks_of(v);
  t.phases.clear();
  t.phases.push_back(lower::detail::make_phase("test", std::move(program), as_given{reads}));
  lower::let_wait<device::timed>(t, times);
  executor::engine engine(t, {1, e.microbatches, e.ranks, 5, false, 64, false}, test::driver(true),
                          test::shares(e.ranks, e.ranks));
  report::trace trace(e.ranks, ops * static_cast<std::size_t>(minibatches));
  nothing const data;
  executor::run_request request;
  request.minibatches = minibatches;
  request.source = executor::source_of<float, std::int32_t>(data);
  request.traces = &trace;
  engine.run(request, 0);
  CHECK(trace.dropped() == 0);
  return trace.spans();
}

std::vector<report::span> trained_on(schedule::program const& p, schedule::version_reads const& reads, int minibatches,
                                     device::timed::times const& times) {
  return p.size().stages == 8 ? trained<8>(p, reads, minibatches, times) : trained<4>(p, reads, minibatches, times);
}

}  // namespace

TEST_CASE("No schedule runs faster than its replay, whose ops a run has, each as long as asked for", "[executor]") {
  constexpr device::timed::times times{.forward_ms = 0.3, .backward_ms = 0.2, .weight_ms = 0.1, .update_ms = 0.05};
  schedule::costs const cost{.forward = times.forward_ms,
                             .backward = times.backward_ms,
                             .weight = times.weight_ms,
                             .update = times.update_ms,
                             .side_by_side = false};
  for (schedules::entry const& e : schedules::catalogue()) {
    if (!e.compared) continue;
    schedule::program p = e.build({.ranks = 4, .microbatches = 8});
    int const minibatches = 2 * 8 / p.size().microbatches;
    schedule::timing const t = schedule::replay(p.view(), cost, minibatches);
    std::size_t expected = 0;
    for (auto const& events : t.events) expected += events.size();
    std::vector<report::span> const spans = trained_on(p, e.reads(p.view()), minibatches, times);
    INFO(e.name);
    CHECK(spans.size() == expected);
    long long first = spans.front().begin_ns, last = 0;
    std::size_t shorter = 0;
    for (report::span const& s : spans) {
      first = std::min(first, s.begin_ns), last = std::max(last, s.end_ns);
      std::string const kind = s.kind;
      double const asked = kind == "F" || kind == "R" ? 0.3 : kind == "B" ? 0.2 : kind == "W" ? 0.1 : kind == "BW" ? 0.3 : 0;
      if (static_cast<double>(s.end_ns - s.begin_ns) * 1e-6 < asked - 1e-6) ++shorter;
    }
    CHECK(shorter == 0);
    CHECK(static_cast<double>(last - first) * 1e-6 >= t.makespan - 1e-3);
  }
}
