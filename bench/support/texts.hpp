// Pairs of texts of random tokens, for benchmarks of the Transformer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/tensor/shape.hpp>

namespace bench {

/// Pairs of texts that are gone through again and again, padded to the longest, with their weights: the Transformer's
/// batches.
struct texts {
  static constexpr int count = 8, longest = 24, vocabulary = 8000;
  int minibatch;
  std::vector<std::int32_t> source, target_in, target;  ///< [count * minibatch, longest]; padding 0, in `target` -100
  std::vector<int> source_length, target_length;

  explicit texts(int minibatch_size) : minibatch(minibatch_size) {
    auto const samples = static_cast<std::size_t>(count * minibatch);
    source.assign(samples * longest, 0);
    target_in = source;
    target.assign(samples * longest, -100);
    for (std::size_t s = 0; s < samples; ++s) {
      foal::random_key const key{2, foal::purpose::user, 0, s};
      auto const draw = [&](std::uint32_t i, std::uint32_t below) {
        return static_cast<std::int32_t>(foal::random_word(key, i) % below);
      };
      // The first sample of every minibatch is as long as can be, so all minibatches have the same extents.
      bool const first = s % static_cast<std::size_t>(minibatch) == 0;
      source_length.push_back(first ? longest : longest / 2 + draw(0, longest / 2));
      target_length.push_back(first ? longest : longest / 2 + draw(1, longest / 2));
      for (std::uint32_t p = 0; p < longest; ++p) {
        std::size_t const at = s * longest + p;
        if (static_cast<int>(p) < source_length[s]) source[at] = 4 + draw(2 + p, vocabulary - 4);
        if (static_cast<int>(p) >= target_length[s]) continue;
        target_in[at] = 4 + draw(100 + p, vocabulary - 4);
        target[at] = 4 + draw(101 + p, vocabulary - 4);
      }
    }
  }
};

/// The texts as foal asks for them: microbatch m in the run.
struct text_feed {
  texts const& data;
  int size;  // of a microbatch
  bool lies_ragged;

  bool ragged() const { return lies_ragged; }
  void sample_lengths(long long m, int axis, int* n) const {
    for (std::size_t i = 0; i < static_cast<std::size_t>(size); ++i) n[i] = length(first(m) + i, axis);
  }
  int length(std::size_t sample, int axis) const { return (axis == 1 ? data.source_length : data.target_length)[sample]; }
  std::size_t first(long long m) const {
    return static_cast<std::size_t>(m * size % (static_cast<long long>(texts::count) * data.minibatch));
  }
  foal::lengths_of_axes lengths(long long m) const {
    foal::lengths_of_axes n;
    for (std::size_t i = first(m); i < first(m) + static_cast<std::size_t>(size); ++i)
      for (int axis : {1, 2}) n.length[axis - 1] = std::max(n.length[axis - 1], length(i, axis));
    return n;
  }
  template <class From, class To>
  void copy(long long m, int axis, From const& from, To* to) const {
    int const longest = lengths(m).length[axis - 1];
    for (std::size_t i = first(m); i < first(m) + static_cast<std::size_t>(size); ++i)
      for (int p = 0; p < (lies_ragged ? length(i, axis) : longest); ++p)
        *to++ = static_cast<To>(from[i * texts::longest + static_cast<std::size_t>(p)]);
  }
  void inputs(long long m, int entry, float* x) const {
    if (entry == 1)
      for (int i = 0; i < size; ++i) x[i] = static_cast<float>(data.source_length[first(m) + static_cast<std::size_t>(i)]);
    else
      copy(m, entry == 0 ? 1 : 2, entry == 0 ? data.source : data.target_in, x);
  }
  void targets(long long m, std::int32_t* t) const { copy(m, 2, data.target, t); }
  double weight(long long minibatch) const {
    double sum = 0;
    for (int i = 0; i < data.minibatch; ++i)
      sum += data.target_length[static_cast<std::size_t>(minibatch % texts::count * data.minibatch + i)];
    return sum;
  }
};

}  // namespace bench
