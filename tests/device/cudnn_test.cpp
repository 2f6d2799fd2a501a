// cuDNN itself, asked without a GPU: what foal's graphs are is something that it takes, and it names an engine that adds in
// one order for all of them. Nothing is computed.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <catch2/catch.hpp>
#include <foal/device/cuda/convolution_plan.hpp>
#include <string>
#include <string_view>

/// For the address sanitizer: cuBLASLt and NVRTC, which some engines begin, keep what they made.
extern "C" char const* __lsan_default_suppressions() { return "leak:libcublasLt.so\nleak:libnvrtc.so"; }

namespace {

/// cuDNN loads NVRTC for a while, again and again: what leaks has a name where the library is still there.
[[maybe_unused]] void* const nvrtc =
    dlopen(("libnvrtc.so." + std::to_string(CUDART_VERSION / 1000)).c_str(), RTLD_LAZY | RTLD_NODELETE);

using namespace foal::device::cuda_ops;
using foal::element;
using foal::device::window;

/// What cuDNN knows of an H200.
constexpr std::string_view h200 =
    R"({"deviceName":"NVIDIA H200","cudaDeviceId":0,"deviceVer":900,"driverVer":13000,"totalGlobalMem":150000000000,
"multiProcessorCount":132,"maxGridSize":[2147483647,65535,65535],"maxBlockSize":[1024,1024,64],"regsPerBlock":65536,
"smClockRateKHz":1980000,"memClockRateKHz":3201000,"l2CacheSize":52428800,"warpSize":32,"maxSharedMemoryPerBlock":49152,
"maxSharedMemoryPerBlockOptin":232448,"reservedSharedMemoryPerBlock":1024,"maxRegistersPerSM":65536,"pciDeviceId":0,
"maxCtasPerSM":32,"maxThreadsPerBlock":1024,"maxThreadsPerSM":2048,"isTccDriver":0,"supportCoopLaunch":1})";

descriptor properties() {
  descriptor p(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  p.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR, h200.size(), h200.data());
  p.finalise();
  return p;
}

constexpr std::size_t workspace = std::size_t{32} << 20U;
constexpr convolution_kind kinds[] = {convolution_kind::forward, convolution_kind::input_gradient,
                                      convolution_kind::weight_gradient};

struct problem {
  window g;
  int filters, samples;
};

}  // namespace

TEST_CASE("cuDNN has an engine that adds in one order for every convolution", "[device]") {
  descriptor const gpu = properties();
  // height, width, channels, kernel, stride, padding; filters, samples
  for (problem const& p :
       {problem{{8, 8, 16, 3, 1, 1}, 16, 3}, problem{{9, 7, 20, 3, 2, 1}, 47, 2}, problem{{3, 4, 6, 1, 1, 1}, 8, 2},
        problem{{5, 5, 2, 2, 3, 0}, 3, 2}, problem{{2, 3, 4, 3, 1, 2}, 5, 1}, problem{{1, 1, 5, 3, 2, 1}, 1, 4},
        problem{{11, 10, 4, 5, 3, 2}, 9, 2}, problem{{32, 32, 3, 3, 1, 1}, 64, 128}, problem{{32, 32, 64, 3, 1, 1}, 64, 8},
        problem{{8, 8, 512, 3, 2, 1}, 512, 1}}) {
    for (convolution_kind const kind : kinds)
      for (element const type : {element::float32, element::float64, element::bfloat16})
        for (int const alignment : {16, type == element::bfloat16 ? 16 : static_cast<int>(bytes_of(type))}) {
          CAPTURE(p.g.height, p.g.width, p.g.channels, p.g.kernel, p.filters, static_cast<int>(kind), name(type), alignment);
          auto const how = type == element::bfloat16 ? arithmetic::bf16 : arithmetic::whole;
          auto const plan =
              plan_convolution({kind, p.g, p.filters, p.samples, type, alignment}, {nullptr, gpu.get()}, how, workspace);
          CHECK(plan.plan);
          CHECK(plan.workspace_bytes <= workspace);
        }
  }
}

TEST_CASE("TF32 brings engines of tensor cores, and only it", "[device]") {
  using detail::serves;
  CHECK(serves({}, arithmetic::whole));
  CHECK(serves({CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}, arithmetic::whole));
  CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, arithmetic::whole));
  CHECK(serves({CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, arithmetic::tf32));
  CHECK(serves({CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, arithmetic::bf16));
  CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, arithmetic::bf16));
  for (auto const how : {arithmetic::whole, arithmetic::tf32, arithmetic::bf16}) {
    CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, how));
    CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION}, how));
    CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_WINOGRAD}, how));
    CHECK_FALSE(serves({CUDNN_NUMERICAL_NOTE_FFT}, how));
  }
  // An input gradient where the first engine of either is another: one needs more workspace.
  descriptor const gpu = properties();
  convolution_sizes const s{convolution_kind::input_gradient, {9, 7, 20, 3, 2, 1}, 47, 2};
  auto const whole = plan_convolution(s, {nullptr, gpu.get()}, arithmetic::whole, workspace),
             rounded = plan_convolution(s, {nullptr, gpu.get()}, arithmetic::tf32, workspace);
  REQUIRE((whole.plan && rounded.plan));
  CHECK(whole.workspace_bytes != rounded.workspace_bytes);
}

TEST_CASE("cuDNN refuses what is no graph, and foal says so", "[device]") {
  descriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  CHECK_THROWS_WITH(tensor.finalise(), Catch::Contains("cannot do cudnnBackendFinalize, because cuDNN gave CUDNN_STATUS_"));
  convolution_sizes const s{convolution_kind::forward, {4, 4, 3, 3, 1, 1}, 5, 2};
  CHECK_THROWS_WITH(plan_convolution(s, {}, arithmetic::whole, workspace),
                    Catch::Contains("cannot do cudnnBackendSetAttribute of attribute 204"));  // of no GPU
}
