// What one worker has of oneDNN: engine, stream, the primitives it has met, and their scratch.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <dnnl.hpp>
#include <unordered_map>
#include <utility>

#include <foal/core/config.hpp>
#include <foal/device/host/memory.hpp>
#include <foal/device/onednn/one_thread.hpp>
#include <foal/device/onednn/own_memory.hpp>
#include <foal/device/onednn/step.hpp>

namespace foal::device::onednn_ops {

/// Which primitive: kind of op and extents; unused numbers are 0.
struct key {
  std::array<int, 10> number{};
  bool operator==(key const&) const = default;
};

struct key_hash {
  std::size_t operator()(key const& k) const {
    std::uint64_t h = 0;
    for (int const n : k.number) h = (h ^ static_cast<std::uint32_t>(n)) * 0x9E3779B97F4A7C15U, h ^= h >> 29U;
    return static_cast<std::size_t>(h);
  }
};

/// An op: its primitive, and where oneDNN wants the weights in a layout of its own (their form), the reorder between the
/// form and the canonical layout. The form lives for one call. Or the word that oneDNN would take memory of its own for it.
struct prepared {
  step compute, reorder;
  std::size_t form_bytes = 0;
  std::uint64_t last_used = 0;
  bool left_to_host = false;
};

/// oneDNN for one thread at a time. Primitives are made when their extents are first met and found again; of more than
/// `most` the one that was not used for longest goes. Which ones are there changes no result. One costs 0.2 to 0.3 ms and
/// about 50 KiB, again (oneDNN keeps the last 1024 of the process itself) 0.01 ms.
///
/// Scratch and forms of the op at work lie in the room given, which is planned; where that is too small, in a block that
/// grows when a primitive is made, and that is counted by bytes_held().
class library {
 public:
  static constexpr std::size_t most = 512;

  /// room: `bytes` bytes, 64-byte aligned, for this object alone. Throws foal::error where oneDNN cannot be held to one
  /// thread, or cannot work on this processor.
  library(void* room, std::size_t bytes) : room_(static_cast<std::byte*>(room)), room_bytes_(bytes) {
    one_thread::require_possible();
    tried("start oneDNN", [&] {
      engine_ = dnnl::engine(dnnl::engine::kind::cpu, 0);
      stream_ = dnnl::stream(engine_);
    });
    known_.reserve(most);
  }
  library(library const&) = delete;
  library& operator=(library const&) = delete;
  ~library() { give_back(); }

  dnnl::engine const& engine() const { return engine_; }
  dnnl::stream const& stream() const { return stream_; }
  std::size_t primitives() const { return known_.size(); }
  product_way products() const { return products_; }
  /// Bytes that this object allocated for scratch and forms beyond the room it was given.
  std::size_t bytes_held() const { return own_ != nullptr ? room_bytes_ : 0; }

  /// The op of these extents; make() gives a `prepared`. Needs a one_thread to live.
  template <class Make>
  prepared& op(key const& k, Make make) {
    auto found = known_.find(k);
    if (found == known_.end()) {
      tried("make a oneDNN primitive", [&] {
        prepared made = make();
        reserve(scratch_bytes(made) + made.form_bytes);
        if (known_.size() >= most) drop_oldest();
        found = known_.emplace(k, std::move(made)).first;
      });
    }
    found->second.last_used = ++clock_;
    return found->second;
  }

  void* scratch() const { return room_; }
  /// The same for at least so many bytes.
  void* scratch(std::size_t bytes) {
    reserve(bytes);
    return room_;
  }
  void* form(prepared const& p) const { return room_ + scratch_bytes(p); }

 private:
  static std::size_t scratch_bytes(prepared const& p) {
    std::size_t const n = std::max(p.compute.scratch_bytes(), p.reorder.scratch_bytes());
    return (n + alignment - 1) / alignment * alignment;
  }

  template <class F>
  static void tried(char const* what, F f) {
    try {
      f();
    } catch (dnnl::error const& e) {
      throw error(sentence("cannot ", what, ", because it gave status ", static_cast<int>(e.status), " (", e.message,
                           "); train on foal::device::host if it persists"));
    }
  }

  void drop_oldest() {
    known_.erase(std::min_element(known_.begin(), known_.end(),
                                  [](auto const& a, auto const& b) { return a.second.last_used < b.second.last_used; }));
  }

  void reserve(std::size_t bytes) {
    if (bytes <= room_bytes_) return;
    void* const larger = host_ops::memory::allocate(bytes);
    give_back();
    own_ = larger;
    room_ = static_cast<std::byte*>(larger);
    room_bytes_ = bytes;
  }
  void give_back() {
    if (own_ != nullptr) host_ops::memory::release(own_);
  }

  std::byte* room_;
  std::size_t room_bytes_;
  void* own_ = nullptr;
  product_way products_ = way_of_products();
  dnnl::engine engine_;
  dnnl::stream stream_;
  std::unordered_map<key, prepared, key_hash> known_;
  std::uint64_t clock_ = 0;
};

}  // namespace foal::device::onednn_ops
