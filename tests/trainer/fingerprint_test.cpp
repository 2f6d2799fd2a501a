// The fingerprint of a run: any number of any policy changes it, and the first difference is named.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>
#include <functional>
#include <set>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

using run = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, optim::adam, lr::reschedule<lr::step>,
                    delay::discrepancy_correction, clip::per_stage, warmup::synchronous, initialisation::he>;

report::fingerprint changed(std::function<void(run::config&)> const& change) {
  run::config c{.microbatches = 2, .warmup = {.minibatches = 3}};
  change(c);
  return run(std::move(c)).fingerprint();
}

/// Has a number and lists none.
struct silent {
  using role = foal::role::delay;
  static constexpr char const* name = "silent";
  static constexpr int states = 0;
  double memory = 0.9;

  template <class S>
  struct half {
    S operator()(S g, S) const { return g / 2; }
  };
  template <class S>
  half<S> gradient(delay::moment) const {
    return {};
  }
};

struct looking {
  using role = foal::role::hook;
  template <class View>
  void after_update(View const&) {}
};

}  // namespace

TEST_CASE("any number of any policy changes the fingerprint, and is named with both values", "[trainer]") {
  report::fingerprint const plain = changed([](auto&) {});
  CHECK(report::difference(plain, changed([](auto&) {})).empty());
  std::set<std::uint64_t> digests{plain.digest()};
  struct change {
    std::function<void(run::config&)> how;
    char const* named;
  };
  for (change const& c : {
           change{[](auto& v) { v.microbatches = 3; }, "microbatches is 2 here and 3 there"},
           {[](auto& v) { v.microbatch_size = 4; }, "microbatch_size is 8 here and 4 there"},
           {[](auto& v) { v.seed = 2; }, "seed is 1 here and 2 there"},
           {[](auto& v) { v.ranks = 1; }, "ranks is 2 here and 1 there"},
           {[](auto& v) { v.loss.label_smoothing = 0.5F; }, "loss.label_smoothing is 0 here and 0.5 there"},
           {[](auto& v) { v.optim.beta1 = 0.95; }, "optimizer.beta1 is 0.9 here and 0.95 there"},
           {[](auto& v) { v.optim.beta2 = 0.5; }, "optimizer.beta2"},
           {[](auto& v) { v.optim.eps = 2e-8; }, "optimizer.eps is 1e-08 here and 2e-08 there"},
           {[](auto& v) { v.optim.weight_decay = 0x1p-60; }, "optimizer.weight_decay"},
           {[](auto& v) { v.lr.base.rate = 0.02; }, "learning rate.base.rate"},
           {[](auto& v) { v.lr.base.every = 7; }, "learning rate.base.every"},
           {[](auto& v) { v.lr.base.factor = 0.5; }, "learning rate.base.factor"},
           {[](auto& v) { v.lr.base.warmup = 7; }, "learning rate.base.warmup"},
           {[](auto& v) { v.lr.steps = 7; }, "learning rate.steps"},
           {[](auto& v) { v.lr.floor = 0; }, "learning rate.floor"},
           {[](auto& v) { v.delay.decay = 0.5; }, "delay.decay"},
           {[](auto& v) { v.delay.exact = true; }, "delay.exact is false here and true there"},
           {[](auto& v) { v.warmup.minibatches = 4; }, "warm-up.minibatches is 3 here and 4 there"},
           {[](auto& v) { v.clip.norm = 2; }, "clipping.norm is 1 here and 2 there"},
           {[](auto& v) { v.initial.gain = 1; }, "initialisation.gain"},
       }) {
    report::fingerprint const other = changed(c.how);
    CHECK_THAT(report::difference(plain, other), Catch::StartsWith(c.named));
    CHECK(digests.insert(other.digest()).second);
    CHECK_THROWS_WITH(
        report::require_same(plain, other, "train together"),
        Catch::StartsWith("cannot train together, because the runs are not the same: ") && Catch::Contains(c.named));
  }
}

TEST_CASE("workers and what is looked at beside are no part of it, model, schedule, policies and scalar are", "[trainer]") {
  using plain = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare>;
  report::fingerprint const one = plain({}).fingerprint();
  CHECK(one == plain({.workers = 2, .evaluation = false, .pin = true}).fingerprint());
  using other_model = trainer<test::mlp<3>, loss::cross_entropy, schedule::pipemare>;
  using other_schedule = trainer<test::mlp<2>, loss::cross_entropy, schedule::gpipe>;
  using other_policy = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, optim::adam>;
  using other_scalar = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, scalar<double>>;
  using other_versions = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, versions::stash>;
  CHECK_THAT(report::difference(one, other_model({}).fingerprint()), Catch::StartsWith("model is "));
  CHECK_THAT(report::difference(one, other_schedule({}).fingerprint()), Catch::StartsWith("schedule is "));
  CHECK_THAT(report::difference(one, other_policy({}).fingerprint()),
             Catch::StartsWith("optimizer is ") && Catch::Contains("adam there"));
  CHECK_THAT(report::difference(one, other_scalar({}).fingerprint()), Catch::StartsWith("scalar is "));
  CHECK_THAT(report::difference(one, other_versions({}).fingerprint()), Catch::StartsWith("versions is "));
}

TEST_CASE("executor and hook are no part of it, as the bits do not depend on them", "[trainer]") {
  using threaded = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare>;
  using alone = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, executor::single_thread>;
  using watched = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, looking>;
  report::fingerprint const one = threaded({}).fingerprint();
  CHECK(one == alone({}).fingerprint());
  CHECK(one == watched({}).fingerprint());
}

TEST_CASE("a policy that does not list its numbers is not known to be the same", "[trainer]") {
  using quiet = trainer<test::mlp<2>, loss::cross_entropy, schedule::pipemare, silent>;
  report::fingerprint const one = quiet({.delay = {.memory = 0.9}}).fingerprint(),
                            other = quiet({.delay = {.memory = 0.5}}).fingerprint();
  CHECK(one.unknown == std::vector<std::string>{"delay"});
  CHECK_FALSE(one == other);
  CHECK_THROWS_WITH(report::require_same(one, other, "train together"),
                    Catch::Contains("cannot train together, because nothing says whether the runs are the same") &&
                        Catch::Contains("the policy of 'delay' has numbers and lists none"));
}

TEST_CASE("programs of equal lists in other slots, lanes or periods are others", "[trainer]") {
  schedule::program const timed = schedule::generate(schedule::pipemare{}, {2, 2, 2});
  schedule::program later = timed, longer = timed, beside = timed;
  ++later.list(1).back().slot;
  ++beside.list(1).back().lane;
  longer.period(timed.period() + 1);
  std::set<std::string> digests;
  for (schedule::program const& p : {timed, later, beside, longer}) CHECK(digests.insert(executor::digest_of(p)).second);
}

TEST_CASE("a fingerprint comes whole out of a text, and a text that is cut is refused", "[trainer]") {
  report::fingerprint const sent{.items = {{"model", "net"}, {"label", ""}, {"rate", "0.1"}}, .unknown = {"delay", "hook"}};
  std::string const text = report::packed(sent);
  report::fingerprint const got = report::unpacked(text);
  CHECK(got.items == sent.items);
  CHECK(got.unknown == sent.unknown);
  CHECK(report::packed({}) == report::packed(report::unpacked(report::packed({}))));
  CHECK_THROWS_WITH(report::unpacked(text.substr(0, 7)), Catch::Contains("cannot read a fingerprint"));
}

TEST_CASE("no two items of a fingerprint have one name, which would hide a difference or invent one") {
  std::set<std::string> names;
  for (auto const& [name, value] : changed([](run::config&) {}).items) {
    INFO(name);
    CHECK(names.insert(name).second);
  }
}
