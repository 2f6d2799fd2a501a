// What the benchmarks of the CUDA device share: its own times, and its memory.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <string>

#include <foal/core/recording.hpp>
#include <foal/cuda.hpp>

#include "../../support/outcome.hpp"

namespace bench::on_cuda {

/// Milliseconds from the first op that f() calls of the device to its last one being done, by the device's clock.
template <class Device, class F>
double milliseconds_of(Device& device, F f) {
  typename Device::timed_event begin, end;
  device.record(begin);
  f();
  device.record(end);
  Device::finish(end);
  return Device::milliseconds(begin, end);
}

/// The switch of what trains: FOAL_RECORDED=1 has periods done as graphs.
inline foal::recording wanted_recording() {
  char const* const said = std::getenv("FOAL_RECORDED");
  return said != nullptr && std::string(said) == "1" ? foal::recording::always : foal::recording::never;
}

/// Memory of the GPU.
template <class T>
class array {
 public:
  explicit array(std::size_t n) : data_(static_cast<T*>(foal::device::cuda::allocate(n * sizeof(T)))) {}
  array(array const&) = delete;
  array& operator=(array const&) = delete;
  ~array() { foal::device::cuda::release(data_); }
  T* get() const { return data_; }

 private:
  T* data_;
};

}  // namespace bench::on_cuda
