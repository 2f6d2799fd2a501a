// What a library has prepared for ops, found again by the op's numbers.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include <foal/core/config.hpp>

namespace foal::device::cuda_ops {

/// Which op: its kind and extents; unused numbers are 0.
struct plan_key {
  std::array<int, 12> number{};
  bool operator==(plan_key const&) const = default;
};

struct plan_key_hash {
  std::size_t operator()(plan_key const& k) const {
    std::uint64_t h = 0;
    for (int const n : k.number) h = (h ^ static_cast<std::uint32_t>(n)) * 0x9E3779B97F4A7C15U, h ^= h >> 29U;
    return static_cast<std::size_t>(h);
  }
};

/// Plans of one object, for one thread at a time. One is made when its op is first met, which warm-up is there for, and kept
/// as long as the object: a recorded op may be done again at any time.
template <class Plan>
class plans {
 public:
  /// The plan of these numbers; make() gives it where there is none.
  template <class Make>
  Plan& of(plan_key const& k, Make make) {
    auto found = known_.find(k);
    if (found == known_.end()) found = known_.emplace(k, make()).first;
    return found->second;
  }
  std::size_t size() const { return known_.size(); }

 private:
  std::unordered_map<plan_key, Plan, plan_key_hash> known_;
};

}  // namespace foal::device::cuda_ops
