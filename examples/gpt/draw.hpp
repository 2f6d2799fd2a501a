// Chooses the next token of a text among those that texts are made of.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <foal/text/vocabulary.hpp>

namespace gpt {

/// Draws from softmax(scores / temperature) with one random number in [0, 1); temperature 0: the likeliest. Reserved numbers
/// (padding, begin, end, unknown) are no text and are never drawn. Needs a score of one more token at least.
inline std::int32_t draw(std::span<float const> scores, double temperature, double random) {
  auto const tokens = scores.subspan(static_cast<std::size_t>(foal::text::first_token));
  auto const number = [&](auto at) { return static_cast<std::int32_t>(at - tokens.begin()) + foal::text::first_token; };
  auto const best = std::max_element(tokens.begin(), tokens.end());
  if (temperature == 0) return number(best);
  std::vector<double> weight;
  double sum = 0;
  for (float const s : tokens) {
    weight.push_back(std::exp(static_cast<double>(s - *best) / temperature));
    sum += weight.back();
  }
  double left = random * sum;
  for (auto at = tokens.begin(); at != tokens.end(); ++at)
    if ((left -= weight[static_cast<std::size_t>(at - tokens.begin())]) < 0) return number(at);
  return number(best);
}

}  // namespace gpt
