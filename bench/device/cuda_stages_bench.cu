// An asynchronous pipeline of fine stages against a flushed one on one GPU.
//
// cuda_stages_bench FOLDER [--json FILE] [--rounds N]    FOLDER gets the traces, for ui.perfetto.dev
//
// FOAL_RECORDED=1: one worker has periods done as graphs, and leaves out the traces.
#include "cuda/gpu.cuh"
#include "cuda/stages.cuh"

int main(int argc, char** argv) {
  using namespace bench::on_cuda;
  return bench::run_benchmark([&] {
    foal::require(argc >= 2, "cannot start, because no folder is given for the traces; give one that exists");
    bench::options const options(argc - 1, argv + 1, 3);
    bench::outcome out("cuda_stages_bench", options, gpu());
    for (int const workers : {1, 8})
      for (int const n : {8, 16}) {
        stages_plan plan{.microbatches = n, .workers = workers, .traces = argv[1]};
        if (workers == 1) plan.record = wanted_recording();
        compare_stages<fine_mlp<32, 512>>(out, plan, options.rounds);
        compare_stages<fine_mlp<107, 512>>(out, plan, options.rounds);
      }
    return out.finish();
  });
}
