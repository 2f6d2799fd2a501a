// Spans and ranges of ops: those of the calls, and those of what a device did whose ops are done later.
#include <catch2/catch.hpp>

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/trainer.hpp>

#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct watched_net
    : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, linear<8>, foal::tanh, linear<test::mlp_classes>> {};

constexpr int watched_microbatches = 2, watched_minibatches = 6;
constexpr std::size_t watched_ops = 3U * (2 * watched_microbatches + 1) * watched_minibatches;

template <class Device>
std::vector<float> watched_weights(int workers, executor::run_request request) {
  trainer<watched_net, loss::cross_entropy, schedule::async_1f1b, on<Device>, executor::threads> t(
      {.microbatch_size = 2, .microbatches = watched_microbatches, .workers = workers, .evaluation = false});
  request.minibatches = watched_minibatches;
  REQUIRE_FALSE(t.run(test::stream{.features = test::mlp_inputs, .samples = 2}, request).diverged);
  return t.all_weights();
}

using op_name = std::tuple<std::string, int, long long>;

/// Who hears ranges: what has begun and ended.
struct range_hearer {
  std::mutex guard;
  std::multiset<op_name> begun;
  int open = 0, ended = 0;

  executor::op_ranges ranges() {
    return {this,
            [](void* self, schedule::op_kind kind, int stage, int, long long microbatch) {
              auto& r = *static_cast<range_hearer*>(self);
              std::lock_guard const lock(r.guard);
              r.begun.emplace(schedule::name(kind), stage, microbatch);
              ++r.open;
            },
            [](void* self) {
              auto& r = *static_cast<range_hearer*>(self);
              std::lock_guard const lock(r.guard);
              --r.open, ++r.ended;
            }};
  }
};

/// An event that counts its records, and the device it is of.
struct counted_event {
  int records = 0;
  static inline std::vector<counted_event*> all;

  static table::device_functions device() {
    table::device_functions d;
    d.make_timed_event = []() -> void* { return all.emplace_back(new counted_event); };
    d.destroy_timed_event = [](void* e) { delete static_cast<counted_event*>(e); };
    d.record = [](void*, void* e) { ++static_cast<counted_event*>(e)->records; };
    d.done = [](void const*) { return true; };
    d.finish = [](void const*) {};
    d.milliseconds = [](void const*, void const*) { return 0.0; };
    return d;
  }
};

std::multiset<op_name> watched_names(std::vector<report::span> const& spans) {
  std::multiset<op_name> names;
  for (auto const& s : spans) names.emplace(s.kind, s.stage, s.microbatch);
  return names;
}

}  // namespace

TEST_CASE("a trace has what the queues of a deferred device did, beside the calls", "[executor]") {
  auto const wanted = watched_weights<device::host>(1, {});
  for (int const workers : {1, 3}) {
    test::deferred::delays = static_cast<unsigned>(workers);
    report::trace trace(workers, 1000);
    range_hearer heard;
    CHECK(watched_weights<test::deferred>(workers, {.traces = &trace, .ranges = heard.ranges()}) == wanted);
    test::deferred::delays = 0;
    CHECK(trace.dropped() == 0);
    CHECK(trace.spans().size() == watched_ops);
    CHECK(watched_names(trace.device_spans()) == watched_names(trace.spans()));
    CHECK((heard.begun == watched_names(trace.spans()) && heard.open == 0));
    std::map<int, long long> end;
    for (auto const& s : trace.device_spans()) {
      CHECK((s.device == 0 && s.lane == s.stage && s.begin_ns <= s.end_ns));
      CHECK((end.count(s.lane) == 0 || end[s.lane] <= s.begin_ns));
      end[s.lane] = s.end_ns;
    }
    // The device's times are those of the calls' clock: what a call has asked for begins no sooner than the call.
    std::map<op_name, long long> called;
    for (auto const& s : trace.spans()) called[{s.kind, s.stage, s.microbatch}] = s.begin_ns;
    for (auto const& s : trace.device_spans()) CHECK(s.begin_ns + 1 >= called.at({s.kind, s.stage, s.microbatch}));
  }
}

TEST_CASE("a device that is done with its ops when it returns has no lanes, and its ranges are heard", "[executor]") {
  auto const wanted = watched_weights<device::host>(1, {});
  range_hearer heard;
  CHECK(watched_weights<device::host>(2, {.ranges = heard.ranges()}) == wanted);
  CHECK((heard.begun.size() == watched_ops && heard.ended == static_cast<int>(watched_ops)));
  report::trace trace(2, 1000);
  CHECK(watched_weights<device::host>(2, {.traces = &trace}) == wanted);
  CHECK(trace.spans().size() == watched_ops);
  CHECK(trace.device_spans().empty());
}

TEST_CASE("a lane with few places leaves out what it cannot keep, and waits for nothing", "[executor]") {
  auto const wanted = watched_weights<device::host>(1, {});
  test::deferred::delays = 2;
  report::trace trace(3, 4);
  CHECK(watched_weights<test::deferred>(3, {.traces = &trace}) == wanted);
  test::deferred::delays = 0;
  CHECK(trace.device_spans().size() <= 12);
  CHECK(trace.all_spans().size() + static_cast<std::size_t>(trace.dropped()) == 2 * watched_ops);
}

TEST_CASE("a lane's events are recorded when it is made, so that none is made by its device in a run", "[executor]") {
  counted_event::all.clear();
  auto const d = counted_event::device();
  int queue = 0;
  executor::device_origin const origin(d, &queue);
  report::trace trace(1, 3);
  executor::device_lane lane(d, &queue, origin, 0, trace.device_lanes(0), trace.capacity());
  REQUIRE(counted_event::all.size() == 7);
  for (auto const* e : counted_event::all) CHECK(e->records == 1);
  lane.hear();
  CHECK(trace.device_spans().empty());  // those are no ops
  executor::bound_stage b;
  b.device = &queue;
  lane.begin(b);
  lane.end(b, {});
  lane.hear();
  CHECK(trace.device_spans().size() == 1);
  CHECK(counted_event::all.size() == 7);
}
