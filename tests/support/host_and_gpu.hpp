// One op on the CUDA device and on the host in double, with the same arrays.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <foal/cuda.hpp>

#include "cuda_array.hpp"
#include "host_apart.hpp"

namespace foal::test {

inline std::vector<double> as_the_host_has(std::vector<float> const& x) { return {x.begin(), x.end()}; }
template <class T>
std::vector<T> as_the_host_has(std::vector<T> const& x) {
  return x;
}

/// What any result of an op may be apart from the host's in double.
template <class S>
inline constexpr double op_bound = sizeof(S) == sizeof(float) ? 1e-5 : 1e-12;

/// Calls op(device, pointers...) twice on the GPU and once on the host in double; gives the largest relative distance of any
/// array, infinite where the two have not the same bits.
template <class Op, class... Ts>
double from_host_in_double(Op op, std::vector<Ts> const&... arrays) {
  with_workspace<device::cuda> gpu;
  with_workspace<host_apart<double>> host;
  auto const in_double = [&](auto... here) {
    op(host.device, here.data()...);
    return std::make_tuple(here...);
  }(as_the_host_has(arrays)...);
  auto const once = [&] {
    return [&](auto&&... there) {
      op(gpu.device, there.data()...);
      return std::make_tuple(there.values()...);
    }(array_on<device::cuda, Ts>(gpu.device, arrays)...);
  };
  auto const first = once();
  if (first != once()) return std::numeric_limits<double>::infinity();
  return std::apply(
      [&](auto const&... gpus) {
        return std::apply([&](auto const&... hosts) { return std::max({distance(as_the_host_has(gpus), hosts)...}); },
                          in_double);
      },
      first);
}

}  // namespace foal::test
