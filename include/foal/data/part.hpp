// Which part of a data set is in memory: of several processes each needs what its stages read.
#pragma once

#include <string_view>

#include <foal/core/error.hpp>

namespace foal::data {

/// A source that lacks a part has its sizes all the same, and says so with loaded().
enum class part : unsigned char { none = 0, inputs = 1, targets = 2, both = 3 };

constexpr part part_of(bool inputs, bool targets) {
  return inputs ? (targets ? part::both : part::inputs) : (targets ? part::targets : part::none);
}
constexpr bool has_inputs(part p) { return p == part::inputs || p == part::both; }
constexpr bool has_targets(part p) { return p == part::targets || p == part::both; }

/// Of a source that does not say it: both.
template <class Source>
constexpr part loaded_part(Source const& from) {
  if constexpr (requires { from.loaded(); })
    return from.loaded();
  else
    return part::both;
}

namespace detail {

/// what: "inputs" or "targets". Throws where they have been asked for all the same.
inline void require_loaded(bool there, std::string_view what, long long index) {
  require(there, "cannot give the ", what, " of sample ", index, ", because this process has not loaded the ", what,
          " of its data; load them where trainer::wants_", what, "() says that they are read");
}

}  // namespace detail

}  // namespace foal::data
