// expected-error: cannot run this Layer on this Device, because the Device lacks an op of the Kind named here
// A linear layer calls products, and this device has none that is transposed.
#include "net.hpp"

struct without_transposes : foal::device::host {
  using host::host;
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) = delete;
};

struct one_layer : foal::stages<foal::input<8>, foal::linear<4>> {};

int main() {
  foal::trainer<one_layer, foal::loss::cross_entropy, foal::schedule::gpipe, foal::on<without_transposes>> t({});
  return static_cast<int>(t.updates());
}
