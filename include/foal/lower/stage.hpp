// Lowers the rows of a model to stages: which entries cross between them, and one table for each.
#pragma once

#include <vector>

#include <foal/lower/stage_builder.hpp>

namespace foal::lower {

/// Lowers a model's rows, in order, stage by stage. split: W is an op of its own, so output gradients are kept until W.
/// segments: an op works on the longest of so many segments of a sequence.
inline std::vector<stage_table> lower_stages(model_row const* whole, int size, int stages,
                                             foal::detail::input_list const& inputs, bool split,
                                             layer_functions const* functions, element_types const& types = {},
                                             int segments = 1) {
  using detail::live_entry;
  std::vector<model_row> cut(whole, whole + size);
  for (model_row& r : cut) {
    r.in = segment_of(r.in, segments);
    r.out = segment_of(r.out, segments);
    for (shape& other : r.read_shape) other = segment_of(other, segments);
  }
  model_row const* const rows = cut.data();
  std::vector<std::vector<live_entry>> ends(static_cast<std::size_t>(stages) + 1);
  std::vector<int> begin(static_cast<std::size_t>(stages) + 1, size);
  live_entry entry[most_entries]{};
  bool open[most_entries]{};
  for (int e = 0; e < inputs.count; ++e) {
    entry[e] = {e, segment_of(inputs.sample[e], segments), false};
    open[e] = true;
  }
  auto const snapshot = [&] {
    std::vector<live_entry> now;
    for (int e = 0; e < most_entries; ++e)
      if (open[e]) now.push_back(entry[e]);
    return now;
  };
  int stage = -1;
  for (int i = 0; i < size; ++i) {
    while (stage < rows[i].stage) {
      ++stage;
      begin[static_cast<std::size_t>(stage)] = i;
      ends[static_cast<std::size_t>(stage)] = snapshot();
    }
    model_row const& r = rows[i];
    if (r.kind == foal::detail::item_kind::save) {
      open[r.entry] = true;
      entry[r.entry] = entry[r.source];
      entry[r.entry].entry = r.entry;
    } else if (r.kind == foal::detail::item_kind::layer) {
      entry[r.entry] = {r.entry, r.out, r.gradient_wanted(), r.info->exact};
    } else {  // add or load
      open[r.entry] = false;
      entry[0] = {0, r.in, r.wanted || (r.kind == foal::detail::item_kind::add && r.source_wanted), entry[r.entry].exact};
    }
    for (int e = 1; e < most_entries; ++e)
      if (r.closes_entry(e)) open[e] = false;
  }
  ends.back() = snapshot();

  std::vector<stage_table> all;
  std::vector<until> gradients;
  std::vector<detail::layer_parameters> homes(static_cast<std::size_t>(size));
  for (int s = 0; s < stages; ++s) {
    auto const i = static_cast<std::size_t>(s);
    detail::stage_builder builder(rows, whole, segments, begin[i], begin[i + 1], s, s == stages - 1, split, functions, types,
                                  homes);
    stage_table t = builder.build(ends[i], ends[i + 1]);
    for (std::size_t e = 0; e < gradients.size(); ++e) t.wire_in[e].gradient_last = gradients[e];
    gradients.clear();
    if (s + 1 < stages)
      for (std::size_t e = 0; e < ends[i + 1].size(); ++e) gradients.push_back(builder.gradient_kept(static_cast<int>(e)));
    all.push_back(std::move(t));
  }
  for (int s = 0; s < stages; ++s) {
    stage_table const& t = all[static_cast<std::size_t>(s)];
    for (std::size_t p = 0; p < t.parameters.size(); ++p)
      if (t.parameters[p].kind == ownership::borrowed)
        all[static_cast<std::size_t>(t.parameters[p].home_stage)].loans.push_back(
            {t.parameters[p].home, s, static_cast<int>(p)});
  }
  return all;
}

}  // namespace foal::lower
