// Where a model's arrays have their elements in PyTorch's order, against indices that are written out.
#include <foal/checkpoint/layout.hpp>

#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/max_pool.hpp>
#include <foal/layer/relu.hpp>
#include <foal/model/stages.hpp>

#include <catch2/catch.hpp>

#include <set>

using namespace foal;
using checkpoint::array_layout;
using kind = array_layout::kind;

namespace {

template <class Net>
checkpoint::layouts layouts_of() {
  static constexpr auto& d = Net::description;
  return {d.row, d.size};
}
parameter parameter_of(std::vector<int> const& extents) {
  parameter p;
  for (int const e : extents) p.extent.extent[p.extent.rank++] = e;
  return p;
}

// Layers 0 conv, 1 batch_norm, 2 flatten, 3 batch_norm, 4 relu, 5 linear, 6 linear.
struct ordered : stages<input<2, 2, 3>, conv<4, 3>, batch_norm, flatten, batch_norm, relu, linear<5>, linear<2>> {};

}  // namespace

TEST_CASE("convolutions are [out, in, row, column], linear layers [out, in]") {
  auto const all = layouts_of<ordered>();
  array_layout const conv = all.of(0, parameter_of({3, 3, 2, 4}));
  CHECK(conv.shape == std::vector<std::uint64_t>{4, 2, 3, 3});
  std::size_t i = 0;
  for (std::size_t row = 0; row < 3; ++row)
    for (std::size_t column = 0; column < 3; ++column)
      for (std::size_t in = 0; in < 2; ++in)
        for (std::size_t out = 0; out < 4; ++out, ++i) CHECK(conv.place(i) == ((out * 2 + in) * 3 + row) * 3 + column);
  array_layout const last = all.of(6, parameter_of({5, 2}));
  CHECK(last.shape == std::vector<std::uint64_t>{2, 5});
  i = 0;
  for (std::size_t in = 0; in < 5; ++in)
    for (std::size_t out = 0; out < 2; ++out, ++i) CHECK(last.place(i) == out * 5 + in);
  CHECK(all.of(0, parameter_of({4})).how == kind::same);  // a bias
}

TEST_CASE("behind a flatten features are (channel, row, column), until a linear layer has read them") {
  auto const all = layouts_of<ordered>();
  // Four channels of 2 x 3: foal's (row, column, channel).
  array_layout const norm = all.of(3, parameter_of({24})), linear = all.of(5, parameter_of({24, 5}));
  CHECK(all.of(1, parameter_of({4})).how == kind::same);
  std::size_t i = 0;
  for (std::size_t row = 0; row < 2; ++row)
    for (std::size_t column = 0; column < 3; ++column)
      for (std::size_t channel = 0; channel < 4; ++channel, ++i) {
        std::size_t const theirs = (channel * 2 + row) * 3 + column;
        CHECK(norm.place(i) == theirs);
        for (std::size_t out = 0; out < 5; ++out) CHECK(linear.place(i * 5 + out) == out * 24 + theirs);
      }
  CHECK(all.of(6, parameter_of({5, 2})).flattened.rank == 0);
}

TEST_CASE("every layout is one to one") {
  auto const all = layouts_of<ordered>();
  for (auto const& [layer, extents] : std::vector<std::pair<int, std::vector<int>>>{
           {0, {3, 3, 2, 4}}, {0, {4}}, {3, {24}}, {5, {24, 5}}, {5, {5}}, {6, {5, 2}}}) {
    array_layout const a = all.of(layer, parameter_of(extents));
    auto const size = static_cast<std::size_t>(a.extent.size());
    std::set<std::size_t> places;
    for (std::size_t i = 0; i < size; ++i) places.insert(a.place(i));
    CHECK(places.size() == size);
    CHECK(*places.rbegin() == size - 1);
  }
}
