// Arrays in PyTorch's order, of every layout, size of elements and number of columns, are where the layout says; and back.
#include <foal/checkpoint/transposed.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <numeric>
#include <vector>

using namespace foal;
using checkpoint::array_layout;

namespace {

template <class... Extents>
shape of(Extents... extents) {
  shape s;
  for (int const e : {extents...}) s.extent[s.rank++] = e;
  return s;
}

template <class T>
void check(array_layout const& layout) {
  auto const size = static_cast<std::size_t>(layout.extent.size());
  std::vector<T> from(size), to(size), back(size);
  std::iota(from.begin(), from.end(), static_cast<T>(3));
  checkpoint::to_pytorch(layout, sizeof(T), size, from.data(), to.data());
  for (std::size_t i = 0; i < size; ++i) REQUIRE(to[layout.place(i)] == from[i]);
  checkpoint::from_pytorch(layout, sizeof(T), size, to.data(), back.data());
  CHECK(back == from);
}
void check_all(array_layout const& layout) {
  check<std::uint8_t>(layout);
  check<std::uint16_t>(layout);
  check<float>(layout);
  check<double>(layout);
}

}  // namespace

TEST_CASE("arrays in PyTorch's order are where their layout says, and come back") {
  using kind = array_layout::kind;
  for (int const columns : {1, 5, 16, 33}) {
    check_all({kind::same, {}, of(3, columns), {}});
    check_all({kind::linear, {}, of(7, columns), {}});
    check_all({kind::linear, {}, of(24, columns), of(2, 3, 4)});
    check_all({kind::conv, {}, of(3, 2, 5, columns), {}});
  }
  check_all({kind::features, {}, of(24), of(2, 3, 4)});
}
