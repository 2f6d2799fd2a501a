// Which GPU figures are of.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/device/cuda/error.hpp>

namespace bench::on_cuda {

/// "NVIDIA H200, driver 13.0, CUDA 13.0". Throws foal::error where there is none.
inline std::string gpu() {
  int driver = 0, runtime = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  cudaDeviceProp found{};
  foal::device::cuda_ops::check(cudaGetDeviceProperties(&found, 0), "cudaGetDeviceProperties");
  auto const text = [](int version) { return foal::sentence(version / 1000, ".", version % 1000 / 10); };
  return foal::sentence(static_cast<char const*>(found.name), ", driver for CUDA ", text(driver), ", CUDA ", text(runtime));
}

}  // namespace bench::on_cuda
