// Element types: a size and a name for each, and the types that they are.
#include <foal/tensor/element.hpp>

#include <catch2/catch.hpp>

#include <string>

using foal::element;

TEST_CASE("Every element has a name of its own, and all but the scalar of a layer a size", "[tensor]") {
  for (element const e : foal::every_element) {
    CHECK((foal::bytes_of(e) > 0) == (e != element::scalar));
    CHECK(foal::bytes_of(e, 6) == 6 * foal::bytes_of(e));
    for (element const other : foal::every_element) CHECK((std::string(foal::name(e)) == foal::name(other)) == (e == other));
  }
  CHECK(std::string(foal::name(element::bfloat16)) == "bfloat16");
  CHECK(foal::bytes_of(element::bfloat16) == foal::bytes_of(element::float16));
  CHECK(element::bfloat16 != element::float16);  // two bytes say nothing of the type
}

TEST_CASE("The element of a type has its size", "[tensor]") {
  static_assert(foal::element_of<float>() == element::float32 && foal::element_of<double>() == element::float64);
  static_assert(foal::bytes_of(foal::element_of<float>()) == sizeof(float));
  static_assert(foal::bytes_of(foal::element_of<double>()) == sizeof(double));
  static_assert(foal::bytes_of(foal::element_of<std::int64_t>()) == sizeof(std::int64_t));
  struct other {};
  CHECK(foal::element_of<other>() == element::bytes);
}
