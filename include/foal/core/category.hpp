// What the bytes of a run are for: one list for plans, facts and reports.
#pragma once

#include <foal/core/config.hpp>

namespace foal {

/// forms: copies of weights in another form than the true one, as F or B reads them (extrapolated by a delay policy);
/// temporaries: what lives within one op, a layer's scratch included, and the libraries' workspace; feedback: what coded
/// wires have lost and will send; statistics: buffers without a gradient; diagnostics: copies that hooks and diagnostics
/// look at; data: microbatches being loaded; offloaded: saved activations in host memory, of which no other has a part.
enum class category {
  weights,
  gradients,
  optimizer,
  delta,
  stash,
  forms,
  temporaries,
  saved,
  wires,
  feedback,
  statistics,
  evaluation,
  diagnostics,
  data,
  offloaded
};
inline constexpr int categories = 15;

constexpr char const* name(category c) {
  constexpr char const* names[categories] = {"weights",    "gradients",   "optimizer",   "delta", "stash",
                                             "forms",      "temporaries", "saved",       "wires", "feedback",
                                             "statistics", "evaluation",  "diagnostics", "data",  "offloaded"};
  return names[static_cast<int>(c)];
}

}  // namespace foal
