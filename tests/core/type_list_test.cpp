#include <foal/core/type_list.hpp>

#include <catch2/catch.hpp>

namespace {

template <std::size_t I>
struct numbered {};

template <class Indices>
struct many;
template <std::size_t... I>
struct many<std::index_sequence<I...>> {
  using type = foal::type_list<numbered<I>...>;
};

}  // namespace

TEST_CASE("A type is found by its place, equal types are told apart by place", "[core]") {
  using list = foal::type_list<int, char, int, void>;
  STATIC_REQUIRE(list::size == 4);
  STATIC_REQUIRE(std::is_same_v<foal::type_at<list, 0>, int>);
  STATIC_REQUIRE(std::is_same_v<foal::type_at<list, 1>, char>);
  STATIC_REQUIRE(std::is_same_v<foal::type_at<list, 2>, int>);
  STATIC_REQUIRE(std::is_same_v<foal::type_at<list, 3>, void>);
}

TEST_CASE("Lists join in order, empty ones leave nothing", "[core]") {
  STATIC_REQUIRE(std::is_same_v<foal::concat<>, foal::type_list<>>);
  STATIC_REQUIRE(
      std::is_same_v<foal::concat<foal::type_list<>, foal::type_list<int, int>, foal::type_list<>, foal::type_list<char>>,
                     foal::type_list<int, int, char>>);
}

TEST_CASE("Long lists stay within the compilers' default limits", "[core]") {
  using list = many<std::make_index_sequence<1200>>::type;
  STATIC_REQUIRE(std::is_same_v<foal::type_at<list, 1199>, numbered<1199>>);
}
