// What has gone through the channels of a phase is told of each: wires, replicas, tied weights.
#include <foal/executor/awaited.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/foal.hpp>

namespace {

using namespace foal;

struct shared;
struct net : stages<input<4>, tied<shared, linear<4>>, foal::tanh, linear<4>, tied<shared, linear<4>>> {};
using run = trainer<net, loss::mean_squared_error, schedule::one_f_one_b, optim::sgd>;

struct samples {
  void inputs(long long m, float* x, float*) const { std::fill(x, x + 8, static_cast<float>(m % 5)); }
  void targets(long long, float* t) const { std::fill(t, t + 8, 0.5F); }
};

bool has(std::vector<std::string> const& lines, std::string const& line) {
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

}  // namespace

TEST_CASE("what replicas have exchanged is told by replica") {
  run t({.microbatch_size = 2, .microbatches = 4, .replicas = 2});
  executor::run_request request;
  request.minibatches = 3;
  t.run(samples{}, request);
  auto const lines = executor::counts_of_channels(t.engine().stages());
  for (int s = 0; s < 2; ++s)
    for (int k = 0; k < 2; ++k)
      for (char const* what : {"parts", "sums"}) {
        std::string const name = sentence(what, " of stage ", s, ", replica ", 1 - k, " to ", k, ": 3 sent");
        INFO(name);
        CHECK(std::count_if(lines.begin(), lines.end(), [&](std::string const& l) { return l.starts_with(name); }) == 1);
      }
  CHECK(has(lines, "activations of wire 1, replica 1: 6 sent, read before 0, given back before 6"));
}

TEST_CASE("of weights tied to a stage of another process both channels are told at either end, and none within one") {
  run const t({.microbatch_size = 2, .microbatches = 4});
  auto const lines_of = [&](std::vector<int> workers) {
    executor::run_memory const memory(t.tables(), t.engine().values(), std::move(workers));
    return executor::counts_of_channels(memory.stages());
  };
  std::string const none = ": 0 sent, read before 0, given back before 0";
  for (bool const home : {true, false}) {
    auto const lines = home ? lines_of({0, executor::hosted_by(1)}) : lines_of({executor::hosted_by(1), 0});
    std::string const layer = home ? "0.linear." : "3.linear.",
                      end = sentence(" of stage ", home ? 0 : 1, ", which is tied", none);
    CHECK(has(lines, "versions of " + layer + "weight" + end));
    CHECK(has(lines, "gradients of " + layer + "weight" + end));
    CHECK(has(lines, "versions of " + layer + "bias" + end));
  }
  for (std::string const& line : lines_of({0, 0})) CHECK(line.find("tied") == line.npos);
}
