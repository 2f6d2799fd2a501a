// expected-error: cannot send activations of the scalar type S as Wire on this Device
// A codec of rows reads memory, and the host does not read that of this device.
#include "net.hpp"

struct elsewhere : foal::device::host {
  static constexpr bool host_memory = false;
  using host::host;
};

struct as_it_is {
  static constexpr char const* name = "as it is";
  static std::size_t bytes(std::size_t row) { return row * sizeof(float); }
  static void encode(foal::codec::rows of, float const* x, std::byte* code) {
    for (std::size_t i = 0; i < of.elements(); ++i) reinterpret_cast<float*>(code)[i] = x[i];
  }
  static void decode(foal::codec::rows of, std::byte const* code, float* x) {
    for (std::size_t i = 0; i < of.elements(); ++i) x[i] = reinterpret_cast<float const*>(code)[i];
  }
};

int main() {
  run<foal::schedule::pipemare, foal::wire::coded<as_it_is>, foal::on<elsewhere>> t({});
  return static_cast<int>(t.updates());
}
