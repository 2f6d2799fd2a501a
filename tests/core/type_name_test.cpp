#include <foal/core/type_name.hpp>

#include <catch2/catch.hpp>

namespace naming {

struct net {};
template <class T>
struct holder {};

}  // namespace naming

namespace foal::naming {

struct one {};
template <class A, class B>
struct pair {};

}  // namespace foal::naming

namespace {

struct unseen {};

}  // namespace

TEST_CASE("Types have the names that their users gave them", "[core]") {
  CHECK(foal::type_name<naming::net>() == "naming::net");
  CHECK(foal::type_name<unseen>() == "unseen");
  CHECK(foal::type_name<int>() == "int");
  CHECK(foal::type_name<naming::holder<naming::net>>().find("holder<naming::net>") != std::string_view::npos);
  CHECK(foal::portable_type_name<foal::naming::pair<foal::naming::one, foal::naming::pair<foal::naming::one, int>>>() ==
        "naming::pair<naming::one,naming::pair<naming::one,int>>");
  CHECK(foal::type_name<naming::net>() != foal::type_name<naming::holder<naming::net>>());
}
