// ResNets: stages and parameters as published, blocks against PyTorch's numbers, bits on any workers and recomputed.
#include <algorithm>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/blocks.hpp>
#include <foal/zoo/resnet.hpp>

#include <catch2/catch.hpp>

#include "resnet_reference.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using zoo::imagenet, zoo::resnet_size, zoo::residual_block;

// Convolutions, as many norms, and the classifier; parameters as in torchvision's models.
static_assert(stage_count<zoo::resnet50<>> == 53 + 53 + 1);
static_assert(stage_count<zoo::resnet50<imagenet>> == 107 && parameter_count<zoo::resnet50<imagenet>>() == 25'557'032);
static_assert(stage_count<zoo::resnet152<imagenet>> == 155 + 155 + 1);
static_assert(parameter_count<zoo::resnet152<imagenet>>() == 60'192'808);
// 2048 features for 10 classes, and a stem of 3 x 3 instead of 7 x 7.
static_assert(parameter_count<zoo::resnet50<>>() == 25'557'032 - 2049 * 990 - 3 * 64 * 40);
// 269,722 without the two projections (16 to 32 and 32 to 64 channels) and their norms.
static_assert(stage_count<zoo::resnet20<>> == 21 + 21 + 1);
static_assert(parameter_count<zoo::resnet20<>>() == 269'722 + 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64);
static_assert(parameter_count<zoo::resnet20<resnet_size{.groups = 8}>>() == parameter_count<zoo::resnet20<>>());
// Published: 41 million multiply-adds, and 4.1 thousand million (2 operations each); norms and pools count a little, too.
static_assert(forward_flops<zoo::resnet20<>>() > 80'000'000 && forward_flops<zoo::resnet20<>>() < 90'000'000);
static_assert(forward_flops<zoo::resnet50<imagenet>>() > 8'000'000'000 &&
              forward_flops<zoo::resnet50<imagenet>>() < 8'500'000'000);

/// The layers with weights of one stage.
template <class Net>
constexpr std::string_view layer_of(int stage) {
  for (int i = 0; i < Net::description.size; ++i)
    if (Net::description.row[i].stage == stage && Net::description.row[i].parameters > 0)
      return Net::description.row[i].info->name;
  return "";
}
template <class Net>
constexpr shape output_of(int stage) {
  shape out{};
  for (int i = 0; i < Net::description.size; ++i)
    if (Net::description.row[i].stage == stage && Net::description.row[i].parameters > 0) out = Net::description.row[i].out;
  return out;
}
template <class Net>
constexpr bool alternates() {
  for (int s = 0; s + 1 < stage_count<Net>; ++s)
    if (layer_of<Net>(s) != (s % 2 == 0 ? "conv" : "batch_norm")) return false;
  return layer_of<Net>(stage_count<Net> - 1) == "linear";
}
static_assert(alternates<zoo::resnet20<>>() && alternates<zoo::resnet50<>>() && alternates<zoo::resnet152<>>());

// Bottleneck 0 of a group: 1 x 1, 3 x 3 with the stride, 1 x 1, and behind them the projection.
static_assert(output_of<zoo::resnet50<>>(22) == image(128, 32, 32) && output_of<zoo::resnet50<>>(24) == image(128, 16, 16) &&
              output_of<zoo::resnet50<>>(26) == image(512, 16, 16) && output_of<zoo::resnet50<>>(28) == image(512, 16, 16));
static_assert(output_of<zoo::resnet50<>>(105) == image(2048, 4, 4));
static_assert(output_of<zoo::resnet50<imagenet>>(0) == image(64, 112, 112));
static_assert(output_of<zoo::resnet50<imagenet>>(2) == image(64, 56, 56));  // after the pool
static_assert(output_of<zoo::resnet50<imagenet>>(105) == image(2048, 7, 7));

/// Passes its input on, and remembers the gradient that comes back: that of the model's input.
struct witness {
  static constexpr char const* name = "witness";
  inline static std::vector<double> gradient{};

  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape) { return {parameter{"none", features(1), {}, false}}; }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S>) {
    std::copy_n(x, ctx.samples * ctx.in.size(), y);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S>, S* dx) {
    std::copy_n(dy, ctx.samples * ctx.in.size(), dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S>, weights<S>) {
    gradient.assign(dy, dy + ctx.samples * ctx.in.size());
  }
};

/// Not a loss but a given gradient: its targets are d(loss)/d(output). Remembers the output.
struct given_gradient {
  using role = foal::role::loss;
  using target = void;
  [[maybe_unused]] static constexpr char const* name = "given_gradient";
  inline static std::vector<double> output{};

  static constexpr int targets(shape out) { return out.size(); }
  static constexpr double weight(shape, int samples) { return samples; }
  template <class C>
  loss::loss_result apply(C& ctx, double const* x, double const* t, double, double* dx) const {
    output.assign(x, x + ctx.samples * ctx.in.size());
    std::copy_n(t, output.size(), dx);
    return {0, static_cast<double>(ctx.samples), 0};
  }
};

/// The inputs and weights of tests/support/torch_reference_resnet.py, in PyTorch's order.
std::vector<double> numbers(std::size_t n, int stream) {
  std::vector<double> out(n);
  for (std::size_t i = 0; i < n; ++i)
    out[i] = static_cast<double>((i * i * 31 + i * 17 + static_cast<std::size_t>(stream) * 53) % 101) / 101 - 0.5;
  return out;
}

/// [a, b, c] as [a, c, b]: PyTorch's images [samples, channels, positions] with the channels last, or back.
std::vector<double> swapped(std::vector<double> const& from, std::size_t a, std::size_t b, std::size_t c) {
  std::vector<double> to(from.size());
  for (std::size_t i = 0; i < a; ++i)
    for (std::size_t j = 0; j < b; ++j)
      for (std::size_t k = 0; k < c; ++k) to[(i * c + k) * b + j] = from[(i * b + j) * c + k];
  return to;
}
/// PyTorch's weight [out, in, row, column] as [row, column, in, out].
std::vector<double> kernel(std::vector<double> const& w, shape extent) {
  auto const places = static_cast<std::size_t>(extent.extent[0] * extent.extent[1]);
  auto const in = static_cast<std::size_t>(extent.extent[2]), out = static_cast<std::size_t>(extent.extent[3]);
  std::vector<double> to(w.size());
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      for (std::size_t p = 0; p < places; ++p) to[(p * in + i) * out + o] = w[(o * in + i) * places + p];
  return to;
}

double error_of(std::vector<double> const& got, double const* wanted) {
  double worst = 0;
  for (std::size_t i = 0; i < got.size(); ++i) worst = std::max(worst, std::abs(got[i] - wanted[i]));
  return worst;
}

/// One step with rate 1 of a block behind a witness; compares everything with PyTorch's numbers.
template <class Net>
struct block_check {
  static constexpr int samples = 2;
  static constexpr shape in = Net::description.input, out = Net::description.output;
  using run = trainer<Net, given_gradient, schedule::gpipe, scalar<double>, executor::single_thread>;

  struct batch {
    int stream;
    void inputs(long long, double* x, double*) const { fill(x, in, stream); }
    void targets(long long, double* t) const { fill(t, out, stream + 1); }
    static void fill(double* to, shape s, int stream) {
      auto const positions = static_cast<std::size_t>(s.height() * s.width());
      auto const channels = static_cast<std::size_t>(s.channels());
      auto const all = swapped(numbers(samples * channels * positions, stream), samples, channels, positions);
      std::copy(all.begin(), all.end(), to);
    }
  };
  struct convolution {
    double const *weight, *gamma, *beta, *mean, *variance;
  };

  static std::vector<double> channels_first(std::vector<double> const& x, shape s) {
    return swapped(x, samples, static_cast<std::size_t>(s.height() * s.width()), static_cast<std::size_t>(s.channels()));
  }

  static shape extent(int stage, std::size_t parameter) {
    for (int i = 0; i < Net::description.size; ++i)
      if (auto const& row = Net::description.row[i]; row.stage == stage && row.parameters > 0)
        return row.info->parameters(row.in)[static_cast<int>(parameter)].extent;
    return {};
  }

  static void against(std::vector<convolution> const& wanted, double const* y, double const* dx, int stream) {
    REQUIRE(run::stages == 1 + 2 * static_cast<int>(wanted.size()));
    run t({.microbatch_size = samples, .microbatches = 1, .lr = {.rate = 1.0F}});
    auto const rows = [&](int stage) { return t.tables().stages[static_cast<std::size_t>(stage)].parameters; };
    std::vector<std::vector<std::vector<double>>> before(static_cast<std::size_t>(run::stages));
    int next = stream + 2;
    for (int s = 1; s < run::stages; ++s)
      for (std::size_t p = 0; p < rows(s).size(); ++p) {
        auto v = numbers(t.weights(s, p).size(), next++);
        if (rows(s)[p].name.find("gamma") != std::string::npos)
          for (double& x : v) x += 1;
        if (extent(s, p).rank == 4) v = kernel(v, extent(s, p));
        t.set_weights(s, p, v);
        before[static_cast<std::size_t>(s)].push_back(v);
      }
    t.run(batch{stream}, {.minibatches = 1});
    CHECK(error_of(channels_first(given_gradient::output, out), y) < 1e-8);
    CHECK(error_of(channels_first(witness::gradient, in), dx) < 1e-8);
    for (std::size_t c = 0; c < wanted.size(); ++c) {
      INFO("convolution " << c);
      int const conv = 1 + 2 * static_cast<int>(c), norm = conv + 1;
      auto const gradient = [&](int stage, std::size_t p) {
        auto g = before[static_cast<std::size_t>(stage)][p];
        auto const after = t.weights(stage, p);
        for (std::size_t i = 0; i < g.size(); ++i) g[i] -= after[i];
        return g;
      };
      auto const dw = gradient(conv, 0);
      CHECK(
          error_of(dw, kernel(std::vector<double>(wanted[c].weight, wanted[c].weight + dw.size()), extent(conv, 0)).data()) <
          1e-8);
      CHECK(error_of(gradient(norm, 0), wanted[c].gamma) < 1e-8);
      CHECK(error_of(gradient(norm, 1), wanted[c].beta) < 1e-8);
      CHECK(error_of(t.statistics(norm, 0), wanted[c].mean) < 1e-8);
      CHECK(error_of(t.statistics(norm, 1), wanted[c].variance) < 1e-8);
    }
  }
};

struct basic
    : stages<input<3, 4, 5>, witness, zoo::resnet_block<residual_block::basic, zoo::resnet_block_size{.channels = 3}>> {};
struct bottleneck : stages<input<6, 5, 6>, witness,
                           zoo::resnet_block<residual_block::bottleneck,
                                             zoo::resnet_block_size{.channels = 2, .stride = 2, .projects = true}>> {};

// Two projections, one of them with a stride, and a block without one.
constexpr resnet_size tiny_size{.channels = 1, .height = 8, .width = 8, .classes = 3};
struct tiny : zoo::resnet<residual_block::bottleneck, 4, tiny_size, 1, 2> {};
static_assert(stage_count<tiny> == 2 * (1 + 4 + 4 + 3) + 1);

template <class Schedule, class... More>
using run = trainer<tiny, loss::cross_entropy, Schedule, optim::momentum, More...>;

template <class Run>
std::vector<float> trained(int workers) {
  Run t({.microbatch_size = 3, .microbatches = 2, .workers = workers, .lr = {.rate = 0.02F}});
  test::stream const data{.features = 64, .samples = 3};
  t.run(data, {.minibatches = 6});
  auto all = t.all_weights();
  for (std::size_t i = 0; i < 2; ++i)
    for (float v : t.statistics(7, i)) all.push_back(v);
  return all;
}

template <class Run>
void check_bits_on_workers() {
  auto const one = trained<Run>(1);
  CHECK(std::all_of(one.begin(), one.end(), [](float w) { return std::isfinite(w); }));
  for (int workers : {2, 3, 5, Run::stages}) CHECK(trained<Run>(workers) == one);
}

}  // namespace

TEST_CASE("ResNet blocks give PyTorch's outputs, gradients and running statistics", "[resnet]") {
  using namespace test::reference;
  block_check<basic>::against({{basic_conv0, basic_gamma0, basic_beta0, basic_mean0, basic_variance0},
                               {basic_conv1, basic_gamma1, basic_beta1, basic_mean1, basic_variance1}},
                              basic_y, basic_dx, 10);
  block_check<bottleneck>::against(
      {{bottleneck_conv0, bottleneck_gamma0, bottleneck_beta0, bottleneck_mean0, bottleneck_variance0},
       {bottleneck_conv1, bottleneck_gamma1, bottleneck_beta1, bottleneck_mean1, bottleneck_variance1},
       {bottleneck_conv2, bottleneck_gamma2, bottleneck_beta2, bottleneck_mean2, bottleneck_variance2},
       {bottleneck_conv3, bottleneck_gamma3, bottleneck_beta3, bottleneck_mean3, bottleneck_variance3}},
      bottleneck_y, bottleneck_dx, 40);
}

TEST_CASE("A small ResNet trains to the same bits on any number of workers", "[resnet]") {
  check_bits_on_workers<run<schedule::gpipe>>();
  check_bits_on_workers<run<schedule::pipemare, delay::discrepancy_correction>>();
}

TEST_CASE("Recomputation of a ResNet is bit-equal in a synchronous schedule, statistics included", "[resnet]") {
  CHECK(trained<run<schedule::recomputed<schedule::gpipe>>>(1) == trained<run<schedule::gpipe>>(1));
}
