// A run that stands still ends, and says where each worker is; one whose ops, callbacks or evaluations are slow goes on.
#include <foal/executor/stall_guard.hpp>

#include <foal/executor/processes.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <thread>

#include "tests/executor/pausing.hpp"
#include "tests/support/child.hpp"
#include "tests/support/rooms.hpp"

namespace {

using namespace foal;
using namespace std::chrono_literals;
using test::child_result;
using test::choice;
using test::pausing;
using test::rooms;
using piece = test::piece<>;
using Catch::Contains;

pausing four_stages(int schedule) { return {{4, schedule, false, 0, 0, 2}, {}, 8, 0}; }

/// What stage 0 sends is lost from the start. For a process that hosts it.
void lose_messages(executor::hosted_phase const& phase) {
  static transport::channel nowhere;
  nowhere.reset();
  for (executor::bound_stage& b : phase.memory.stages())
    if (b.worker >= 0 && b.number == 0) b.wire_out.through = &nowhere;
}
struct losing_threads {
  static constexpr bool threaded = true;
  static void drive(std::span<executor::worker> workers, executor::service const& run) {
    lose_messages(run.phase);
    executor::threads::drive(workers, run);
  }
};

/// Does not come back from the third update of stage 2.
void never_ends(void*, executor::bound_stage const& b) {
  while (b.number == 2 && b.updates == 3) std::this_thread::sleep_for(1ms);
}

std::unique_ptr<piece> piece_on(executor::driver by, pausing const& of, int workers) {
  auto p = std::make_unique<piece>(of, workers, 5, by, [&](int ranks) { return test::shares(ranks, workers); });
  p->also = [](executor::run_request& request) { request.stall_seconds = 0.3; };
  return p;
}

/// One of so many processes, each of so many workers.
void train_one_process(pausing const& of, int processes, int workers, int number,
                       std::function<void(executor::run_request&)> const& also) {
  piece p(of, workers, 5, executor::driver_of<executor::processes_over<rooms>>(), [&](int ranks) {
    std::vector<int> all = test::shares(ranks, processes * workers);
    for (int& w : all) w = w / workers == number ? w % workers : executor::hosted_by(w / workers);
    return all;
  });
  p.also = also;
  test::outcome ignored;
  p.run(ignored, {});
}

}  // namespace

TEST_CASE("workers that wait for what does not come are told of, and the run throws") {
  for (int schedule : {1, 2, 4})
    for (int workers : {2, 4}) {
      INFO("schedule " << schedule << ", " << workers << " workers");
      pausing const of = four_stages(schedule);
      child_result const r = test::in_child([&] {
        test::outcome ignored;
        piece_on(executor::driver_of<losing_threads>(), of, workers)->run(ignored, {});
      });
      INFO(r.text);
      CHECK(r.status == 3);
      CHECK_THAT(r.text,
                 Contains("cannot go on, because no op has been run for") && Contains("(.stall_seconds is 0.3)") &&
                     Contains("foal: worker 0: waits before ") && Contains("foal: worker 1: waits before ") &&
                     Contains("waits before F(stage 1, microbatch 0), after 0 updates of its stage, for message 1 of "
                              "the activations of wire 1, of which 0 have come") &&
                     Contains("foal: activations of wire 1: 0 sent, read before 0, given back before 0"));
    }
}

TEST_CASE("a run that has been given up cannot go on, and another one trains") {
  pausing const of = four_stages(4);
  child_result const r = test::in_child([&] {
    auto const p = piece_on(executor::driver_of<losing_threads>(), of, 4);
    test::outcome ignored;
    try {
      p->run(ignored, {});
    } catch (error const&) {
      auto const other = piece_on(executor::driver_of<executor::threads>(), of, 4);
      if (other->run(ignored, {})) throw error("paused");
      p->run(ignored, {});
    }
  });
  CHECK(r.status == 3);
  CHECK_THAT(r.text, Contains("cannot train on, because this run diverged or was ended by an exception"));
}

TEST_CASE("a worker that does not come back from its op ends the process, and the op is named") {
  for (int workers : {1, 2, 4}) {
    INFO(workers << " workers");
    pausing const of = four_stages(4);
    child_result const r = test::in_child([&] {
      auto const p = piece_on(test::driver(workers > 1), of, workers);
      p->also = [](executor::run_request& request) {
        request.stall_seconds = 0.3;
        request.watch.after_update = never_ends;
      };
      test::outcome ignored;
      p->run(ignored, {});
    });
    INFO(r.text);
    CHECK(r.status == 1);
    int const stuck = workers == 4 ? 2 : workers - 1;
    CHECK_THAT(r.text, Contains(sentence("worker ", stuck, " has been in U(stage 2, microbatch ")) &&
                           Contains(sentence("foal: worker ", stuck, ": has been in U(stage 2, microbatch ")));
    if (workers == 4) CHECK_THAT(r.text, Contains("foal: worker 3: waits before F(stage 3, microbatch "));
  }
}

TEST_CASE("what takes its time beside the training, or less than the limit within it, is no stall") {
  for (int workers : {1, 3}) {
    INFO(workers << " workers");
    pausing const of{{4, 4, false, 0, 0, 2}, {}, 8, 4};
    test::outcome const one = test::in_one_piece(of);
    piece p(of, workers);
    int evaluations = 0, ticks = 0;
    p.also = [&](executor::run_request& request) {
      request.stall_seconds = 0.5;
      request.evaluated = [&](executor::evaluation_result const&) {
        ++evaluations;
        std::this_thread::sleep_for(800ms);
      };
      request.tick = [&](long long) {
        if (++ticks == 1) std::this_thread::sleep_for(800ms);
      };
      request.disturb.between = [](void*, int, long long ops) {
        if (ops % 64 == 0) std::this_thread::sleep_for(250ms);
      };
    };
    test::outcome all;
    CHECK_FALSE(p.run(all, {}));
    CHECK(evaluations == 2);
    CHECK(all == one);
  }
}

TEST_CASE("a limit that is none is refused with a sentence") {
  pausing const of = four_stages(1);
  for (double const seconds : {-1.0, 1e9, std::numeric_limits<double>::quiet_NaN()}) {
    piece p(of, 1);
    p.also = [&](executor::run_request& request) { request.stall_seconds = seconds; };
    test::outcome ignored;
    CHECK_THROWS_WITH(p.run(ignored, {}), Contains("seconds until a run stands still, because .stall_seconds is from 0"));
  }
}

TEST_CASE("of several processes each writes where its workers are, and all end") {
  for (int workers : {1, 2}) {
    INFO(workers << " workers a process");
    pausing const of = four_stages(4);
    child_result const r = test::in_child([&] {
      rooms::with_processes(2, [&](int number) {
        train_one_process(of, 2, workers, number, [](executor::run_request& request) {
          request.stall_seconds = 0.5;
          request.watch.after_update = never_ends;
        });
      });
    });
    INFO(r.text);
    CHECK(r.status != 0);
    CHECK(r.status != 3);
    CHECK_THAT(r.text, Contains("process 0: cannot go on, because no op has been run for") &&
                           Contains("process 1: cannot go on, because no op has been run for") &&
                           Contains("process 0: worker 0: waits before") &&
                           Contains("process 1: worker 0: has been in U(stage 2, microbatch "));
    // With one worker a process the thread that would answer is in the op.
    if (workers == 1) CHECK_THAT(r.text, Contains("process 0: cannot go on") && Contains("process 1 does not answer"));
  }
}

TEST_CASE("several processes with slow callbacks and ops train to the bits of one, with a guard") {
  pausing const of{{4, 4, false, 0, 0, 2}, {}, 8, 4};
  for (int workers : {1, 2}) {
    INFO(workers << " workers a process");
    std::atomic<int> evaluations{0};
    std::size_t const left = rooms::with_processes(2, [&](int number) {
      train_one_process(of, 2, workers, number, [&](executor::run_request& request) {
        request.stall_seconds = 0.5;
        request.evaluated = [&, number](executor::evaluation_result const&) {
          ++evaluations;
          if ((number == 0) == (evaluations > 2)) std::this_thread::sleep_for(2500ms);
        };
        request.disturb.between = [](void*, int, long long ops) {
          if (ops % 64 == 0) std::this_thread::sleep_for(250ms);
        };
      });
    });
    CHECK(left == 0);
    CHECK(evaluations == 4);
  }
}

TEST_CASE("a process that waits for long, while another one works, does not end the run") {
  pausing const of{{4, 1, false, 0, 0, 8}, {}, 1, 0};  // stage 2 and 3 do 16 F's before there is a gradient
  std::size_t const left = rooms::with_processes(2, [&](int number) {
    train_one_process(of, 2, 1, number, [number](executor::run_request& request) {
      request.stall_seconds = 0.5;
      if (number == 1) request.disturb.between = [](void*, int, long long) { std::this_thread::sleep_for(150ms); };
    });
  });
  CHECK(left == 0);
}
