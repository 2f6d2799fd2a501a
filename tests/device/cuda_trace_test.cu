// What a trace and NVTX's ranges have of a run on the CUDA device, and that they change nothing of it.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/nvtx.hpp>
#include <foal/report/trace_json.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <map>
#include <set>
#include <string>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"
#if defined(FOAL_EMULATED_CUDA)
#include "../support/emulation/nvtx.hpp"
#endif

namespace {

using namespace foal::test;

struct traced_net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::linear<7>, foal::tanh, foal::linear<1>> {
};

struct traced_samples {
  static constexpr int size = 4;
  void inputs(long long m, float* x, float*) const { fill(m, 6, x); }
  void targets(long long m, float* y) const { fill(m + 1000, 1, y); }
  static void fill(long long m, int features, float* x) {
    auto const values = numbers<float>(static_cast<std::size_t>(size * features), static_cast<unsigned>(m));
    std::copy(values.begin(), values.end(), x);
  }
};

constexpr int microbatches = 3, minibatches = 5;

template <class Schedule>
struct traced_run {
  using run = foal::trainer<traced_net, foal::loss::mean_squared_error, Schedule, foal::on<foal::device::cuda>,
                            foal::executor::threads>;

  static std::vector<float> weights(int workers, foal::executor::run_request request) {
    run t({.microbatch_size = traced_samples::size,
           .microbatches = microbatches,
           .workers = workers,
           .lr = {.rate = 0.01},
           .evaluation = false});
    request.minibatches = minibatches;
    REQUIRE_FALSE(t.run(traced_samples{}, request).diverged);
    return t.all_weights();
  }
};

using op_name = std::tuple<int, std::string, long long>;  ///< stage, kind, microbatch

std::set<op_name> names_of(std::vector<foal::report::span> const& spans) {
  std::set<op_name> names;
  for (auto const& s : spans) names.emplace(s.stage, s.kind, s.microbatch);
  CHECK(names.size() == spans.size());
  return names;
}

/// All ops are there; each unit's are in the order of its calls and do not overlap; an F begins behind that before it.
void check_lanes(foal::report::trace const& trace, int workers) {
  auto const calls = trace.spans(), done = trace.device_spans();
  CHECK(trace.dropped() == 0);
  CHECK(names_of(calls) == names_of(done));
  REQUIRE(done.size() == 3U * (2 * microbatches + 1) * minibatches);
  std::map<int, std::vector<op_name>> called, was_done;
  for (auto const& s : calls) called[s.stage].emplace_back(s.stage, s.kind, s.microbatch);
  std::map<int, long long> end;
  std::map<std::pair<int, long long>, long long> forward;
  bool ordered = true;
  for (auto const& s : done) {
    ordered = ordered && s.device == 0 && s.lane == s.stage && s.begin_ns <= s.end_ns;
    ordered = ordered && (end.count(s.lane) == 0 || end[s.lane] <= s.begin_ns);
    end[s.lane] = s.end_ns;
    was_done[s.stage].emplace_back(s.stage, s.kind, s.microbatch);
    if (std::string(s.kind) == "F") forward[{s.stage, s.microbatch}] = s.begin_ns;
  }
  CHECK(ordered);
  CHECK(called == was_done);
  bool behind = true;
  for (auto const& [of, begin] : forward)
    if (of.first > 0) behind = behind && forward.at({of.first - 1, of.second}) <= begin;
  CHECK(behind);
  std::string const json = foal::report::trace_json(trace.all_spans(), trace.dropped());
  CHECK(json.find("\"name\":\"device 0\"") != std::string::npos);
  for (int s = 0; s < 3; ++s)
    CHECK(json.find("\"name\":\"" + foal::sentence("unit ", s, ", stage ", s) + "\"") != std::string::npos);
  CHECK(json.find("\"pid\":" + std::to_string(workers + 1)) != std::string::npos);
}

template <class Schedule>
void check_traces_of() {
  using run = traced_run<Schedule>;
  auto const wanted = run::weights(1, {});
  for (int order = 0; order < orders; ++order)
    for (int const workers : {1, 3}) {
      choose_order(order);
      foal::report::trace trace(workers, 1000);
      CHECK(run::weights(workers, {.traces = &trace}) == wanted);
      check_lanes(trace, workers);
    }
}

}  // namespace

TEST_CASE("a trace has a lane of each unit's stream, and changes no bit", "[cuda]") {
  check_traces_of<foal::schedule::one_f_one_b>();
  check_traces_of<foal::schedule::pipemare>();
}

TEST_CASE("a trace that is full counts what it leaves out on the GPU, too", "[cuda]") {
  foal::report::trace trace(1, 20);
  traced_run<foal::schedule::pipemare>::weights(1, {.traces = &trace});
  long long const all = 2 * 3 * (2 * microbatches + 1) * minibatches;
  CHECK(trace.spans().size() == 20);
  CHECK(trace.device_spans().size() <= 20);
  CHECK(trace.dropped() + static_cast<long long>(trace.all_spans().size()) == all);
}

TEST_CASE("NVTX hears a range of each op, by its name and microbatch", "[cuda]") {
  using run = traced_run<foal::schedule::pipemare>;
  auto const wanted = run::weights(1, {});
  for (int const workers : {1, 3}) {
    foal::nvtx_ranges named(workers == 1 ? 3 : 2);  // one too few, then
    foal::report::trace trace(workers, 1000);
    CHECK(run::weights(workers, {.traces = &trace, .ranges = named.ranges()}) == wanted);
#if defined(FOAL_EMULATED_CUDA)
    std::multiset<std::pair<std::string, long long>> heard, ran;
    for (auto const& r : emulation::take_ranges()) {
      CHECK((r.domain == "foal" && r.depth == 0));
      heard.emplace(r.name, r.payload);
    }
    for (auto const& s : trace.spans())
      ran.emplace(s.stage == 2 && workers == 3 ? "stage beyond" : foal::sentence(s.kind, " stage ", s.stage), s.microbatch);
    CHECK(heard == ran);
    CHECK(emulation::take_ranges().empty());
#endif
  }
}
