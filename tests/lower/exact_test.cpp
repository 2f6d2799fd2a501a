// Of a device that rounds the factors of products, layers get those, and optimizers of whole parameters what exact() gives.
#include <catch2/catch.hpp>
#include <foal/device/host.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/muon.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace {

/// Counts the products that it is asked for in person.
struct counting : foal::device::host {
  using host::host;
  static inline int products = 0;
  static void reset() { products = 0; }

  template <class... Args>
  void product_nn(Args... args) const {
    ++products;
    host::product_nn(args...);
  }
  template <class... Args>
  void product_nt(Args... args) const {
    ++products;
    host::product_nt(args...);
  }
  template <class... Args>
  void product_tn(Args... args) const {
    ++products;
    host::product_tn(args...);
  }
};
struct exact_counting : counting {
  using counting::counting;
  foal::device::host& exact() { return *this; }
};

struct two_layers : foal::stages<foal::input<6>, foal::linear<5>, foal::tanh, foal::linear<3>> {};

template <class Device, class Optimizer>
int products_of_an_update() {
  foal::trainer<two_layers, foal::loss::cross_entropy, foal::schedule::gpipe, Optimizer, foal::on<Device>,
                foal::executor::single_thread>
      t({.microbatch_size = 2, .microbatches = 2, .workers = 1, .seed = 3});
  Device::reset();
  REQUIRE_FALSE(t.run(foal::test::stream{.features = 6, .classes = 3, .samples = 2}, {.minibatches = 1}).diverged);
  return Device::products;
}

}  // namespace

TEST_CASE("optimizers of whole parameters multiply by what exact() gives, layers by the device", "[lower]") {
  int const of_layers = products_of_an_update<exact_counting, foal::optim::momentum>();
  CHECK(of_layers > 0);
  CHECK(products_of_an_update<exact_counting, foal::optim::muon>() == of_layers);
  CHECK(products_of_an_update<counting, foal::optim::muon>() > of_layers);
}
