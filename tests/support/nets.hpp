// Small networks, random samples and recorders that the tests of training share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/model/stages.hpp>
#include <foal/trainer/engine.hpp>

namespace foal::test {

inline constexpr int mlp_inputs = 5, mlp_width = 4, mlp_classes = 3;

/// S stages of linear + tanh, the last one linear.
template <int S>
struct mlp : stages<input<mlp_inputs>, repeat<S - 1, linear<mlp_width>, tanh>, linear<mlp_classes>> {};
template <>
struct mlp<1> : stages<input<mlp_inputs>, linear<mlp_classes>> {};

inline std::vector<int> mlp_widths(int stages) {
  std::vector<int> width(static_cast<std::size_t>(stages) + 1, mlp_width);
  width.front() = mlp_inputs;
  width.back() = mlp_classes;
  return width;
}

/// An endless stream: sample i of the run is drawn from i alone, so cuts into microbatches do not matter.
struct stream {
  int features = mlp_inputs, classes = mlp_classes, samples = 2;  ///< samples: M
  long long poisoned = -1;                                        ///< this sample's first feature is NaN

  template <class S>
  void inputs(long long microbatch, S* x, S*) const {
    for (int i = 0; i < samples; ++i) {
      long long const ordinal = microbatch * samples + i;
      random_key const key{7, purpose::user, 0, static_cast<std::uint64_t>(ordinal)};
      for (int e = 0; e < features; ++e)
        x[i * features + e] = 2 * static_cast<S>(random_unit(key, static_cast<std::uint32_t>(e))) - 1;
      if (ordinal == poisoned) x[i * features] = std::numeric_limits<S>::quiet_NaN();
    }
  }
  template <class T>
  void targets(long long microbatch, T* t) const {
    for (int i = 0; i < samples; ++i) {
      random_key const key{7, purpose::user, 1, static_cast<std::uint64_t>(microbatch * samples + i)};
      t[i] = static_cast<T>(random_word(key, 0) % static_cast<std::uint32_t>(classes));
    }
  }
};

/// The first samples of a stream, as a source.
struct first_samples {
  long long count = 24;
  stream from{.samples = 1};

  long long size() const { return count; }
  shape sample() const { return features(from.features); }
  int target_size() const { return 1; }
  int classes() const { return from.classes; }
  template <class S>
  void write_sample(long long i, S* x) const {
    from.inputs(i, x, static_cast<S*>(nullptr));
  }
  template <class T>
  void write_target(long long i, T* t) const {
    from.targets(i, t);
  }
};

/// What a predictor's outputs score on the first samples of a stream: mean cross-entropy and how many are right.
struct score {
  double loss = 0;
  int right = 0;
};
template <class Predictor>
score score_of(Predictor& p, first_samples const& data, int microbatch_size) {
  score result;
  p.predict(stream{.samples = microbatch_size}, data.size() / microbatch_size,
            [&](long long m, auto const* y, shape of, int samples) {
              for (int i = 0; i < samples; ++i, y += of.size()) {
                std::int32_t target = 0;
                data.write_target(m * samples + i, &target);
                double sum = 0;
                for (int c = 0; c < of.size(); ++c) sum += std::exp(static_cast<double>(y[c]));
                result.loss += std::log(sum) - static_cast<double>(y[target]);
                result.right += std::max_element(y, y + of.size()) - y == target ? 1 : 0;
              }
            });
  result.loss /= static_cast<double>(data.size());
  return result;
}

/// Every stage's weights after each of its updates, as bytes, and the versions that F and B read.
class recorder {
 public:
  explicit recorder(int stages) : bytes_(static_cast<std::size_t>(stages)), reads_(static_cast<std::size_t>(stages)) {}
  recorder(recorder const&) = delete;

  executor::observer observer() {
    return {this,
            [](void* self, executor::bound_stage const& b) {
              auto& to = static_cast<recorder*>(self)->bytes_[static_cast<std::size_t>(b.number)];
              std::size_t const scalar = static_cast<recorder*>(self)->scalar_bytes;
              for (auto const& p : b.table->parameters) {
                auto const* const from = b.w + static_cast<std::size_t>(p.offset) * scalar;
                to.insert(to.end(), from, from + static_cast<std::size_t>(p.size) * scalar);
              }
            },
            [](void* self, int stage, long long microbatch, long long forward, long long backward) {
              auto& to = static_cast<recorder*>(self)->reads_[static_cast<std::size_t>(stage)];
              to.push_back({microbatch, forward, backward});
            }};
  }

  std::vector<std::vector<std::byte>> const& bytes() const { return bytes_; }
  /// Of one stage: microbatch, version read by F, version read by B, in the order of the backward passes.
  struct read {
    long long microbatch, forward, backward;
    bool operator==(read const&) const = default;
  };
  std::vector<std::vector<read>> const& reads() const { return reads_; }

  /// A stage's weights after update v + 1, as numbers.
  template <class S>
  std::vector<S> after(int stage, std::size_t v, std::size_t size) const {
    std::vector<S> w(size);
    std::memcpy(w.data(), bytes_[static_cast<std::size_t>(stage)].data() + v * size * sizeof(S), size * sizeof(S));
    return w;
  }

  std::size_t scalar_bytes = sizeof(double);

 private:
  std::vector<std::vector<std::byte>> bytes_;
  std::vector<std::vector<read>> reads_;
};

}  // namespace foal::test
