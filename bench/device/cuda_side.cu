// foal's side of versus_pytorch.py: cuda_side images|texts MINIBATCH MICROBATCH float32|tf32|bf16 FOLDER
//
// ResNet-50 on images of CIFAR's size, GPT of 124M parameters on windows of 1024 tokens. It writes what the other side needs
// to FOLDER, and trains when it is told to (support/turns.hpp). FOAL_RECORDED=1: minibatches are graphs, but for the first
// one of each turn, which is called, and the next ones, as many as there are recordings, which are recorded.
#include "../support/resnet50.hpp"
#include "cuda/gpu.cuh"
#include "cuda/sides.cuh"

namespace {

struct gpt_124m : foal::zoo::gpt<foal::zoo::gpt_size{.dropout_percent = 0, .tanh_gelu = true}> {};

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    auto const side = bench::on_cuda::side_of<bench::resnet50, gpt_124m>({argv + 1, argv + argc});
    std::puts((bench::on_cuda::gpu() + "; " + bench::machine()).c_str());
    bench::take_turns_with_others([&](int minibatches) { return side->train(minibatches); });
    return 0;
  });
}
