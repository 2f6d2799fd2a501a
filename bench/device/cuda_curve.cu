// ResNet-50 in its 107 stages on a part of CIFAR-10.
//
// cuda_curve synchronous|pipemare MICROBATCHES SECONDS IMAGES FOLDER FILE
//
// FOLDER: CIFAR-10's binary version, of whose training images it takes the first so many. FILE gets a line of JSON an epoch.
// Minibatches of 64 images; T3 for the first epoch; after SECONDS it begins no other.
#include <foal/data/cifar10.hpp>
#include <foal/zoo/resnet.hpp>

#include <cstdlib>
#include <utility>
#include <vector>

#include "cuda/curve.cuh"
#include "cuda/gpu.cuh"

namespace {

using kept = foal::data::memory<float, std::int32_t>;

kept first_of(foal::data::split const& all, long long n) {
  auto const size = static_cast<std::size_t>(all.sample().size());
  std::vector<float> x(static_cast<std::size_t>(n) * size);
  std::vector<std::int32_t> y(static_cast<std::size_t>(n));
  for (long long i = 0; i < n; ++i) {
    auto const at = static_cast<std::size_t>(i);
    all.write_sample(i, &x[at * size]);
    all.write_target(i, &y[at]);
  }
  return {all.sample(), std::move(x), std::move(y)};
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    std::string const method = argc > 1 ? argv[1] : "";
    foal::require(
        argc == 7 && (method == "synchronous" || method == "pipemare"), "cannot start with ", argc - 1,
        " arguments; give synchronous or pipemare, microbatches that divide 64, seconds, images, a folder and a file");
    int const n = std::atoi(argv[2]);
    foal::require(n > 0 && 64 % n == 0, "cannot cut minibatches of 64 images into ", argv[2],
                  " microbatches; give a number that divides 64");
    long long const wanted = std::atoll(argv[4]);
    auto const images = foal::data::cifar10(argv[5]);
    foal::require(wanted >= 64 && wanted <= images.train.size(), "cannot train on ", argv[4], " images, because there are ",
                  images.train.size(), "; give 64 to that many");
    bench::on_cuda::curve_plan const plan{.microbatches = n,
                                          .microbatch_size = 64 / n,
                                          .workers = 4,
                                          .epochs = 1000,
                                          .warmup = wanted / 64,
                                          .seconds = std::atof(argv[3]),
                                          .metrics = argv[6]};
    std::puts(bench::on_cuda::gpu().c_str());
    auto const report = bench::on_cuda::train_curve<foal::zoo::resnet50<>, foal::device::cuda_tf32>(
        method == "pipemare", plan, first_of(images.train, wanted), first_of(images.test, images.test.size()));
    for (std::size_t e = 0; e < report.epoch_loss.size(); ++e) {
      bool const there = e < report.evaluations.size();
      std::printf("%s, N %d, epoch %zu: loss %.4f, test loss %.4f, accuracy %.2f %%\n", method.c_str(), n, e + 1,
                  report.epoch_loss[e], there ? report.evaluations[e].loss : 0,
                  there ? 100 * report.evaluations[e].accuracy : 0);
    }
    if (report.diverged) std::printf("%s\n", report.diverged->text().c_str());
    return 0;
  });
}
