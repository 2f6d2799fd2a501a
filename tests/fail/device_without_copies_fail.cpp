// expected-error: cannot train on this device, because it lacks workspace_bytes or one of allocate, release, copy
// Nothing can be brought to it.
#include "net.hpp"

struct out_of_reach : foal::device::host {
  using host::host;
  void copy_in(void*, void const*, std::size_t) = delete;
};

int main() {
  run<foal::schedule::pipemare, foal::on<out_of_reach>> t({});
  return static_cast<int>(t.updates());
}
