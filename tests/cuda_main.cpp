// Runs the CUDA tests, or says that they are skipped where no GPU can be used.
#define CATCH_CONFIG_RUNNER
#include <cuda_runtime_api.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>

int main(int argc, char* argv[]) {
  Catch::Session session;
  if (int const refused = session.applyCommandLine(argc, argv); refused != 0) return refused;
  auto const& config = session.configData();
  if (!config.listTests && !config.listTestNamesOnly && !config.listTags && !config.listReporters) {
    int devices = 0;
    cudaError_t const status = cudaGetDeviceCount(&devices);
    if (status == cudaErrorInsufficientDriver || status == cudaErrorNoDevice) {
      auto const wanted =
          Catch::filterTests(Catch::getAllTestCasesSorted(session.config()), session.config().testSpec(), session.config());
      std::printf("skipped: %zu test cases, because no GPU can be used (%s)\n", wanted.size(), cudaGetErrorString(status));
      return 77;
    }
  }
  // Catch2 returns the number of failures, which could be 77.
  int const failures = session.run();
  return config.listTestNamesOnly ? failures : std::min(failures, 1);
}
