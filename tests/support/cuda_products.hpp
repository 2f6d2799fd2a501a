// Products with rows on the GPU beside the same in double on the host.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <vector>

#include <foal/cuda.hpp>

#include "cuda_array.hpp"
#include "plain_device.hpp"
#include "rounded.hpp"

namespace foal::test {

struct product_sizes {
  int rows, cols, depth;
};
inline constexpr product_sizes product_shapes[] = {{1, 1, 1},     {8, 10, 33},  {3, 70, 128}, {65, 17, 5},  {1, 300, 64},
                                                   {128, 128, 1}, {31, 1, 257}, {2, 7, 1000}, {100, 36, 12}};

/// The largest distance of c and row from the same in double on the host, with every array `by` elements after an address
/// that is aligned, and with factors that round() changes there.
template <class S, class Device = device::cuda, class Round = keep_numbers>
double products_apart(product_sizes n, std::size_t by, Round round = {}) {
  auto const at = [](int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); };
  auto const more = [by](std::size_t k) { return k + by; };
  auto const a = numbers<S>(more(at(n.rows, n.depth)), 1), b = numbers<S>(more(at(n.depth, n.cols)), 2),
             c = numbers<S>(more(at(n.rows, n.cols)), 3), row = numbers<S>(more(at(1, n.cols)), 4);
  with_workspace<Device> gpu;
  array_on<Device, S> x(gpu.device, a), y(gpu.device, b), z(gpu.device, c), r(gpu.device, row);
  auto const in = [by](array_on<Device, S>& all) { return static_cast<S const*>(all.data() + by); };
  auto const wide = [](std::vector<S> const& v) { return std::vector<double>(v.begin(), v.end()); };
  auto x0 = wide(round(a)), y0 = wide(round(b)), sum0 = wide(b), z0 = wide(c), r0 = wide(row);
  auto const in0 = [by](std::vector<double>& all) { return static_cast<double const*>(all.data() + by); };

  gpu.device.product_nn_plus_row(n.rows, n.cols, n.depth, in(x), in(y), in(r), z.data() + by);
  plain_device::product_nn(n.rows, n.cols, n.depth, in0(x0), in0(y0), z0.data() + by, false);
  plain_device::add_to_rows(n.rows, n.cols, in0(r0), z0.data() + by);
  double worst = distance(wide(z.values()), z0);

  // [depth, rows] and [depth, cols], as a linear layer has x and dy: the product and the sums are added to what is there.
  array_on<Device, S> dw(gpu.device, c), db(gpu.device, row);
  auto dw0 = wide(c), db0 = wide(row);
  gpu.device.product_tn_and_sum_of_rows(n.rows, n.cols, n.depth, in(x), in(y), dw.data() + by, db.data() + by);
  plain_device::product_tn(n.rows, n.cols, n.depth, in0(x0), in0(y0), dw0.data() + by, true);
  plain_device::sum_of_rows(n.depth, n.cols, in0(sum0), db0.data() + by);
  worst = std::max({worst, distance(wide(dw.values()), dw0), distance(wide(db.values()), db0)});

  for (bool const accumulate : {false, true}) {
    array_on<Device, S> out(gpu.device, c);
    auto out0 = wide(c);
    gpu.device.product_nt(n.rows, n.cols, n.depth, in(x), in(y), out.data() + by, accumulate);
    plain_device::product_nt(n.rows, n.cols, n.depth, in0(x0), in0(y0), out0.data() + by, accumulate);
    worst = std::max(worst, distance(wide(out.values()), out0));
  }
  return worst;
}

/// Of no rows, columns or depth: nothing is changed, or the row is what is there.
template <class Device>
void check_products_of_nothing() {
  with_workspace<Device> gpu;
  auto const values = numbers<float>(12, 1);
  array_on<Device, float> a(gpu.device, values), c(gpu.device, values), row(gpu.device, values);
  float const* const in = a.data();
  gpu.device.product_nn_plus_row(0, 4, 3, in, in, in, c.data());
  gpu.device.product_nn(3, 0, 4, in, in, c.data(), false);
  gpu.device.product_tn_and_sum_of_rows(3, 4, 0, in, in, c.data(), row.data());
  CHECK(c.values() == values);
  CHECK(row.values() == values);
  gpu.device.product_nn_plus_row(1, 12, 0, in, in, in, c.data());
  CHECK(c.values() == values);
}

}  // namespace foal::test
