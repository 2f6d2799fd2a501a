// Checks one layer alone, with every array of exactly the declared size.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <foal/layer/alone.hpp>
#include <foal/layer/check_gradient.hpp>

namespace foal::test {

using namespace foal::alone;

/// |a - b| / max(|b|, tiny), in the Euclidean norm; infinity for NaN or unequal lengths.
template <class A, class B>
double relative_error(A const& a, B const& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  double const error = std::sqrt(difference) / std::max(std::sqrt(size), 1e-30);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

/// The largest relative error among dx and the gradients of all parameters, against central differences in double.
template <class Layer>
double gradient_error(shape in, int samples, unsigned seed) {
  layer_run<Layer, double> run(in, samples, seed);
  double worst = 0;
  auto const wanted_dx = numeric_gradient(run, run.x);
  std::vector<std::vector<double>> wanted;
  for (auto& p : run.parameters) wanted.push_back(numeric_gradient(run, p));
  run.forward();
  run.backward_input();
  run.backward_weight();
  worst = std::max(worst, relative_error(run.dx, wanted_dx));
  for (std::size_t i = 0; i < wanted.size(); ++i) worst = std::max(worst, relative_error(run.gradients[i], wanted[i]));
  // backward_weight adds, so a second call doubles.
  run.backward_weight();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (double& value : wanted[i]) value *= 2;
    worst = std::max(worst, relative_error(run.gradients[i], wanted[i]));
  }
  return worst;
}

/// The largest relative error of a run in float against the same run in double: output, dx and gradients.
template <class Layer>
double float_error(shape in, int samples, unsigned seed) {
  layer_run<Layer, float> run(in, samples, seed);
  layer_run<Layer, double> exact(in, samples, seed);
  run.forward(), run.backward_input();
  exact.forward(), exact.backward_input();
  double worst = std::max(relative_error(run.y, exact.y), relative_error(run.dx, exact.dx));
  run.backward_weight(), exact.backward_weight();
  for (std::size_t i = 0; i < run.gradients.size(); ++i) {
    worst = std::max(worst, relative_error(run.gradients[i], exact.gradients[i]));
  }
  return worst;
}

/// Whether the layer gives the same bits with its output over its input and dx over dy.
template <class Layer, class S>
bool same_in_place(shape in, int samples, unsigned seed) {
  layer_run<Layer, S> run(in, samples, seed);
  run.forward();
  run.backward_input();
  auto const y = run.y, dx = run.dx;
  bool const same_y = std::memcmp(run.forward_in_place().data(), y.data(), y.size() * sizeof(S)) == 0;
  bool const same_dx = std::memcmp(run.backward_input_in_place().data(), dx.data(), dx.size() * sizeof(S)) == 0;
  return same_y && same_dx;
}

/// Whether a microbatch of all samples and microbatches of one sample each give the same y and dx, bit for bit.
template <class Layer, class S>
bool same_one_by_one(shape in, int samples, unsigned seed) {
  layer_run<Layer, S> all(in, samples, seed);
  all.forward();
  all.backward_input();
  bool same = true;
  for (int i = 0; i < samples; ++i) {
    layer_run<Layer, S> one(in, 1, seed);
    one.random.sample = all.random.sample + static_cast<std::uint64_t>(i);
    one.parameters = all.parameters;
    auto const at_in = static_cast<std::ptrdiff_t>(i) * in.size();
    auto const at_out = static_cast<std::ptrdiff_t>(i) * all.out.size();
    one.x.assign(all.x.begin() + at_in, all.x.begin() + at_in + in.size());
    one.dy.assign(all.dy.begin() + at_out, all.dy.begin() + at_out + all.out.size());
    for (std::size_t p = 0; p < one.parameters.size(); ++p) one.constant_parameter_pointers[p] = one.parameters[p].data();
    one.forward();
    one.backward_input();
    same = same && std::memcmp(one.y.data(), all.y.data() + at_out, one.y.size() * sizeof(S)) == 0;
    same = same && std::memcmp(one.dx.data(), all.dx.data() + at_in, one.dx.size() * sizeof(S)) == 0;
  }
  return same;
}

}  // namespace foal::test
