// Delay policies on a quadratic whose gradient is late: a trainer, and the plain loop that it has to equal.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <vector>

#include "examples/stability/quadratic.hpp"

namespace foal::test {

inline constexpr int curvatures = 4;
/// Of each element; its gradient is curvature * ((1 + sensitivity) w_F - sensitivity w_B).
inline constexpr double curvature[curvatures] = {0.02, 0.05, 0.1, 0.3};

using weights_of_update = std::vector<std::vector<double>>;  ///< [update][element]

/// The quadratic's weights after each update of a trainer, stability::run<curvatures, ...>, its F tau updates late.
template <class Trainer>
weights_of_update trained(typename Trainer::config values, int tau, int updates, double sensitivity) {
  stability::now<curvatures>.sensitivity = sensitivity;
  std::copy_n(curvature, curvatures, stability::now<curvatures>.step);
  weights_of_update seen;
  values.microbatch_size = values.microbatches = 1;
  values.evaluation = false;
  values.schedule = {{0, tau}};
  executor::run_request request;
  request.minibatches = updates;
  request.watch = {&seen, [](void* self, executor::bound_stage const& b) {
                     if (b.number != 1) return;
                     auto const* const w = reinterpret_cast<double const*>(b.w);
                     static_cast<weights_of_update*>(self)->emplace_back(w, w + curvatures);
                   }};
  Trainer t(values);
  REQUIRE_FALSE(t.run(stability::no_data{}, request).diverged);
  return seen;
}

/// One update of all elements in the plain loop: g is their gradient, `then` what F has found of each before prediction.
using elements = std::vector<double>;

/// Weights after each update, from 1: F reads what predict(w, t) gives of the version tau updates ago, B correct(w, t) of
/// now; update(w, g, then, t) changes w at its t-th call from 0.
template <class Predict, class Correct, class Update>
weights_of_update plain(int tau, int updates, double sensitivity, Predict predict, Correct correct, Update update) {
  elements w(curvatures, 1);
  std::vector<elements> version, read;
  weights_of_update after;
  for (int t = 0; t < updates; ++t) {
    version.push_back(w);
    read.push_back(predict(w, t));
    auto const late = static_cast<std::size_t>(std::max(0, t - tau));
    elements const now = correct(w, t);
    elements g(curvatures);
    for (std::size_t i = 0; i < g.size(); ++i)
      g[i] = curvature[i] * ((1 + sensitivity) * read[late][i] - sensitivity * now[i]);
    update(w, g, version[late], t);
    after.push_back(w);
  }
  return after;
}
inline elements as_it_is(elements const& w, int) { return w; }

/// They agree, and went somewhere.
inline void check_equal(weights_of_update const& found, weights_of_update const& expected, double tolerance = 1e-12) {
  REQUIRE(found.size() == expected.size());
  double worst = 0, moved = 0;
  for (std::size_t t = 0; t < found.size(); ++t)
    for (std::size_t i = 0; i < curvatures; ++i) {
      worst = std::max(worst, std::abs(found[t][i] - expected[t][i]));
      moved = std::max(moved, std::abs(expected[t][i] - 1));
    }
  CHECK(worst <= tolerance);
  CHECK(moved > 0.05);
}
/// How far two runs are apart: what shows that a policy does something.
inline double apart(weights_of_update const& a, weights_of_update const& b) {
  double most = 0;
  for (std::size_t t = 0; t < a.size(); ++t)
    for (std::size_t i = 0; i < curvatures; ++i) most = std::max(most, std::abs(a[t][i] - b[t][i]));
  return most;
}

template <class... Policies>
using on_quadratic = stability::run<curvatures, Policies...>;

}  // namespace foal::test
