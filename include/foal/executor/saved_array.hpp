// An array of a run, copied out of its memory: all of it, or what one of several processes has of it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <foal/plan/arrays.hpp>

namespace foal::executor {

/// One slot of an array, or all of one that is no ring (microbatch -1).
struct saved_slot {
  long long microbatch = -1;
  std::vector<std::byte> bytes;
};

struct byte_range {
  std::size_t begin = 0, end = 0;
};

struct saved_array {
  array_id id{};
  std::vector<saved_slot> slots;
  /// Of a share that has not all of it: what its one slot has, ascending, one after the other. Empty: all.
  std::vector<byte_range> has{};
  std::size_t whole = 0;  ///< bytes of all of it then
};

/// Bytes [begin, end) of an array of one slot; null where it has not all of these, which lie in one range.
inline std::byte const* bytes_of(saved_array const& a, byte_range wanted) {
  std::vector<std::byte> const& bytes = a.slots.front().bytes;
  std::size_t at = 0;
  if (a.has.empty()) return wanted.end <= bytes.size() ? bytes.data() + wanted.begin : nullptr;
  for (byte_range const& r : a.has) {
    if (r.begin <= wanted.begin && wanted.end <= r.end) return bytes.data() + at + (wanted.begin - r.begin);
    at += r.end - r.begin;
  }
  return nullptr;
}

/// Adds what another share has of the same array. What both have is taken from the first.
inline void join(saved_array& to, saved_array const& from) {
  if (to.has.empty()) return;
  if (from.has.empty()) {
    to = from;
    return;
  }
  std::vector<std::pair<byte_range, std::byte const*>> all;
  for (saved_array const* a : {&std::as_const(to), &from})
    for (byte_range const& r : a->has)
      if (a == &to || bytes_of(to, r) == nullptr) all.emplace_back(r, bytes_of(*a, r));
  std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.first.begin < b.first.begin; });
  std::vector<byte_range> has;
  std::vector<std::byte> bytes;
  for (auto const& [r, at] : all) {
    bytes.insert(bytes.end(), at, at + (r.end - r.begin));
    if (!has.empty() && has.back().end == r.begin)
      has.back().end = r.end;
    else
      has.push_back(r);
  }
  to.slots.front().bytes = std::move(bytes);
  if (has.size() == 1 && has.front().begin == 0 && has.front().end == to.whole) has.clear();
  to.has = std::move(has);
}

}  // namespace foal::executor
