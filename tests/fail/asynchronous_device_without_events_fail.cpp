// expected-error: cannot train on this asynchronous device, because it lacks event, record, wait, done
// Its ops are done later, and nobody can wait for them.
#include "net.hpp"

struct later : foal::device::host {
  static constexpr bool asynchronous = true;
  using host::host;
};

int main() {
  run<foal::schedule::pipemare, foal::on<later>> t({});
  return static_cast<int>(t.updates());
}
