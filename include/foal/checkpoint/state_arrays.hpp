// The weights part of a checkpoint: which tensors it has, and where each is in the arrays of a run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/safetensors_content.hpp>
#include <foal/checkpoint/transposed.hpp>
#include <foal/executor/memory.hpp>

namespace foal::checkpoint {

/// One tensor: part of an array of a stage, whose number says nothing in a file.
struct named_array {
  std::string name;
  executor::array_id in{};
  element type = element::float32;
  std::size_t offset = 0, size = 0;  ///< bytes, elements
  array_layout layout{};
  bool state = false;  ///< of the optimizer or the delay policy: it may be absent, and begins as zeros then
  bool here = true;    ///< this process saves it; else another one does, and of what replicas share out each its pieces

  std::size_t bytes() const { return bytes_of(type, static_cast<long long>(size)); }
  std::size_t element_bytes() const { return dtype_of(type) == nullptr ? 1 : bytes_of(type, 1); }
  std::string dtype() const {
    char const* const known = dtype_of(type);
    return known == nullptr ? "U8" : known;
  }
};

/// Parameters and statistics under their names, which count layers over the whole model, in PyTorch's layouts; then the
/// optimizer's states and those of the delay policy, in the layout of their parameter where they have its size. Of the
/// stages of which a replica is hosted here; the process of the first one saves them. order: null leaves every array in
/// foal's.
inline std::vector<named_array> named_arrays(table::run_tables const& t, executor::run_memory const& memory,
                                             layouts const* order) {
  using executor::array_purpose;
  std::vector<named_array> all;
  for (std::size_t s = 0; s < t.stages.size(); ++s) {
    std::size_t unit = s;
    while (unit < t.units() && memory.stages()[unit].worker < 0) unit += t.stages.size();
    if (unit >= t.units()) continue;
    executor::bound_stage const& b = memory.stages()[unit];
    auto const add = [&](std::string name, table::parameter_row const& p, array_purpose what, int entry, element type,
                         long long offset, long long size) {
      named_array a{std::move(name), {static_cast<int>(s), what, entry}, type, bytes_of(type, offset), 0, {}, false};
      a.size = static_cast<std::size_t>(size);
      a.here = unit == s;
      a.state = what == array_purpose::optimizer_state || what == array_purpose::delay_state;
      if (size != p.size)
        a.layout.shape = {static_cast<std::uint64_t>(size)};
      else if (order != nullptr)
        a.layout = order->of(p.number, p.what);
      else
        for (int d = 0; d < p.what.extent.rank; ++d)
          a.layout.shape.push_back(static_cast<std::uint64_t>(p.what.extent.extent[d]));
      if (dtype_of(type) == nullptr) a.layout = {.shape = {a.bytes()}};  // of no type that others know
      all.push_back(std::move(a));
    };
    auto const state = [&](char const* prefix, int k, table::parameter_row const& p) {
      return prefix + std::to_string(k) + "." + p.name;
    };
    for (table::parameter_row const& p : t.stages[s].parameters) {
      if (p.home_stage >= 0) continue;
      add(p.name, p, array_purpose::weights, 0, p.type, p.offset, p.size);
      if (p.kind != table::ownership::trained || t.phases.back().inference) continue;
      for (int k = 0; k < t.policies.optimizer_states; ++k)
        if (p.state_size[k] > 0)
          add(state(optimizer_prefix, k, p), p, array_purpose::optimizer_state, k, t.types.optimizer, p.state_offset[k],
              p.state_size[k]);
      for (int k = 0; b.has_delay_states && k < t.policies.delay_states; ++k)
        if (b.delay_acts_on(p))
          add(state(delay_prefix, k, p), p, array_purpose::delay_state, k, t.types.delay,
              b.delay_packed ? p.backward_offset : p.offset, p.size);
    }
    for (table::parameter_row const& p : t.stages[s].buffers)
      if (p.home_stage < 0) add(p.name, p, array_purpose::statistics, 0, p.type, p.offset, p.size);
  }
  return all;
}

/// Names of the parameters and statistics of all stages.
inline std::set<std::string> names_of(table::run_tables const& t) {
  std::set<std::string> all;
  for (table::stage_table const& stage : t.stages)
    for (auto const* const rows : {&stage.parameters, &stage.buffers})
      for (table::parameter_row const& p : *rows)
        if (p.home_stage < 0) all.insert(p.name);
  return all;
}

namespace detail {

/// The bytes of each array that have no name (other stages' copies of what is tied): [begin, end), ascending. Arrays of
/// which nothing has a name are not in it.
inline std::map<executor::array_id, std::vector<std::pair<std::size_t, std::size_t>>> unnamed(
    std::vector<named_array> const& named, std::map<executor::array_id, std::size_t> const& bytes) {
  std::map<executor::array_id, std::vector<std::pair<std::size_t, std::size_t>>> covered, rest;
  for (named_array const& a : named) covered[a.in].emplace_back(a.offset, a.offset + a.bytes());
  for (auto& [id, ranges] : covered) {
    auto const all = bytes.find(id);
    if (all == bytes.end()) continue;
    std::sort(ranges.begin(), ranges.end());
    auto& gaps = rest[id];
    std::size_t at = 0;
    for (auto const& [begin, end] : ranges) {
      if (begin > at) gaps.emplace_back(at, begin);
      at = std::max(at, end);
    }
    if (all->second > at) gaps.emplace_back(at, all->second);
  }
  return rest;
}

}  // namespace detail

}  // namespace foal::checkpoint
