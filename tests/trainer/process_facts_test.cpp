// What processes say that they hold and send is what their memories have and their channels bring.
#include <foal/executor/open_sums.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/replica/delayed.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>

#include <algorithm>
#include <catch2/catch.hpp>

namespace {

using namespace foal;

struct outer;

/// A skip passes two borders, and stages have different sizes.
struct net
    : stages<input<5>, linear<32>, save<outer>, linear<8>, foal::tanh, linear<16>, linear<32>, add<outer>, linear<3>> {};

struct shared;

/// Two stages borrow what a third one has.
struct tied_net : stages<input<5>, linear<8>, tied<shared, linear<8>>, foal::tanh, linear<8>, tied<shared, linear<8>>,
                         linear<8>, tied<shared, linear<8>>, linear<3>> {};
static_assert(stage_count<net> == 5 && stage_count<tied_net> == 5);

template <class Net, class Schedule, class... Policies>
void check(std::vector<int> const& process_of, int replicas = 1) {
  trainer<Net, loss::cross_entropy, Schedule, optim::momentum, Policies...> const t(
      {.microbatch_size = 4, .microbatches = 3 * replicas, .replicas = replicas});
  table::run_tables const& tables = t.tables();
  REQUIRE(static_cast<std::size_t>(tables.ranks) == process_of.size());
  int const count = process_of.back() + 1;
  std::vector<std::vector<int>> workers;
  for (int p = 0; p < count; ++p) {
    workers.emplace_back();
    for (int const at : process_of) workers.back().push_back(at == p ? 0 : executor::hosted_by(at));
  }
  report::facts f = t.facts();
  CHECK(f.process.empty());
  table::run_values v = t.engine().values();
  v.workers = 1;
  executor::add_processes(f, tables, v, workers);
  REQUIRE(f.process.size() == static_cast<std::size_t>(count));
  std::size_t ends = 0;
  schedule::program program = tables.phases.back().program;
  for (int p = 0; p < count; ++p) {
    INFO("process " << p);
    report::process_facts const& told = f.process[static_cast<std::size_t>(p)];
    executor::run_memory memory(tables, v, workers[static_cast<std::size_t>(p)]);
    memory.reset_phase(tables.phases.back());
    CHECK(told.bytes == static_cast<long long>(memory.plan().bytes()));
    std::vector<int> hosted;
    for (executor::bound_stage const& b : memory.stages())
      if (b.worker >= 0) hosted.push_back(b.number);
    std::sort(hosted.begin(), hosted.end());
    hosted.erase(std::unique(hosted.begin(), hosted.end()), hosted.end());
    CHECK(told.stages == hosted);
    constexpr long long minibatches = 7;
    long long sent = 0, received = 0;
    auto open = executor::open_channels(memory, program.view(), minibatches);
    executor::gradient_norm norm;
    norm.begin(memory.stages(), tables.stages.size());
    if (program.view().global_norm)
      for (auto& c : executor::norm_channels(memory, norm, {p, count}, minibatches)) open.push_back(std::move(c));
    for (auto& c : executor::open_sums(memory, tables, program.view(), minibatches)) open.push_back(std::move(c));
    for (executor::open_channel const& c : open) {
      long long bytes = 0;
      for (transport::entry_slots const& e : c.end.entries) bytes += static_cast<long long>(e.bytes);
      (c.end.sends ? sent : received) += bytes * c.end.order.count();
      ++ends;
    }
    for (report::channel_facts const& c : f.channel) {
      if (c.from == p) sent -= c.bytes * c.messages * minibatches;
      if (c.to == p) received -= c.bytes * c.messages * minibatches;
    }
    CHECK(sent == 0);
    CHECK(received == 0);
  }
  CHECK(ends == 2 * f.channel.size());
  CHECK_THAT(f.text(), Catch::Contains("process") && Catch::Contains("receives"));
  CHECK_THAT(f.json(), Catch::Contains("\"" + f.channel.front().what + "\""));
  if (replicas == 1) CHECK_THAT(f.channel.front().what, Catch::StartsWith("activations over wire "));
}

}  // namespace

TEST_CASE("Every process knows what each of them holds, and the bytes that it sends and receives") {
  check<net, schedule::gpipe>({0, 0, 1, 1, 2});
  check<net, schedule::gpipe, clip::global_norm>({0, 1, 1, 2, 2});
  check<net, schedule::pipemare>({0, 1, 1, 1, 2});
  check<net, schedule::recomputed<schedule::pipemare>>({0, 0, 0, 1, 1});
  check<tied_net, schedule::pipemare>({0, 0, 1, 1, 2});
  check<tied_net, schedule::gpipe>({0, 1, 1, 2, 2});
}

TEST_CASE("What replicas in several processes exchange is part of what they send and receive") {
  check<net, schedule::one_f_one_b>({0, 0, 0, 0, 0, 1, 1, 1, 1, 1}, 2);
  check<net, schedule::pipemare>({0, 0, 0, 1, 1, 1, 1, 2, 2, 3}, 2);
  check<net, schedule::gpipe, clip::global_norm>({0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3}, 3);
  check<net, schedule::one_f_one_b, replica::delayed>({0, 0, 0, 0, 0, 0, 0, 1, 1, 1}, 2);
}
