// What policies say of themselves: every number of every policy that foal has.
#include <foal/report/description.hpp>

#include <foal/layer/initialise.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/clip.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/plateau.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/optim/grouped.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/policy/wire.hpp>
#include <foal/schedule/rules/folded.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

#include <catch2/catch.hpp>

namespace {

using namespace foal;
using report::describe;

struct anything {
  template <class T>
  operator T() const;
};
/// How many members an aggregate has.
template <class T, class... Given>
constexpr std::size_t members() {
  if constexpr (requires { T{Given{}..., anything{}}; })
    return members<T, Given..., anything>();
  else
    return sizeof...(Given);
}

struct counting {
  std::size_t* count;
  template <class V>
  void operator()(char const*, V const&) const {
    ++*count;
  }
};

/// Those that are listed; state: members that are no settings.
template <class T>
void lists_all(std::size_t state = 0) {
  INFO(T::name);
  std::size_t listed = 0;
  T{}.numbers(counting{&listed});
  CHECK(listed + state == members<T>());
  CHECK(describe(T{}).silent.empty());
}

/// A user's policies.
struct silent_policy {
  [[maybe_unused]] static constexpr char const* name = "silent";
  double rate = 0.1;
};
struct empty_policy {};
struct around {
  silent_policy base{};
  std::vector<double> rates{0.5, 0.25};
  template <class F>
  void numbers(F&& f) const {
    f("base", base);
    f("rates", rates);
  }
};

}  // namespace

TEST_CASE("a policy is described by its name and all its numbers, as they read back", "[report]") {
  CHECK(describe(optim::momentum{.momentum = 0.5}).text() == "momentum momentum=0.5 nesterov=false weight_decay=0");
  CHECK(describe(optim::adam{}).text() == "adam beta1=0.9 beta2=0.999 eps=1e-08 weight_decay=0");
  CHECK(describe(lr::reschedule<lr::step>{.base = {.rate = 0.5, .every = 30}, .steps = 7}).text() ==
        "T1 base=step base.rate=0.5 base.every=30 base.factor=0.1 base.warmup=0 steps=7 floor=1");
  CHECK(describe(warmup::synchronous{12}).text() == "T3 minibatches=12");
  CHECK(describe(delay::none{}).text() == "none");
  auto const d = describe(delay::chain<delay::none, delay::discrepancy_correction>{.second = {.exact = true}});
  CHECK(d.text() == "chain first=none second=T2 second.decay=0.1353352832366127 second.exact=true");
  CHECK(d.numbers[2].second == "0.1353352832366127");
}

TEST_CASE("no built-in policy leaves a number out", "[report]") {
  lists_all<clip::per_stage>();
  lists_all<clip::global_norm>();
  lists_all<warmup::synchronous>();
  lists_all<wire::int8>();
  lists_all<delay::discrepancy_correction>();
  lists_all<delay::chain<delay::none, delay::discrepancy_correction>>();
  lists_all<lr::constant>();
  lists_all<lr::step>();
  lists_all<lr::cosine>();
  lists_all<lr::inverse_sqrt>();
  lists_all<lr::plateau<>>(4);
  lists_all<lr::reschedule<lr::step>>();
  lists_all<optim::sgd>();
  lists_all<optim::momentum>();
  lists_all<optim::adam>();
  lists_all<optim::adamw>();
  lists_all<optim::averaged<optim::adam>>();
  lists_all<optim::grouped<optim::adam>>();
  lists_all<loss::cross_entropy>();
  lists_all<initialisation::he>();
  lists_all<schedule::injected>();
  lists_all<schedule::frozen<schedule::pipemare>>();
  lists_all<schedule::folded<schedule::pipemare>>();
  lists_all<schedule::recomputed<schedule::pipemare>>();
}

TEST_CASE("a user's policy that lists no numbers is known by its name, and that is said", "[report]") {
  CHECK(describe(silent_policy{}).text() == "silent, whose numbers are not known, because it lists none");
  CHECK(describe(empty_policy{}).silent.empty());
  auto const d = describe(around{});
  CHECK(d.silent == std::vector<std::string>{"base"});
  CHECK(d.numbers.back().second == "(0.5,0.25)");
  CHECK(d.text().find(", the numbers of its base are not known, because it lists none") != std::string::npos);
}
