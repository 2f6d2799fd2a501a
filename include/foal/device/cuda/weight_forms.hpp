// Weights in bfloat16 that a device object keeps from one update to the next.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/device/cuda/error.hpp>

namespace foal::device::cuda_ops {

/// Forms of the weights of one unit, for one thread at a time. The first op that reads a weight after an update makes its
/// form, in the object's stream; those after it read that.
class weight_forms {
 public:
  enum class layout { rows, turned };
  struct form {
    std::uint16_t* at = nullptr;  ///< null: the weight has none
    bool made = false;            ///< else the caller makes it now
  };

  /// Forms of what lies in `bytes` bytes from `weights` are kept in the room, 16-byte aligned; none is made yet.
  void keep(void const* weights, std::size_t bytes, void* room, std::size_t room_bytes) {
    begin_ = static_cast<std::byte const*>(weights);
    end_ = begin_ + bytes;
    room_ = static_cast<std::uint16_t*>(room);
    left_ = room_bytes / sizeof(std::uint16_t);
    kept_.clear();
  }
  /// All are old.
  void changed() {
    for (one& k : kept_) k.made = false;
  }

  /// That of so many elements of the weight, which is made now if it was not. Of a stream that is being recorded there is
  /// none: what is recorded is done again after updates that nobody tells of.
  form of(cudaStream_t stream, float const* weight, layout lies, std::size_t elements) {
    auto const* const at = reinterpret_cast<std::byte const*>(weight);
    if (at < begin_ || at >= end_) return {};
    cudaStreamCaptureStatus now = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &now), "cudaStreamIsCapturing");
    if (now != cudaStreamCaptureStatusNone) return {};
    auto known = std::find_if(kept_.begin(), kept_.end(),
                              [&](one const& k) { return k.weight == weight && k.lies == lies && k.elements == elements; });
    if (known == kept_.end()) {
      std::size_t const room = (elements + 7) / 8 * 8;
      if (room > left_) return {};
      known = kept_.insert(known, {weight, lies, elements, room_, false});
      room_ += room;
      left_ -= room;
    }
    form const found{known->at, known->made};
    known->made = true;
    return found;
  }

 private:
  struct one {
    float const* weight;
    layout lies;
    std::size_t elements;
    std::uint16_t* at;
    bool made;
  };
  std::byte const *begin_ = nullptr, *end_ = nullptr;
  std::uint16_t* room_ = nullptr;
  std::size_t left_ = 0;
  std::vector<one> kept_;
};

}  // namespace foal::device::cuda_ops
