// All processes are about to do the same, or each of them throws.
#pragma once

#include <string>
#include <string_view>
#include <vector>

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
  std::vector<report::fingerprint> of;
  of.reserve(all.size());
  for (std::string const& text : all) of.push_back(report::unpacked(text));
  for (std::size_t p = 0; p < of.size(); ++p)  // some have items that others do not know
    for (std::size_t q = p + 1; q < of.size(); ++q)
      report::require_same(of[p], of[q], what, {"in process " + report::shortest(p), "in process " + report::shortest(q)});
}

}  // namespace foal::transport
