#include <catch2/catch.hpp>
#include <foal/core/denormals.hpp>
#include <thread>

namespace {

// volatile, so that the product happens here and now.
bool tiny_product_is_zero() {
  float volatile a = 1e-30f, b = 1e-10f;
  float volatile c = a * b;
  return c == 0;
}

}  // namespace

#if defined(__SSE__) || defined(__aarch64__)
TEST_CASE("flushed_denormals: while it lives, for this thread, nested", "[core]") {
  REQUIRE(!tiny_product_is_zero());
  {
    foal::flushed_denormals const outer;
    CHECK(tiny_product_is_zero());
    { foal::flushed_denormals const inner; }
    CHECK(tiny_product_is_zero());
  }
  CHECK(!tiny_product_is_zero());
}
#endif
