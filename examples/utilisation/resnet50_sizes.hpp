// Models of 107 stages with the stage sizes of ResNet-50, or with equal ones, and no arithmetic: for times and memory.
#pragma once

#include <array>
#include <utility>

#include <foal/layer/contract.hpp>
#include <foal/model/stages.hpp>

namespace utilisation {

/// A layer of so many weights that passes its input on. Its weights are read in backward, as those of a product are: a
/// schedule with stashed versions keeps them, T2 extrapolates them. Its gradient is 0.
template <int Parameters>
struct sized {
  static constexpr char const* name = "sized";
  static constexpr foal::until input_kept = foal::until::W;
  static constexpr bool in_place = true;

  static constexpr foal::shape output(foal::shape in) { return in; }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"weight", foal::features(Parameters), {}, true}};
  }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const>, S* y, foal::saved<S>) {
    pass(ctx, x, y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const>, foal::saved<S>, S* dx) {
    pass(ctx, dy, dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, foal::saved<S>, foal::weights<S>) {}

 private:
  template <class C, class S>
  static void pass(C& ctx, S const* from, S* to) {
    if (from != to) ctx.device.copy(to, from, static_cast<std::size_t>(ctx.in.size() * ctx.samples) * sizeof(S));
  }
};

inline constexpr int stages = 107;

/// Weights of ResNet-50 (He et al. 2016, table 1) for the 10 classes of CIFAR-10, module by module: 53 convolutions without
/// bias, each followed by its batch norm (scale and shift), and the classifier.
constexpr std::array<int, stages> resnet50_sizes() {
  std::array<int, stages> size{};
  std::size_t next = 0;
  auto const convolution = [&](int in, int out, int kernel) {
    size[next++] = in * out * kernel * kernel;
    size[next++] = 2 * out;
  };
  convolution(3, 64, 7);
  int in = 64;
  constexpr int blocks[] = {3, 4, 6, 3};
  for (int group = 0; group < 4; ++group) {
    int const width = 64 << group;
    for (int block = 0; block < blocks[group]; ++block) {
      convolution(in, width, 1);
      convolution(width, width, 3);
      convolution(width, 4 * width, 1);
      if (block == 0) convolution(in, 4 * width, 1);  // the projection of the skip connection
      in = 4 * width;
    }
  }
  size[next++] = in * 10 + 10;
  return size;
}

constexpr std::array<int, stages> equal_sizes() {
  std::array<int, stages> size{};
  for (int& s : size) s = 1 << 16;
  return size;
}

constexpr long long total(std::array<int, stages> const& sizes) {
  long long sum = 0;
  for (int const s : sizes) sum += s;
  return sum;
}
static_assert(total(resnet50_sizes()) == 23'528'522);

/// Activations of 16 elements: one cache line for a microbatch of one sample in float.
using activations = foal::input<16>;

// A stage's weights are read in its backward where something below wants a gradient. Below stage 0 is nothing, so foal does
// not keep old versions of its weights. Counts that take every stage alike need one small layer with weights below them.
template <bool ReadInStage0, int First>
struct first_stage {
  using type = foal::stage<sized<First>>;
};
template <int First>
struct first_stage<true, First> {
  using type = foal::stage<sized<1>, sized<First>>;
};

template <bool ReadInStage0, class Indices>
struct models;
template <bool ReadInStage0, std::size_t... I>
struct models<ReadInStage0, std::index_sequence<I...>> {
  using resnet50 = foal::stages<activations, typename first_stage<ReadInStage0, resnet50_sizes()[0]>::type,
                                sized<resnet50_sizes()[I + 1]>...>;
  using equal =
      foal::stages<activations, typename first_stage<ReadInStage0, equal_sizes()[0]>::type, sized<equal_sizes()[I + 1]>...>;
};
template <bool ReadInStage0>
using models_of = models<ReadInStage0, std::make_index_sequence<stages - 1>>;

struct resnet50 : models_of<false>::resnet50 {};
struct equal : models_of<false>::equal {};
struct resnet50_all_read : models_of<true>::resnet50 {};
struct equal_all_read : models_of<true>::equal {};

static_assert(foal::stage_count<resnet50> == stages && foal::stage_count<resnet50_all_read> == stages &&
              foal::stage_count<equal> == stages && foal::stage_count<equal_all_read> == stages);

}  // namespace utilisation
