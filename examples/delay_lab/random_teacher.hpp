// Random points and the labels that a random tanh network gives them: as many samples as one likes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/data/memory.hpp>

namespace delay_lab::random_teacher {

inline constexpr int inputs = 16, hidden = 32, classes = 8, tested = 1024;
inline constexpr std::uint64_t teachers_seed = 77;

/// Nearly normal: the sum of four even numbers, scaled to variance 1.
inline float normal(std::uint64_t seed, std::uint32_t stream, std::uint64_t sample, std::uint32_t element) {
  foal::random_key const key{seed, foal::purpose::synthetic, stream, sample};
  float sum = -2;
  for (std::uint32_t i = 0; i < 4; ++i) sum += foal::random_unit(key, 4 * element + i);
  return sum * 1.7320508F;
}

/// Writes the sample's point; how many numbers that are.
inline int point(std::uint64_t seed, std::uint64_t sample, float* x) {
  for (std::uint32_t i = 0; i < inputs; ++i) x[i] = normal(seed, 2, sample, i);
  return inputs;
}

struct weights {
  std::array<float, hidden * inputs> in;
  std::array<float, classes * hidden> out;
  weights() {
    for (std::size_t i = 0; i < in.size(); ++i) in[i] = 0.25F * normal(teachers_seed, 0, 0, static_cast<std::uint32_t>(i));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = normal(teachers_seed, 1, 0, static_cast<std::uint32_t>(i));
  }
};

inline std::int32_t label(float const* x) {
  static weights const w;
  float score[classes]{};
  for (std::size_t h = 0; h < hidden; ++h) {
    float a = 0;
    for (std::size_t i = 0; i < inputs; ++i) a += w.in[h * inputs + i] * x[i];
    float const unit = std::tanh(a);
    for (std::size_t c = 0; c < classes; ++c) score[c] += w.out[c * hidden + h] * unit;
  }
  return static_cast<std::int32_t>(std::max_element(score, score + classes) - score);
}

/// The same samples for every run.
inline foal::data::memory<> const& test() {
  static foal::data::memory<> const all = [] {
    std::vector<float> x(tested * inputs);
    std::vector<std::int32_t> y(tested);
    for (std::size_t i = 0; i < tested; ++i) {
      point(teachers_seed, 1000 + i, x.data() + i * inputs);
      y[i] = label(x.data() + i * inputs);
    }
    return foal::data::memory<>(foal::features(inputs), std::move(x), std::move(y));
  }();
  return all;
}

}  // namespace delay_lab::random_teacher
