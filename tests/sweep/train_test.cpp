// A sweep's four trainer types against the plain types of each method: T1 with K = 0 and T3 of no minibatches change no bit.
#include "examples/sweep/train.hpp"

#include <catch2/catch.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "examples/sweep/teacher.hpp"

namespace {

struct net : foal::stages<foal::input<16>, foal::linear<12>, foal::tanh,
                          foal::repeat<2, foal::residual<foal::linear<12>, foal::tanh>>, foal::linear<8>> {
  static constexpr double initial_gain = 1;
};

using namespace sweep;

setting with(std::string method) {
  setting s;
  s.net = "test";
  s.data = "teacher";
  s.method = std::move(method);
  for (std::size_t v = 0; v < value_count; ++v) s.number[v] = values[v].usual;
  s.number[epochs] = 4;
  s.number[drop_epoch] = 3;
  s.number[t3_epochs] = 1;
  return s;
}

template <class Trainer>
std::vector<float> weights_after(typename Trainer::config values, task const& data) {
  Trainer t(values);
  t.fit(data.train, {.epochs = 2, .quiet = true});
  return t.all_weights();
}

template <class Plain, class Swept>
void same_bits(std::string const& method, task const& data) {
  auto const swept = config_of<Swept>(with(method), data.train.size());
  typename Plain::config plain;
  plain.microbatch_size = swept.microbatch_size;
  plain.microbatches = swept.microbatches;
  plain.seed = swept.seed;
  plain.initial.gain = swept.initial.gain;
  plain.optim = swept.optim;
  if constexpr (requires { plain.lr.base; })
    plain.lr = swept.lr;
  else
    plain.lr = swept.lr.base;
  if constexpr (requires { plain.delay.decay; }) plain.delay = swept.delay;
  INFO(method);
  CHECK(weights_after<Plain>(plain, data) == weights_after<Swept>(swept, data));
}

}  // namespace

TEST_CASE("types with unused policies train to the same bits as types without them") {
  task const data = teacher{}.make(32);
  using t = trainers<net>;
  using foal::delay::discrepancy_correction;
  using step = foal::lr::step;
  using foal::schedule::pipemare;
  same_bits<run<net, pipemare, step>, t::live>("none", data);
  same_bits<run<net, pipemare, foal::lr::reschedule<step>>, t::live>("t1", data);
  same_bits<run<net, pipemare, step, discrepancy_correction>, t::corrected>("t2", data);
  same_bits<run<net, pipemare, step, foal::versions::stash>, t::stash>("pipedream", data);
}

TEST_CASE("the methods differ, and each is what its name says") {
  task const data = teacher{}.make(32);
  std::vector<std::vector<double>> losses;
  for (method const& m : methods) {
    setting s = with(m.name);
    s.number[rate] = 0.05;
    outcome const o = train<net>(s, data);
    CHECK(o.accuracy.size() == (m.only_warmup ? 1U : 4U));
    CHECK(o.diverged_at == -1);
    CHECK((o.max_tau > 0) == m.asynchronous);
    for (auto const& other : losses) CHECK(o.train_loss != other);
    losses.push_back(o.train_loss);
  }
}

TEST_CASE("T1's K in epochs, and all asynchronous updates by default") {
  using live = trainers<net>::live;
  setting s = with("t1t3");
  s.number[epochs] = 6;
  CHECK(config_of<live>(s, 320).lr.steps == 50);  // 10 updates an epoch, one epoch of them synchronous
  CHECK(config_of<live>(s, 320).warmup.minibatches == 10);
  s.number[t1_epochs] = 2;
  CHECK(config_of<live>(s, 320).lr.steps == 20);
  s.method = "t3";
  CHECK(config_of<live>(s, 320).lr.steps == 0);
}

TEST_CASE("a run that diverges says where") {
  setting s = with("none");
  s.number[rate] = 1e37;
  outcome const o = train<net>(s, teacher{}.make(32));
  CHECK(o.diverged_at >= 0);
  CHECK(o.divergence.find("not finite") != std::string::npos);
}
