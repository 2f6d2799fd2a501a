#include <catch2/catch.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/loss/mean_squared_error.hpp>

#include "../../support/layer_check.hpp"

using foal::features;
using foal::shape;
using namespace foal::test;

namespace {

template <class S>
foal::context<foal::device::host, S> context_for(host_device& host, shape in, int samples) {
  return {host.device, in, in, samples};
}

/// Relative error of dx against central differences of sum / divide.
template <class Loss, class Target>
double loss_gradient_error(Loss loss, shape in, int samples, std::vector<Target> const& targets, double divide) {
  host_device host;
  auto ctx = context_for<double>(host, in, samples);
  auto x = random_numbers<double>(static_cast<std::size_t>(samples * in.size()), 3);
  std::vector<double> dx(x.size(), 99), wanted;
  loss.apply(ctx, x.data(), targets.data(), divide, dx.data());
  for (double& value : x) {
    double const kept = value, step = 1e-5;
    value = kept + step;
    double const above = loss.apply(ctx, x.data(), targets.data(), divide, nullptr).sum;
    value = kept - step;
    double const below = loss.apply(ctx, x.data(), targets.data(), divide, nullptr).sum;
    value = kept;
    wanted.push_back((above - below) / (2 * step) / divide);
  }
  return relative_error(dx, wanted);
}

}  // namespace

TEST_CASE("cross_entropy: gradients, with and without smoothing, by position", "[loss]") {
  std::vector<std::int32_t> const targets{0, 4, 2, 2, 1, 3};
  CHECK(loss_gradient_error(foal::loss::cross_entropy{}, features(5), 6, targets, 2.5) < 1e-6);
  CHECK(loss_gradient_error(foal::loss::cross_entropy{.label_smoothing = 0.1f}, features(5), 6, targets, 1.0) < 1e-6);
  CHECK(loss_gradient_error(foal::loss::cross_entropy{}, foal::image(5, 3, 1), 2, targets, 1.0) < 1e-6);
}

TEST_CASE("cross_entropy: sum, weight, correct", "[loss]") {
  host_device host;
  auto ctx = context_for<float>(host, features(3), 3);
  std::vector<float> const x{0, 0, 0, 1000, 0, -1000, 0, 1000, 0};
  std::vector<std::int32_t> const t{0, 0, 2};
  auto const result = foal::loss::cross_entropy{}.apply(ctx, x.data(), t.data(), 1, nullptr);
  CHECK(result.sum == Approx(std::log(3.0) + 0 + 1000).epsilon(1e-7));
  CHECK(result.weight == 3);
  CHECK(result.correct == 2);
  static_assert(foal::loss::cross_entropy::targets(features(3)) == 1);
  static_assert(foal::loss::cross_entropy::targets(foal::image(3, 4, 5)) == 20);
  static_assert(foal::loss::cross_entropy::weight(features(3), 7) == 7);
}

TEST_CASE("cross_entropy: NaN, and classes that do not exist, give NaN and touch nothing else", "[loss]") {
  host_device host;
  auto ctx = context_for<double>(host, features(2), 1);
  double const nan = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> dx(2);
  auto sum = [&](std::vector<double> const& x, std::int32_t t) {
    auto const r = foal::loss::cross_entropy{}.apply(ctx, x.data(), &t, 1, dx.data());
    CHECK(r.correct == 0);
    return r.sum;
  };
  CHECK(std::isnan(sum({nan, 1}, 0)));
  CHECK(std::isnan(sum({1, nan}, 0)));
  CHECK(std::isnan(sum({1, 2}, 2)));
  CHECK((std::isnan(dx[0]) && std::isnan(dx[1])));
  CHECK(std::isnan(sum({1, 2}, -1)));
  CHECK(std::isnan(sum({1, 2}, std::numeric_limits<std::int32_t>::min())));
}

TEST_CASE("cross_entropy: ignored targets have no loss, no gradient and no weight", "[loss]") {
  using foal::loss::cross_entropy;
  std::vector<std::int32_t> targets{0, cross_entropy::ignored, 2, 2, cross_entropy::ignored, 3};
  CHECK(loss_gradient_error(cross_entropy{.label_smoothing = 0.1f}, foal::sequence(5, 3), 2, targets, 2.0) < 1e-6);
  host_device host;
  auto ctx = context_for<double>(host, foal::sequence(5, 3), 2);
  auto const x = random_numbers<double>(30, 3);
  std::vector<double> dx(30, 99);
  auto const all = cross_entropy{}.apply(ctx, x.data(), targets.data(), 2, dx.data());
  CHECK(all.weight == 4);
  CHECK(std::vector<double>(dx.begin() + 5, dx.begin() + 10) == std::vector<double>(5, 0));
  double sum = 0;
  auto alone = context_for<double>(host, features(5), 1);
  for (std::size_t const i : {0U, 2U, 3U, 5U}) sum += cross_entropy{}.apply(alone, &x[5 * i], &targets[i], 2, nullptr).sum;
  CHECK(all.sum == Approx(sum).epsilon(1e-14));
  CHECK(cross_entropy{}.apply(alone, x.data(), &targets[1], 2, nullptr).sum == 0);
}

TEST_CASE("mean_squared_error: gradient, sum, weight", "[loss]") {
  auto const targets = random_numbers<double>(12, 8);
  CHECK(loss_gradient_error(foal::loss::mean_squared_error{}, features(3), 4, targets, 4.0) < 1e-6);
  host_device host;
  auto ctx = context_for<float>(host, features(2), 2);
  std::vector<float> const x{1, 2, 3, 4}, t{0, 0, 3, 2};
  auto const result = foal::loss::mean_squared_error{}.apply(ctx, x.data(), t.data(), 1, nullptr);
  CHECK(result.sum == Approx(2.5 + 2));
  CHECK(result.weight == 2);
  CHECK(result.correct == 0);
}
