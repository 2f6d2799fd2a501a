// Arrays on the GPU for tests, and how far two results are apart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <foal/core/random.hpp>

namespace foal::test {

/// A copy of host values in the memory of a device.
template <class Device, class T>
class array_on {
 public:
  array_on(Device& device, std::vector<T> const& values)
      : device_(device),
        size_(values.size()),
        data_(static_cast<T*>(Device::allocate(std::max<std::size_t>(size_, 1) * sizeof(T)))) {
    device_.copy_in(data_, values.data(), size_ * sizeof(T));
  }
  array_on(array_on const&) = delete;
  ~array_on() { Device::release(data_); }

  T* data() { return data_; }
  std::vector<T> values() const {
    std::vector<T> out(size_);
    device_.copy_out(out.data(), data_, size_ * sizeof(T));
    return out;
  }

 private:
  Device& device_;
  std::size_t size_;
  T* data_;
};

/// A device object with a workspace of its own.
template <class Device>
struct with_workspace {
  void* workspace = Device::allocate(std::max<std::size_t>(Device::workspace_bytes, 64));
  Device device{workspace};
  with_workspace() = default;
  with_workspace(with_workspace const&) = delete;
  ~with_workspace() { Device::release(workspace); }
};

/// Numbers in [-1, 1).
template <class S>
std::vector<S> numbers(std::size_t n, std::uint32_t stream) {
  std::vector<S> out(n);
  for (std::size_t i = 0; i < n; ++i)
    out[i] = 2 * static_cast<S>(random_unit({7, purpose::user, stream, 0}, static_cast<std::uint32_t>(i))) - 1;
  return out;
}

/// |a - b| / |b| in the Euclidean norm; infinite where sizes differ or a is not finite.
template <class S>
double distance(std::vector<S> const& a, std::vector<S> const& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double apart = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    apart += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  double const relative = std::sqrt(apart) / std::max(std::sqrt(size), 1e-30);
  return std::isfinite(relative) ? relative : std::numeric_limits<double>::infinity();
}

/// What two ways to the same sum may differ by: a few roundings of the scalar.
template <class S>
constexpr double rounding = 16 * static_cast<double>(std::numeric_limits<S>::epsilon());

}  // namespace foal::test
