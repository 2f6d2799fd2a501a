// What policies have come to know goes into a list of texts and comes back as it was.
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/none.hpp>
#include <foal/policy/lr/plateau.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/state.hpp>

#include <catch2/catch.hpp>
#include <limits>

namespace {

using namespace foal;

struct counting {
  static constexpr char const* name = "counting";
  bool met = false;
  float half = 0.1F;
  long long seen = 0;
  template <class F>
  constexpr void state(F&& f) {
    f("met", met);
    f("half", half);
    f("seen", seen);
  }
};

static_assert(has_state<lr::plateau<>> && has_state<lr::reschedule<lr::plateau<>>> && has_state<counting>);
static_assert(!has_state<lr::constant> && !has_state<optim::momentum>);

}  // namespace

TEST_CASE("what a policy knows is read back to the bit, within others too", "[state]") {
  lr::reschedule<lr::plateau<>> told{.base = {.base = {.rate = 0.3}, .factor = 0.3, .patience = 1}}, other = told;
  policy_state begun;
  save_state(begun, "lr", told);
  CHECK(begun.front() == std::pair<std::string, std::string>("lr.base.scale", "1"));
  for (double const loss : {1.0, 1.0, 0.7, 0.9, 0.9, 0.9}) told.base.observe(loss);
  policy_state known;
  save_state(known, "lr", told);
  std::size_t at = 0;
  load_state(known, at, "lr", other);
  CHECK(at == known.size());
  CHECK(other.base.scale == told.base.scale);
  CHECK(other.base.scale != 1);
  CHECK(other.base.best == told.base.best);
  CHECK(other.base.bad == told.base.bad);
  load_state(begun, at = 0, "lr", other);
  CHECK(other.base.best == std::numeric_limits<double>::infinity());

  counting const most{true, 0.1F + 1e-7F, std::numeric_limits<long long>::max()};
  counting from = most, to;
  policy_state counted;
  save_state(counted, "c", from);
  load_state(counted, at = 0, "c", to);
  CHECK((to.met && to.half == most.half && to.seen == most.seen));

  optim::momentum nothing;
  policy_state none;
  save_state(none, "optimizer", nothing);
  CHECK(none.empty());
}

TEST_CASE("a list that is not a policy's is refused by the name that is not there", "[state]") {
  lr::plateau<> p;
  auto const refused = [&p](policy_state const& from, char const* why) {
    std::size_t at = 0;
    CHECK_THROWS_WITH(load_state(from, at, "lr", p), Catch::Contains(why));
  };
  refused({}, "'lr.scale' of the policies is expected where it has no more");
  refused({{"lr.best", "1"}}, "'lr.scale' of the policies is expected where it has 'lr.best'");
  refused({{"lr.scale", "1x"}}, "'1x' of 'lr.scale' is no number");
  refused({{"lr.scale", ""}}, "'' of 'lr.scale' is no number");
  refused({{"lr.scale", "1"}, {"lr.best", "1"}, {"lr.bad", "0.5"}}, "'0.5' of 'lr.bad' is no number");
}
