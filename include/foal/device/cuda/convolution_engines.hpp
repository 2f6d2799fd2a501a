// The engines of cuDNN that one device object has found for its convolutions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <foal/device/cuda/convolution_plan.hpp>
#include <foal/device/cuda/error.hpp>
#include <foal/device/cuda/plans.hpp>

namespace foal::device::cuda_ops {

/// Weights [kernel, kernel, channels, filters], which foal has, are turned for cuDNN; see convolution_sizes. For one thread
/// at a time. What is made for a shape when it is first met is kept; that is not while ops are recorded.
class convolution_engines {
  using addresses = std::array<void const*, 3>;  ///< of x, the weights' form and y
  struct pack {
    addresses at{};
    descriptor what;
  };

 public:
  /// A plan, and what names the addresses that it was done at, which cuDNN wants anew for others. A run has few of them.
  struct found {
    convolution_plan plan;
    std::vector<pack> packs;
    std::size_t next = 0;
  };

  /// workspace: 256-byte aligned, on the GPU of the stream.
  convolution_engines(void* workspace, std::size_t bytes, arithmetic how)
      : workspace_(workspace), bytes_(bytes), how_(how) {}

  /// Null where cuDNN has no engine.
  found* find(cudaStream_t stream, convolution_sizes const& s) {
    window const& g = s.g;
    plan_key const key{{static_cast<int>(s.kind), g.height, g.width, g.channels, g.kernel, g.stride, g.padding, s.filters,
                        s.samples, static_cast<int>(s.type), s.alignment}};
    found& f = plans_.of(key, [&] {
      cudaStreamCaptureStatus now = cudaStreamCaptureStatusNone;
      check(cudaStreamIsCapturing(stream, &now), "cudaStreamIsCapturing");
      require(now == cudaStreamCaptureStatusNone, "cannot record a convolution of ", s.samples, " samples of ", g.height,
              " x ", g.width, " x ", g.channels,
              ", because it was not done before, and cuDNN plans it by calls that cannot be recorded; do it once before");
      if (!handle_) handle_.emplace(stream);
      return found{plan_convolution(s, {handle_->get()}, how_, bytes_), {}};
    });
    return f.plan.plan ? &f : nullptr;
  }

  /// Enqueues it; form: the weights, or their gradient, turned.
  void run(found& f, void const* x, void const* form, void const* y) {
    check(cudnnBackendExecute(handle_->get(), f.plan.plan->get(), pack_of(f, {x, form, y}).get()), "cudnnBackendExecute");
  }

 private:
  static constexpr std::size_t most_packs = 64;

  descriptor const& pack_of(found& f, addresses const& at) {
    for (pack const& p : f.packs)
      if (p.at == at) return p.what;
    descriptor made(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    made.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
             std::array<std::int64_t, 3>{static_cast<std::int64_t>(convolution_tensor::x),
                                         static_cast<std::int64_t>(convolution_tensor::weight),
                                         static_cast<std::int64_t>(convolution_tensor::y)});
    made.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, at.size(), at.data());
    made.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace_);
    made.finalise();
    if (f.packs.size() < most_packs) return f.packs.emplace_back(pack{at, std::move(made)}).what;
    pack& oldest = f.packs[f.next++ % most_packs];
    oldest = {at, std::move(made)};
    return oldest.what;
  }

  void* workspace_;
  std::size_t bytes_;
  arithmetic how_;
  std::optional<cudnn_handle> handle_;
  plans<found> plans_;
};

}  // namespace foal::device::cuda_ops
