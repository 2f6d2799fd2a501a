// Opt-in: ranges of NVIDIA's tools (NVTX) around every op, for Nsight Systems. Needs <nvtx3/nvToolsExt.h> of the CUDA
// toolkit (component foal::cuda), and no library.
#pragma once

#include <nvtx3/nvToolsExt.h>

#include <cstddef>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/executor/op_watch.hpp>
#include <foal/schedule/op.hpp>

namespace foal {

/// Names of ranges, "BW stage 3" in the domain "foal", with the microbatch as payload. Give ranges() to a run's request
/// (`.ranges`, in fit() `.hooks.ranges`), and keep the object as long as that runs. A range is around the calls of an op, on
/// its worker's thread; the tool finds what the calls have put on the GPU. Where no tool listens a range costs some
/// nanoseconds. One object serves any number of runs at a time.
class nvtx_ranges {
 public:
  /// Of a model with so many stages; ops of others are called "stage beyond".
  explicit nvtx_ranges(int stages) : stages_(stages), domain_(nvtxDomainCreateA("foal")) {
    require(stages >= 1, "cannot name ranges of ", stages, " stages; give at least 1");
    for (int kind = 0; kind < kinds; ++kind)
      for (int stage = 0; stage < stages; ++stage)
        names_.push_back(nvtxDomainRegisterStringA(
            domain_, sentence(schedule::name(static_cast<schedule::op_kind>(kind)), " stage ", stage).c_str()));
    beyond_ = nvtxDomainRegisterStringA(domain_, "stage beyond");
  }
  nvtx_ranges(nvtx_ranges const&) = delete;
  nvtx_ranges& operator=(nvtx_ranges const&) = delete;
  ~nvtx_ranges() { nvtxDomainDestroy(domain_); }

  executor::op_ranges ranges() {
    return {this,
            [](void* self, schedule::op_kind kind, int stage, int, long long microbatch) {
              static_cast<nvtx_ranges const*>(self)->push(kind, stage, microbatch);
            },
            [](void* self) { nvtxDomainRangePop(static_cast<nvtx_ranges const*>(self)->domain_); }};
  }

 private:
  static constexpr int kinds = static_cast<int>(schedule::op_kind::T) + 1;

  void push(schedule::op_kind kind, int stage, long long microbatch) const {
    nvtxEventAttributes_t range{};
    range.version = NVTX_VERSION;
    range.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
    range.messageType = NVTX_MESSAGE_TYPE_REGISTERED;
    range.message.registered =
        stage < stages_ ? names_[static_cast<std::size_t>(static_cast<int>(kind) * stages_ + stage)] : beyond_;
    range.payloadType = NVTX_PAYLOAD_TYPE_INT64;
    range.payload.llValue = microbatch;
    nvtxDomainRangePushEx(domain_, &range);
  }

  int stages_;
  nvtxDomainHandle_t domain_;
  std::vector<nvtxStringHandle_t> names_;  ///< by kind, then by stage
  nvtxStringHandle_t beyond_ = nullptr;
};

}  // namespace foal
