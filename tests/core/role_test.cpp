#include <foal/core/role.hpp>

#include <catch2/catch.hpp>

namespace {

struct first {
  using role = foal::role::optimizer;
};
struct second {
  using role = foal::role::delay;
};
struct third {
  using role = foal::role::optimizer;
};
struct none {};

}  // namespace

TEST_CASE("Policies are found by role, in any order, with a default", "[core]") {
  using foal::find_role;
  STATIC_REQUIRE(std::is_same_v<find_role<foal::role::delay, none, first, second>, second>);
  STATIC_REQUIRE(std::is_same_v<find_role<foal::role::delay, none, second, first>, second>);
  STATIC_REQUIRE(std::is_same_v<find_role<foal::role::clip, none, second, first>, none>);
  STATIC_REQUIRE(std::is_same_v<find_role<foal::role::clip, none>, none>);
  STATIC_REQUIRE(std::is_same_v<find_role<foal::role::scalar, foal::scalar<float>, foal::scalar<double>>::type, double>);
}

TEST_CASE("All policies of a role are found, those without a role never", "[core]") {
  STATIC_REQUIRE(
      std::is_same_v<foal::with_role<foal::role::optimizer, first, none, second, third>, foal::type_list<first, third>>);
  STATIC_REQUIRE(std::is_same_v<foal::with_role<foal::role::loss, first, none>, foal::type_list<>>);
  STATIC_REQUIRE(foal::has_role<first>);
  STATIC_REQUIRE(!foal::has_role<none>);
}
