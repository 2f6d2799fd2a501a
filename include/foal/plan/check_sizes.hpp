// Whether the sizes of a run can be computed with: rows of an array in an int, bytes of a plan in 62 bits.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string_view>

#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Throws foal::error where an array of `samples` samples has more rows than an int counts, or `slots` slots of every array
/// more bytes than are ever planned: then nothing that is computed from these sizes wraps round. setting: what to make
/// smaller.
inline void check_sizes(table::run_tables const& t, int samples, long long slots, std::string_view setting) {
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<int>::max());
  constexpr std::uint64_t most_bytes = std::uint64_t{1} << 62U;
  auto const m = static_cast<std::uint64_t>(samples);
  std::uint64_t bytes = 0;
  auto const check = [&](shape const& s, std::uint64_t one) {
    // A ragged microbatch is computed with as one sample that has all positions.
    std::uint64_t const rows = saturating_product(m, static_cast<std::uint64_t>(s.axis > 0 ? s.size() : s.positions()));
    require(rows <= most, "cannot compute on ", samples, " samples at a time, because their arrays of ", s.extent[0], " x ",
            s.extent[1], " x ", s.extent[2], " elements would have ", rows, s.axis > 0 ? " elements" : " rows",
            " where at most ", most, " are expected; make ", setting, " smaller");
    bytes = std::min(most_bytes, bytes + std::min(most_bytes, one));
  };
  for (table::stage_table const& s : t.stages) {
    for (table::tensor const& x : s.tensors) check(x.sample, x.bytes(samples));
    for (table::wire_entry const& e : s.wire_in) check(e.extent, e.bytes(samples));
    check(s.output, 0);
  }
  require(saturating_product(bytes, static_cast<std::uint64_t>(slots)) < most_bytes, "cannot plan the memory of ", samples,
          " samples at a time, because up to ", slots, " slots of their ", bytes,
          " bytes of arrays are more than 2^62 bytes; make ", setting, " smaller");
}

}  // namespace foal::executor
