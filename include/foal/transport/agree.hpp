// All processes are about to do the same, or each of them throws.
#pragma once

#include <string_view>

#include <foal/report/fingerprint.hpp>
#include <foal/report/number.hpp>
#include <foal/transport/contract.hpp>

namespace foal::transport {

/// Needs that all processes call it. Throws foal::error in each of them, with one sentence that names the difference and the
/// two processes, unless all have given the same.
template <connects T>
void agree(report::fingerprint const& mine, std::string_view what) {
  if (T::place().count == 1) return;
  std::vector<std::string> const all = T().exchange(report::packed(mine));
  report::fingerprint const first = report::unpacked(all[0]);
  for (std::size_t p = 1; p < all.size(); ++p)
    report::require_same(first, report::unpacked(all[p]), what, {"in process 0", "in process " + report::shortest(p)});
}

}  // namespace foal::transport
