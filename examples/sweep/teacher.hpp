// The random teacher's task: a tanh network with random weights labels random points; a deep student learns it from samples.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <utility>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/data/memory.hpp>

#include "network.hpp"

namespace sweep {

/// 16 standard normal inputs -> hidden tanh units -> 8 classes, the largest output wins.
struct teacher {
  static constexpr int inputs = 16, classes = 8;
  int hidden = 32;
  double gain = 1;  ///< standard deviation of a hidden unit's argument
  std::uint64_t seed = 1;

  /// A standard normal number (Box and Muller 1958), a function of the seed, the stream and the element.
  double normal(std::uint32_t stream, std::uint64_t sample, std::uint32_t element) const {
    foal::random_key const key{seed, foal::purpose::synthetic, stream, sample};
    double const u = static_cast<double>(foal::random_unit(key, 2 * element)) + 0x1p-25;
    return std::sqrt(-2 * std::log(u)) *
           std::cos(2 * std::numbers::pi * static_cast<double>(foal::random_unit(key, 2 * element + 1)));
  }

  /// `per_class` training samples and as many test samples of each class: whoever always answers the same is right once in
  /// eight. Points are drawn one after the other, training samples first; one whose class is full is left out.
  task make(int per_class) const {
    std::vector<double> in(static_cast<std::size_t>(hidden * inputs)), out(static_cast<std::size_t>(classes * hidden));
    for (std::size_t i = 0; i < in.size(); ++i)
      in[i] = gain / std::sqrt(inputs) * normal(0, 0, static_cast<std::uint32_t>(i));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = normal(1, 0, static_cast<std::uint32_t>(i));
    std::uint64_t next = 0;
    auto train = draw(per_class, next, in, out), test = draw(per_class, next, in, out);
    return {std::move(train), std::move(test), classes};
  }

 private:
  foal::data::memory<> draw(int per_class, std::uint64_t& next, std::vector<double> const& in,
                            std::vector<double> const& out) const {
    std::vector<float> x;
    std::vector<std::int32_t> y;
    std::vector<int> full(classes, 0);
    while (y.size() < static_cast<std::size_t>(per_class * classes)) {
      float point[inputs];
      for (int i = 0; i < inputs; ++i) point[i] = static_cast<float>(normal(2, next, static_cast<std::uint32_t>(i)));
      ++next;
      int const label = answer(point, in, out);
      if (full[static_cast<std::size_t>(label)] == per_class) continue;
      ++full[static_cast<std::size_t>(label)];
      x.insert(x.end(), point, point + inputs);
      y.push_back(label);
    }
    return {foal::features(inputs), std::move(x), std::move(y)};
  }

  int answer(float const* point, std::vector<double> const& in, std::vector<double> const& out) const {
    std::vector<double> score(classes, 0);
    for (int h = 0; h < hidden; ++h) {
      double a = 0;
      for (int i = 0; i < inputs; ++i) a += in[static_cast<std::size_t>(h * inputs + i)] * static_cast<double>(point[i]);
      for (int c = 0; c < classes; ++c)
        score[static_cast<std::size_t>(c)] += out[static_cast<std::size_t>(c * hidden + h)] * std::tanh(a);
    }
    int best = 0;
    for (int c = 1; c < classes; ++c)
      if (score[static_cast<std::size_t>(c)] > score[static_cast<std::size_t>(best)]) best = c;
    return best;
  }
};

}  // namespace sweep
