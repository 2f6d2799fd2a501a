// Segments of sequences: which one an op works on, and how it is cut from what a source gives whole.
#pragma once

#include <cstring>

#include <foal/executor/bound_stage.hpp>

namespace foal::executor {

/// The segment that is pass m of a unit, of a sequence of which the longest segment has the shape s.
inline segment_range segment_at(table::run_tables const& t, bound_stage const& b, shape s, std::uint32_t m) {
  segment_range of{static_cast<int>(m % static_cast<std::uint32_t>(t.segments)), t.segments, s.positions() * t.segments};
  if (s.axis > 0) of.whole = b.lengths.at(m).whole(s.axis);
  return of;
}

/// Of a B: whether it is that of the first segment, the last one to come.
inline bool begins_microbatch(table::run_tables const& t, std::uint32_t pass) {
  return pass % static_cast<std::uint32_t>(t.segments) == 0;
}

/// Copies a segment of `samples` sequences that lie whole in `from`, `one` bytes a position. Host memory.
inline void cut_segment(segment_range of, int samples, std::size_t one, std::byte const* from, std::byte* to) {
  std::size_t const bytes = static_cast<std::size_t>(of.positions(of.number)) * one;
  for (int i = 0; i < samples; ++i, from += static_cast<std::size_t>(of.whole) * one, to += bytes)
    std::memcpy(to, from + static_cast<std::size_t>(of.first()) * one, bytes);
}

/// Tells a layer's call which segment is there, and one that carries where the earlier ones have what they kept.
inline void give_segment(table::layer_call& c, table::run_tables const& t, bound_stage& b, table::layer_row const& l,
                         int layer, std::uint32_t m) {
  c.segment = segment_at(t, b, l.in, m);
  if (!l.carries) return;
  std::vector<void*>& at = b.earlier[static_cast<std::size_t>(layer)];
  std::size_t place = 0;
  for (auto i = static_cast<std::uint32_t>(c.segment.number); i > 0; --i) {
    at[place++] = b.tensors[static_cast<std::size_t>(l.x)].at(m - i);
    for (int e = 0; e < l.entries; ++e) at[place++] = b.tensors[static_cast<std::size_t>(l.entry[e])].at(m - i);
  }
  c.earlier = {at.data(), 1 + l.entries};
}

}  // namespace foal::executor
