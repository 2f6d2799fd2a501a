// Whether a model takes ragged microbatches: sequences one after the other, without padding.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/data/layout.hpp>
#include <foal/model/stages.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

/// The name of the first layer that takes sequences only padded, or "loss"; null: nothing does.
template <model Net, class Loss>
constexpr char const* what_pads() {
  auto const& d = Net::description;
  for (int i = 0; i < d.size; ++i) {
    model_row const& r = d.row[i];
    if (r.kind != foal::detail::item_kind::layer || r.info->ragged) continue;
    if (r.in.axis > 0 || r.read_shape[0].axis > 0 || r.read_shape[1].axis > 0) return r.info->name;
  }
  if constexpr (!requires { requires Loss::ragged; })
    if (d.output.axis > 0) return "loss";
  return nullptr;
}

/// Ragged where the model takes it: nothing is computed for padding.
template <model Net, class Loss>
constexpr data::layout best_layout() {
  return what_pads<Net, Loss>() == nullptr ? data::layout::ragged : data::layout::padded;
}

/// Segments are cut from padded ones.
template <model Net, class Loss>
data::layout layout(table::run_tables const& t) {
  return t.segments > 1 ? data::layout::padded : best_layout<Net, Loss>();
}

/// Throws foal::error if the microbatches are ragged and the model takes only padded ones.
template <model Net, class Loss>
void check_ragged(bool ragged, std::string const& model) {
  if constexpr (constexpr char const* pads = what_pads<Net, Loss>(); pads != nullptr)
    require(
        !ragged, "cannot run ", model, " on ragged microbatches, because its ", pads,
        " takes sequences only padded; give padded ones, or, if it takes every position alone, declare ragged = true in it");
}

}  // namespace foal::lower
