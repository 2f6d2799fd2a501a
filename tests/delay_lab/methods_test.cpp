// Variants of the laboratory's methods: what their numbers change, and what they are compared with.
#include "examples/delay_lab/method.hpp"

#include "examples/delay_lab/methods.cpp"

#include <catch2/catch.hpp>
#include <string>
#include <variant>

#include <foal/core/error.hpp>

namespace {

namespace optim = foal::optim;
using Catch::Matchers::Contains;
using slowed_matrices = optim::slowed_by_delay<optim::delay_matched<optim::orthogonal_momentum>>;

}  // namespace

TEST_CASE("A variant is compared with its plain method, by the numbers that count without delay", "[delay_lab]") {
  using delay_lab::method_named;
  CHECK(method_named("muon-slow-rest").plain() == "muon");
  CHECK(method_named("muon:slow=0.25:match=1").plain() == "muon");
  CHECK(method_named("muon-ahead-last:horizon=0.5:match=1:beta1=0.5:window=0.25").plain() == "muon:window=0.25:beta1=0.5");
  CHECK(method_named("muon-against-delay").plain() == "muon:window=0.25:beta1=0.5");
  CHECK(method_named("t1t2:window=0.5").plain() == "momentum:window=0.5");
  CHECK_THROWS_WITH(method_named("adamw:beta1=0.5"), Contains("because it has no such number"));
  CHECK_THROWS_WITH(method_named("muon-matched:match=1"), Contains("because it has no such number"));
  CHECK_THROWS_WITH(method_named("muon:window=0"), Contains("because that is no number of 0.001 to 1"));
}

TEST_CASE("The method that is named in the docs is the variant that was measured", "[delay_lab]") {
  using delay_lab::method;
  method const& named = delay_lab::method_named("muon-against-delay");
  method const& measured =
      delay_lab::method_named("muon-ahead-last:horizon=0.5:fade=0.9:rest=0.5:beta1=0.5:match=2:window=0.25");
  delay_lab::for_each_number([&](char const* name, double method::*number, double, double) {
    INFO(name);
    CHECK(named.*number == measured.*number);
  });
  CHECK(named.rule == measured.rule);
  CHECK(named.answer == measured.answer);
  CHECK(named.short_mean == measured.short_mean);
  CHECK(named.stash == measured.stash);
  CHECK(named.matched == measured.matched);
}

TEST_CASE("Muon's matrices are slowed, and their momentum grows, by the numbers of a variant alone", "[delay_lab]") {
  using delay_lab::method_named, delay_lab::optimizers_of;
  CHECK(std::holds_alternative<optim::orthogonal_momentum>(optimizers_of(method_named("muon")).matrices.chosen));
  auto const both = optimizers_of(method_named("muon:slow=0.25:match=2:momentum=0.9:beta1=0.5"));
  auto const* const m = std::get_if<slowed_matrices>(&both.matrices.chosen);
  REQUIRE(m != nullptr);
  CHECK(m->power == 0.25);
  CHECK(m->base.momentum_at(0) == Approx(0.9));
  CHECK(m->base.momentum_at(4) == Approx(0.9));
  CHECK(m->base.momentum_at(31) == Approx(1 - 1.0 / 62));
  auto const* const rest = std::get_if<optim::adamw>(&both.rest.chosen);
  REQUIRE(rest != nullptr);
  CHECK(rest->beta1 == 0.5);
}
