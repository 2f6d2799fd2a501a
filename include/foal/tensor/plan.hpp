// The memory plan: every buffer of a run, by worker, stage and purpose, before anything is allocated.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include <foal/core/category.hpp>
#include <foal/core/config.hpp>
#include <foal/tensor/element.hpp>

namespace foal {

/// Bytes rounded up to a whole number of alignments: what a buffer takes, so that the next one is aligned.
constexpr std::size_t padded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

struct plan_entry {
  std::string what;
  category purpose = category::weights;
  int worker = 0, stage = -1;  ///< stage -1: shared by the worker's stages
  std::size_t bytes = 0;
  std::size_t offset = 0;  ///< in the worker's arena, or its host arena
  element type = element::bytes;
  bool on_host = false;  ///< in host memory, which bytes() does not count
};

/// A list of buffers and their places. Entries of one worker lie one after the other, each 64-byte aligned.
class memory_plan {
 public:
  explicit memory_plan(int workers)
      : arena_(static_cast<std::size_t>(workers), 0), host_arena_(static_cast<std::size_t>(workers), 0) {}

  /// Adds a buffer and gives its number. Buffers of no bytes are listed with no bytes.
  std::size_t add(std::string what, category purpose, int worker, int stage, std::size_t bytes,
                  element type = element::bytes) {
    return add_to(arena_, std::move(what), purpose, worker, stage, bytes, type);
  }
  /// The same of a buffer in host memory, of category::offloaded.
  std::size_t add_on_host(std::string what, int worker, int stage, std::size_t bytes, element type) {
    std::size_t const id = add_to(host_arena_, std::move(what), category::offloaded, worker, stage, bytes, type);
    entries_[id].on_host = true;
    return id;
  }

  std::vector<plan_entry> const& entries() const { return entries_; }
  plan_entry const& operator[](std::size_t i) const { return entries_[i]; }
  int workers() const { return static_cast<int>(arena_.size()); }
  std::size_t arena_bytes(int worker) const { return arena_[static_cast<std::size_t>(worker)]; }
  std::size_t host_bytes(int worker) const { return host_arena_[static_cast<std::size_t>(worker)]; }
  std::size_t bytes(category c) const { return total_[static_cast<std::size_t>(c)]; }
  std::size_t bytes() const {
    std::size_t sum = 0;
    for (std::size_t b : arena_) sum += b;
    return sum;
  }

 private:
  std::size_t add_to(std::vector<std::size_t>& arenas, std::string what, category purpose, int worker, int stage,
                     std::size_t bytes, element type) {
    std::size_t& end = arenas[static_cast<std::size_t>(worker)];
    std::size_t const taken = padded(bytes);
    entries_.push_back({std::move(what), purpose, worker, stage, taken, end, type});
    end += taken;
    total_[static_cast<std::size_t>(purpose)] += taken;
    return entries_.size() - 1;
  }

  std::vector<plan_entry> entries_;
  std::vector<std::size_t> arena_, host_arena_;
  std::array<std::size_t, static_cast<std::size_t>(categories)> total_{};
};

/// Packs buffers that live for an interval of steps into one region: first fit by address, in the order given. Returns the
/// size of the region; offset[i] is where buffer i goes.
struct interval_buffer {
  std::size_t bytes = 0;
  int first = 0, last = 0;  ///< steps, inclusive
};
inline std::size_t pack_intervals(std::vector<interval_buffer> const& buffers, std::vector<std::size_t>& offset) {
  std::size_t region = 0;
  offset.assign(buffers.size(), 0);
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    std::size_t const bytes = padded(buffers[i].bytes);
    std::size_t place = 0;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t j = 0; j < i; ++j) {
        std::size_t const other = padded(buffers[j].bytes);
        bool const together = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
        if (together && place < offset[j] + other && offset[j] < place + bytes) {
          place = offset[j] + other;
          moved = true;
        }
      }
    }
    offset[i] = place;
    if (place + bytes > region) region = place + bytes;
  }
  return region;
}

}  // namespace foal
