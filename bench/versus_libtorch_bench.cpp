// Training an MLP 784-512-512-10 on one thread: foal against libtorch's eager mode. versus_libtorch_bench [--json FILE]
// [--rounds N]
//
// Both start from the same weights and see the same batches of 64; momentum 0.9; in eight microbatches of 8 with their
// gradients added up, and for information as whole batches. Every round trains some minibatches with one, then with the
// other. The losses of the first minibatches must agree to 1e-4.
//
// libtorch is held to one thread. Its products are the installed BLAS's: for its best install libopenblas0 (with the
// reference BLAS it is several times slower, and the figures say nothing). OpenBLAS is told neither to use threads nor to
// take this processor for another one: both are environment variables, read when it is loaded, so the program starts itself
// again.
#include <dlfcn.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/schedule/sequential.hpp>
#include <foal/trainer.hpp>

#include "support/outcome.hpp"

// After foal's headers: libtorch defines macros.
#include <ATen/core/ivalue.h>  // first: the others use it before they include it
#include <torch/nn/functional/loss.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/sgd.h>
#include <torch/types.h>
#include <torch/version.h>

extern "C" void sgemm_();

namespace {

constexpr int inputs = 784, classes = 10, batch = 64;
constexpr long long batches = 32;  // different ones
constexpr double rate = 0.005, momentum = 0.9;

struct mlp : foal::stages<foal::input<inputs>, foal::linear<512>, foal::relu, foal::linear<512>, foal::relu,
                          foal::linear<classes>> {};
using run = foal::trainer<mlp, foal::loss::cross_entropy, foal::schedule::sequential, foal::optim::momentum,
                          foal::executor::single_thread>;

/// Rows of numbers in [0, 1) with labels that depend on them.
struct data_set {
  std::vector<float> x = std::vector<float>(static_cast<std::size_t>(batches * batch * inputs));
  std::vector<std::int32_t> y = std::vector<std::int32_t>(static_cast<std::size_t>(batches * batch));

  data_set() {
    foal::random_key const key{1, foal::purpose::user, 0, 0};
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = static_cast<float>(foal::random_unit(key, static_cast<std::uint32_t>(i)));
    for (std::size_t i = 0; i < y.size(); ++i) y[i] = static_cast<std::int32_t>(x[i * inputs] * classes);
  }
};

/// The data as foal asks for it: microbatch m in the run.
struct feed {
  data_set const& data;
  int size;  // of a microbatch
  std::size_t first(long long m) const { return static_cast<std::size_t>(m * size % (batches * batch)); }
  void inputs(long long m, float* x, float*) const {
    std::copy_n(data.x.data() + first(m) * ::inputs, static_cast<std::size_t>(size) * ::inputs, x);
  }
  void targets(long long m, std::int32_t* t) const {
    std::copy_n(data.y.data() + first(m), static_cast<std::size_t>(size), t);
  }
};

/// The same network in libtorch's eager mode.
class eager {
 public:
  eager(run const& start, data_set const& data, int microbatch_size)
      : size_(microbatch_size),
        x_(torch::from_blob(const_cast<float*>(data.x.data()), {batches * batch, inputs}).clone()),
        y_(torch::from_blob(const_cast<std::int32_t*>(data.y.data()), {batches * batch}, torch::kInt32).to(torch::kInt64)),
        layer_{torch::nn::Linear(inputs, 512), torch::nn::Linear(512, 512), torch::nn::Linear(512, classes)},
        optimizer_(parameters(), torch::optim::SGDOptions(rate).momentum(momentum)) {
    torch::NoGradGuard const no_gradient;
    for (int i = 0; i < 3; ++i) {
      std::vector<float> const w = start.weights(i, 0), b = start.weights(i, 1);
      auto const outputs = static_cast<long long>(b.size()), width = static_cast<long long>(w.size()) / outputs;
      auto& l = layer_[static_cast<std::size_t>(i)];
      l->weight.copy_(torch::from_blob(const_cast<float*>(w.data()), {width, outputs}).t());
      l->bias.copy_(torch::from_blob(const_cast<float*>(b.data()), {outputs}));
    }
  }

  /// Trains; adds the mean loss of each minibatch to `losses` if that is not null.
  void train(int minibatches, std::vector<double>* losses = nullptr) {
    int const n = batch / size_;
    for (int k = 0; k < minibatches; ++k, ++minibatch_) {
      for (torch::Tensor p : parameters()) p.mutable_grad().reset();  // so the first microbatch need not add
      double sum = 0;
      for (int j = 0; j < n; ++j) {
        long long const first = minibatch_ % batches * batch + j * size_;
        torch::Tensor const h = torch::relu(layer_[1](torch::relu(layer_[0](x_.narrow(0, first, size_)))));
        torch::Tensor const loss = torch::nn::functional::cross_entropy(layer_[2](h), y_.narrow(0, first, size_)) / n;
        loss.backward();
        if (losses != nullptr) sum += loss.item<double>();
      }
      optimizer_.step();
      if (losses != nullptr) losses->push_back(sum);
    }
  }

 private:
  std::vector<torch::Tensor> parameters() {
    std::vector<torch::Tensor> all;
    for (auto& l : layer_) all.insert(all.end(), {l->weight, l->bias});
    return all;
  }

  int size_;
  long long minibatch_ = 0;
  torch::Tensor x_, y_;
  std::vector<torch::nn::Linear> layer_;
  torch::optim::SGD optimizer_;
};

struct pair {
  run ours;
  eager theirs;
  feed source;

  pair(data_set const& data, int microbatch_size)
      : ours({.microbatch_size = microbatch_size,
              .microbatches = batch / microbatch_size,
              .optim = {.momentum = momentum},
              .lr = {.rate = rate},
              .evaluation = false}),
        theirs(ours, data, microbatch_size),
        source{data, microbatch_size} {}

  std::vector<double> train(int minibatches) {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    auto const result = ours.run(source, request);
    std::vector<double> mean(static_cast<std::size_t>(minibatches), 0);
    std::size_t const n = result.losses.size() / mean.size();
    for (std::size_t i = 0; i < result.losses.size(); ++i) mean[i / n] += result.losses[i].sum / batch;
    return mean;
  }
};

void measure(bench::outcome& out, data_set const& data, int microbatch_size, int rounds, double bound) {
  pair p(data, microbatch_size);
  constexpr int compared = 40, timed = 20;
  std::vector<double> theirs;
  std::vector<double> const ours = p.train(compared);
  p.theirs.train(compared, &theirs);
  double apart = 0;
  for (std::size_t k = 0; k < compared; ++k) apart = std::max(apart, std::abs(ours[k] - theirs[k]));
  foal::require(apart <= 1e-4, "cannot compare foal with libtorch, because their losses differ by ", apart, " within ",
                compared, " minibatches, and 1e-4 is allowed");

  double const samples = timed * batch;
  auto const rates = bench::take_turns(
      rounds, [&] { return samples / bench::seconds_of([&] { p.train(timed); }); },
      [&] { return samples / bench::seconds_of([&] { p.theirs.train(timed); }); });
  std::string const name = microbatch_size == batch ? "whole batch: " : "microbatch 8: ";
  out.add(name + "largest difference of losses", {apart, apart, apart}, "");
  out.add(name + "foal", bench::spread_of(rates[0]), "samples/s");
  out.add(name + "libtorch", bench::spread_of(rates[1]), "samples/s");
  bench::spread const ratio = bench::ratio_of(rates[0], rates[1]);
  if (bound > 0)
    out.at_least(name + "foal / libtorch", ratio, "", bound);
  else
    out.add(name + "foal / libtorch", ratio, "");
}

/// The file that libtorch's products come from.
std::string blas() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&sgemm_), &info) == 0 || info.dli_fname == nullptr) return "unknown BLAS";
  return std::filesystem::canonical(info.dli_fname).string();
}

}  // namespace

int main(int argc, char** argv) {
  char const* const threads = std::getenv("OPENBLAS_NUM_THREADS");
  if (std::getenv("OPENBLAS_CORETYPE") != nullptr || threads == nullptr || std::string_view(threads) != "1") {
    unsetenv("OPENBLAS_CORETYPE");
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    execv("/proc/self/exe", argv);
  }
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 11);
    at::set_num_threads(1);
    foal::executor::pin_to_cpu(0);
    bench::outcome out("versus_libtorch_bench", options);
    std::printf("libtorch %s, products by %s\n", TORCH_VERSION, blas().c_str());
    data_set const data;
    // Debian's reference BLAS: against it anything wins.
    bool const reference = blas().find("/blas/libblas.so") != std::string::npos;
    if (reference) std::printf("the bound is not judged, because this is the reference BLAS; install libopenblas0\n");
    measure(out, data, 8, options.rounds, reference ? 0 : 1.7);
    measure(out, data, batch, options.rounds, 0);
    return out.finish();
  });
}
