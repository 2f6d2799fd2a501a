// A net predicts on the GPU as on the host: forwards alone, through two slots between stages.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/data/memory.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/predictor.hpp>

#include "../support/cuda_array.hpp"
#include "../support/orders.hpp"
#include "../support/plain_device.hpp"

namespace {

using namespace foal::test;

struct net : foal::stages<foal::input<6>, foal::linear<8>, foal::tanh, foal::linear<7>, foal::tanh, foal::linear<9>,
                          foal::tanh, foal::linear<3>> {};

template <class Device>
std::vector<float> predicted(int workers) {
  foal::data::memory<float, float> const data{foal::features(6), numbers<float>(96 * 6, 1), numbers<float>(96, 2)};
  foal::predictor<net, foal::on<Device>, foal::executor::threads> p(
      {.microbatch_size = 4, .microbatches = 4, .workers = workers});
  std::vector<float> all;
  for (auto const& one : p.predict(data)) all.insert(all.end(), one.values.begin(), one.values.end());
  return all;
}

}  // namespace

TEST_CASE("predictions on the GPU are the host's, in every order of the streams", "[cuda]") {
  auto const host = predicted<plain_device>(1);
  REQUIRE(host.size() == 96 * 3);
  std::vector<float> first;
  for (int order = 0; order < 3 * orders; ++order) {
    int const workers = 1 + order % 4;
    choose_order(order);
    INFO("order " << order << ", workers " << workers);
    auto const gpu = predicted<foal::device::cuda>(workers);
    if (first.empty()) first = gpu;
    CHECK(gpu == first);
    CHECK(distance(gpu, host) < rounding<float>);
  }
}
