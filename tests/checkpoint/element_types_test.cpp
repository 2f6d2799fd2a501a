// Numbers of 16 bits, all of them, and which types are read as what.
#include <foal/checkpoint/element_types.hpp>

#include <catch2/catch.hpp>
#include <cmath>

using namespace foal::checkpoint;

TEST_CASE("every number of binary16 and bfloat16 is read exactly") {
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    auto const check = [&](float found, int exponent_bits, int fraction_bits) {
      int const bias = (1 << (exponent_bits - 1)) - 1;
      auto const fraction = static_cast<int>(bits & ((1U << fraction_bits) - 1U));
      auto const exponent = static_cast<int>(bits >> fraction_bits & ((1U << exponent_bits) - 1U));
      double const sign = (bits & 0x8000U) != 0 ? -1 : 1;
      INFO(bits);
      if (exponent == (1 << exponent_bits) - 1) {
        if (fraction != 0)
          REQUIRE(std::isnan(found));
        else
          REQUIRE(static_cast<double>(found) == sign * HUGE_VAL);
        return;
      }
      double const wanted = exponent == 0 ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                          : std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
      REQUIRE(static_cast<double>(found) == sign * wanted);
      REQUIRE(std::signbit(found) == (sign < 0));
    };
    check(from_float16(static_cast<std::uint16_t>(bits)), 5, 10);
    check(from_bfloat16(static_cast<std::uint16_t>(bits)), 8, 7);
  }
}

TEST_CASE("types are read as their own kind of number") {
  std::uint8_t const bytes[] = {0, 0, 0, 0, 0, 0, 0xf0, 0xbf};
  CHECK(reader_of<double>("F64")(bytes, 0) == -1);
  CHECK(reader_of<float>("F64")(bytes, 0) == -1);
  CHECK(reader_of<float>("BF16")(bytes, 3) == -1.875F);
  CHECK(reader_of<double>("F16")(bytes, 3) == -1.984375);
  CHECK(reader_of<std::int64_t>("U8")(bytes, 6) == 0xf0);
  CHECK(reader_of<std::int64_t>("I8")(bytes, 6) == -16);
  CHECK(reader_of<std::int64_t>("U16")(bytes, 3) == 0xbff0);
  CHECK(reader_of<std::int64_t>("I16")(bytes, 3) == -0x4010);
  CHECK(reader_of<std::int64_t>("U32")(bytes, 1) == 0xbff00000LL);
  CHECK(reader_of<std::int64_t>("I32")(bytes, 1) == -0x40100000LL);
  CHECK(reader_of<std::int64_t>("I64")(bytes, 0) == static_cast<std::int64_t>(0xbff0000000000000U));
  for (char const* other : {"U8", "I64", "BOOL", "C64", "F8_E5M2", ""}) CHECK(reader_of<float>(other) == nullptr);
  for (char const* other : {"F32", "U64", "C64", ""}) CHECK(reader_of<std::int64_t>(other) == nullptr);
  STATIC_REQUIRE(bits_of("BF16") == 16);
  STATIC_REQUIRE(bits_of("F33") == 0);
}

TEST_CASE("an element that the format has is written with as many bits as it has in memory") {
  int known = 0;
  for (foal::element const e : foal::every_element) {
    char const* const dtype = dtype_of(e);
    if (dtype == nullptr) continue;
    ++known;
    CHECK(bits_of(dtype) == 8 * foal::bytes_of(e));
  }
  CHECK(known == 8);
  CHECK(dtype_of(foal::element::scalar) == nullptr);
  CHECK(dtype_of(foal::element::bytes) == nullptr);
}
