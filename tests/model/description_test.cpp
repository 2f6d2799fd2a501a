#include <foal/model/description.hpp>

#include <catch2/catch.hpp>

#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>

namespace {

using namespace foal;

struct tag {};
struct other {};

template <class... Elements>
constexpr auto described = describe<32, Elements...>(image(1, 8, 8));

template <class... Elements>
constexpr model_failure failure = described<Elements...>.failure;

/// Stage of each row.
template <class... Elements>
std::vector<int> stages_of() {
  std::vector<int> all;
  for (int i = 0; i < described<Elements...>.size; ++i) all.push_back(described<Elements...>.row[i].stage);
  return all;
}
using numbers = std::vector<int>;

}  // namespace

TEST_CASE("Shapes are inferred layer by layer", "[model]") {
  constexpr auto d = described<conv<4, 3>, relu, conv<6, 3, 2>, flatten, linear<10>>;
  STATIC_REQUIRE(d.failure == model_failure::none);
  STATIC_REQUIRE(d.size == 5);
  STATIC_REQUIRE(d.row[0].in == image(1, 8, 8));
  STATIC_REQUIRE(d.row[0].out == image(4, 8, 8));
  STATIC_REQUIRE(d.row[1].out == image(4, 8, 8));
  STATIC_REQUIRE(d.row[2].out == image(6, 4, 4));
  STATIC_REQUIRE(d.row[3].out == features(96));
  STATIC_REQUIRE(d.row[4].out == features(10));
  STATIC_REQUIRE(d.output == features(10));
  STATIC_REQUIRE(d.row[0].parameters == 4 * 9 + 4);
  STATIC_REQUIRE(d.row[4].parameters == 96 * 10 + 10);
  STATIC_REQUIRE(d.row[4].flops == 2 * 96 * 10);
  STATIC_REQUIRE(d.row[4].number == 4);
}

TEST_CASE("Each layer with weights starts a stage, what has none rides along", "[model]") {
  CHECK(stages_of<flatten, linear<8>, relu, relu, linear<8>, linear<4>, foal::tanh>() == numbers{0, 0, 0, 0, 1, 2, 2});
  CHECK(stages_of<flatten, relu>() == numbers{0, 0});
  CHECK(stages_of<repeat<3, flatten, linear<8>, relu>>() == numbers{0, 0, 0, 0, 1, 1, 1, 2, 2});
}

TEST_CASE("Groups by hand stay together and end where they say", "[model]") {
  CHECK(stages_of<stage<flatten, linear<8>, linear<8>>, relu, linear<4>>() == numbers{0, 0, 0, 0, 1});  // relu rides along
  CHECK(stages_of<flatten, linear<8>, stage<relu, linear<8>>, linear<4>>() == numbers{0, 0, 1, 1, 2});
  CHECK(stages_of<stage<flatten>, stage<linear<8>, stage<linear<8>>>, linear<4>>() == numbers{0, 1, 1, 2});
  // a group without weights is a stage too
  CHECK(stages_of<flatten, linear<8>, stage<relu>, linear<4>>() == numbers{0, 0, 1, 2});
}

TEST_CASE("A skip is a row at both ends, and nested ones have entries of their own", "[model]") {
  constexpr auto d = described<flatten, linear<8>, residual<linear<8>, residual<foal::tanh, linear<8>>>>;
  STATIC_REQUIRE(d.failure == model_failure::none);
  STATIC_REQUIRE(d.size == 9);
  STATIC_REQUIRE(d.row[2].kind == detail::item_kind::save);
  STATIC_REQUIRE(d.row[4].kind == detail::item_kind::save);
  STATIC_REQUIRE(d.row[2].entry != d.row[4].entry);
  STATIC_REQUIRE(d.row[7].kind == detail::item_kind::add);
  STATIC_REQUIRE(d.row[7].entry == d.row[4].entry);
  STATIC_REQUIRE(d.row[8].entry == d.row[2].entry);
  // The inner save stands before foal::tanh, which rides with the linear layer before it; the outer one precedes a linear
  // layer and goes to its stage, which can copy its own input instead of receiving it twice.
  CHECK(stages_of<flatten, linear<8>, residual<linear<8>, residual<foal::tanh, linear<8>>>>() ==
        numbers{0, 0, 1, 1, 1, 1, 2, 2, 2});
}

TEST_CASE("An entry is free again after its add", "[model]") {
  constexpr auto d = described<flatten, repeat<9, residual<linear<64>>>>;
  STATIC_REQUIRE(d.failure == model_failure::none);
  STATIC_REQUIRE(d.stages == 9);
  for (int i = 0; i < d.size; ++i) CHECK(d.row[i].entry <= 1);
}

TEST_CASE("A projection acts on the skip", "[model]") {
  constexpr auto d = described<residual<shortcut<conv<6, 1, 2>>, conv<6, 3, 2>, relu, conv<6, 3>>>;
  STATIC_REQUIRE(d.failure == model_failure::none);
  STATIC_REQUIRE(d.row[4].entry == d.row[0].entry);
  STATIC_REQUIRE(d.row[4].in == image(1, 8, 8));
  STATIC_REQUIRE(d.row[4].out == image(6, 4, 4));
  STATIC_REQUIRE(d.row[5].kind == detail::item_kind::add);
  STATIC_REQUIRE(d.output == image(6, 4, 4));
  STATIC_REQUIRE(d.stages == 3);
}

TEST_CASE("Skips by hand may overlap", "[model]") {
  constexpr auto d = described<flatten, save<tag>, linear<64>, save<other>, linear<64>, add<tag>, foal::tanh, add<other>>;
  STATIC_REQUIRE(d.failure == model_failure::none);
  STATIC_REQUIRE(d.row[5].entry == d.row[1].entry);
  STATIC_REQUIRE(d.row[7].entry == d.row[3].entry);
}

TEST_CASE("What is wrong is found, with its place and both shapes", "[model]") {
  STATIC_REQUIRE(failure<> == model_failure::empty);
  STATIC_REQUIRE(failure<linear<3>> == model_failure::refused);
  STATIC_REQUIRE(failure<int> == model_failure::not_a_layer);
  STATIC_REQUIRE(failure<flatten, add<tag>> == model_failure::added_unsaved);
  STATIC_REQUIRE(failure<flatten, through<tag, relu>> == model_failure::added_unsaved);
  STATIC_REQUIRE(failure<flatten, save<tag>, relu> == model_failure::never_added);
  STATIC_REQUIRE(failure<flatten, save<tag>, save<tag>, add<tag>> == model_failure::saved_twice);
  STATIC_REQUIRE(failure<flatten, save<tag>, add<tag>, add<tag>> == model_failure::added_unsaved);
  STATIC_REQUIRE(failure<flatten, save<tag>, linear<3>, add<tag>> == model_failure::shapes_differ);
  STATIC_REQUIRE(failure<tied<tag, linear<64>>, flatten> == model_failure::refused);
  STATIC_REQUIRE(failure<flatten, tied<tag, linear<64>>, tied<tag, linear<64>>> == model_failure::none);
  STATIC_REQUIRE(failure<flatten, frozen<tied<tag, linear<64>>>, tied<tag, linear<64>>> == model_failure::tied_and_frozen);
  STATIC_REQUIRE(failure<flatten, tied<tag, linear<64>>, frozen<tied<tag, linear<64>>>> == model_failure::tied_and_frozen);
  STATIC_REQUIRE(failure<flatten, frozen<tied<tag, linear<64>>, tied<tag, linear<64>>>> == model_failure::none);
  STATIC_REQUIRE(describe<2, flatten>(sequence(4, 8, 1)).failure == model_failure::refused);  // how many features?
  STATIC_REQUIRE(describe<2, flatten>(sequence(4, 8)).failure == model_failure::none);

  constexpr auto refused = described<flatten, linear<8>, conv<4, 3>, relu>;
  STATIC_REQUIRE(refused.failed_at == 2);
  STATIC_REQUIRE(refused.given == features(8));
  constexpr auto differ = described<flatten, save<tag>, linear<3>, add<tag>>;
  STATIC_REQUIRE(differ.failed_at == 3);
  STATIC_REQUIRE(differ.given == features(3));
  STATIC_REQUIRE(differ.needed == features(64));
  constexpr auto never = described<flatten, save<tag>, relu>;
  STATIC_REQUIRE(never.failed_at == 1);
}

TEST_CASE("Only the first mistake counts", "[model]") {
  constexpr auto d = described<linear<3>, int, add<tag>>;
  STATIC_REQUIRE(d.failure == model_failure::refused);
  STATIC_REQUIRE(d.failed_at == 0);
}
