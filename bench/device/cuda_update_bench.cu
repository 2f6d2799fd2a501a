// The update of weights on a GPU in one kernel. cuda_update_bench [--json FILE] [--rounds N]
#include "cuda/gpu.cuh"
#include "cuda/update.cuh"

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("cuda_update_bench", options, bench::on_cuda::gpu());
    // What the second cache holds, for information; and what no cache holds.
    bench::on_cuda::measure_update(out, std::size_t{1} << 20U, options.rounds, 100, 0);
    for (std::size_t const n : {std::size_t{1} << 24U, std::size_t{1} << 27U})
      bench::on_cuda::measure_update(out, n, options.rounds, 10, n > std::size_t{1} << 25U ? 0.9 : 0);
    return out.finish();
  });
}
