// ResNet-50 in its 107 stages on a part of CIFAR-10: cuda_curve synchronous|pipemare MICROBATCHES SECONDS FOLDER FILE
//
// FOLDER: CIFAR-10's binary version. FILE gets a line of JSON an epoch. Minibatches of 64 images; after SECONDS it begins no
// other epoch.
#include <foal/data/cifar10.hpp>
#include <foal/zoo/resnet.hpp>

#include "cuda/curve.cuh"
#include "cuda/gpu.cuh"

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    std::string const method = argc > 1 ? argv[1] : "";
    foal::require(argc == 6 && (method == "synchronous" || method == "pipemare"), "cannot start with ", argc - 1,
                  " arguments; give synchronous or pipemare, microbatches that divide 64, seconds, a folder and a file");
    int const n = std::atoi(argv[2]);
    foal::require(n > 0 && 64 % n == 0, "cannot cut minibatches of 64 images into ", argv[2],
                  " microbatches; give a number that divides 64");
    auto const images = foal::data::cifar10(argv[4]);
    bench::on_cuda::curve_plan const plan{.microbatches = n,
                                          .microbatch_size = 64 / n,
                                          .workers = 4,
                                          .epochs = 1000,
                                          .seconds = std::atof(argv[3]),
                                          .metrics = argv[5]};
    std::puts(bench::on_cuda::gpu().c_str());
    auto const report = bench::on_cuda::train_curve<foal::zoo::resnet50<>, foal::device::cuda_tf32>(
        method == "pipemare", plan, images.train, images.test);
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
