// Which of several devices a worker is on: in turn, or as .ordinals say, and what cannot be is refused.
#include <foal/executor/ordinals.hpp>

#include <catch2/catch.hpp>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

/// Three of the host, which remember what was asked of them.
struct three : device::host {
  static inline std::mutex guard;
  static inline std::vector<int> blocks, made;

  static int count() { return 3; }
  static void* allocate(std::size_t bytes, int ordinal = 0) {
    std::lock_guard const lock(guard);
    blocks.push_back(ordinal);
    return host::allocate(bytes);
  }
  three(void* workspace, std::size_t, int ordinal) : host(workspace) {
    std::lock_guard const lock(guard);
    made.push_back(ordinal);
  }
};
static_assert(device::device<three> && device::has_ordinals<three> && !device::has_ordinals<device::host>);

template <class Device>
using of = trainer<test::mlp<4>, loss::cross_entropy, schedule::gpipe, on<Device>>;

std::string refusal(of<three>::config const& config) {
  try {
    of<three> const t(config);
    return {};
  } catch (error const& e) {
    return e.what();
  }
}

std::string last_note(report::facts const& f) { return f.notes.back(); }

}  // namespace

TEST_CASE("workers are on devices in turn, memory and queue, with the bits of one device") {
  three::blocks.clear();
  three::made.clear();
  of<three> t({.microbatch_size = 2, .workers = 4, .evaluation = false});
  CHECK(three::blocks == std::vector{0, 1, 2, 0});
  CHECK(three::made == three::blocks);
  CHECK(last_note(t.facts()) ==
        "of 3 devices worker 0 is on number 0, worker 1 on number 1, worker 2 on number 2, worker 3 on number 0");
  of<device::host> reference({.microbatch_size = 2, .workers = 1});
  t.run(test::stream{.samples = 2}, {.minibatches = 5});
  reference.run(test::stream{.samples = 2}, {.minibatches = 5});
  CHECK(t.all_weights() == reference.all_weights());
  CHECK(last_note(reference.facts()).find("devices") == std::string::npos);
}

TEST_CASE("workers of several ranks are on devices in turn, or on those that .ordinals name") {
  three::made.clear();
  of<three> const two({.workers = 2, .evaluation = false});
  CHECK(three::made == std::vector{0, 1});
  three::made.clear();
  of<three> const named({.workers = 2, .evaluation = false, .ordinals = {2, 2, 1, 1}});
  CHECK(three::made == std::vector{2, 1});
  CHECK(last_note(named.facts()) == "of 3 devices worker 0 is on number 2, worker 1 on number 1");
}

TEST_CASE("workers of several processes are on devices in turn") {
  of<three> const t({.workers = 1, .evaluation = false});
  auto const ordinals = [&](std::vector<int> const& worker_of, int workers) {
    table::run_values values = t.engine().values();
    values.workers = workers;
    return executor::ordinals_of_workers(t.tables(), values, worker_of);
  };
  using executor::hosted_by;
  CHECK(ordinals({hosted_by(0), hosted_by(0), 0, 0}, 1) == std::vector{1});
  CHECK(ordinals({0, 0, hosted_by(1), hosted_by(1)}, 1) == std::vector{0});
  CHECK(ordinals({hosted_by(0), hosted_by(1), hosted_by(2), 0}, 1) == std::vector{0});
  CHECK(ordinals({hosted_by(0), hosted_by(0), 0, 1}, 2) == std::vector{2, 0});
}

TEST_CASE("ordinals that cannot be are refused with both values") {
  CHECK(refusal({.workers = 4, .ordinals = {0, 1}}).find("4 ranks on devices, because .ordinals has 2 entries") !=
        std::string::npos);
  CHECK(refusal({.workers = 4, .ordinals = {0, 1, 3, 0}}).find("rank 2 on device 3, because there are 3") !=
        std::string::npos);
  CHECK(refusal({.workers = 4, .ordinals = {0, -1, 2, 0}}).find("rank 1 on device -1") != std::string::npos);
  CHECK(refusal({.workers = 2, .ordinals = {0, 1, 2, 2}}).find("rank 0 on device 0 and rank 1 on device 1") !=
        std::string::npos);
  CHECK(refusal({.workers = 2, .ordinals = {0, 0, 2, 2}}).empty());
}
