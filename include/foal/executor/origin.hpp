// Where a loss that is not finite began: the first layer, in the order of the model, whose output was not.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <foal/executor/memory.hpp>
#include <foal/executor/phase_end.hpp>

namespace foal::executor {

namespace detail {

/// Looks at what a unit keeps of a microbatch from F to B. Needs that F of it has been run and B has not.
class kept_outputs {
 public:
  kept_outputs(table::run_tables const& t, bound_stage const& b, std::uint32_t m, int samples)
      : t_(t), b_(b), m_(m), samples_(samples) {}

  /// Of the stage, or of the one that sends to it.
  divergence::origin first() const {
    if (b_.forward_only || (b_.facts.head >= 0 && !b_.begins_recompute_group())) return {};  // it keeps nothing
    table::stage_table const& s = *b_.table;
    for (std::size_t x = 0; x < s.tensors.size(); ++x)
      if (s.tensors[x].where == table::place::wire_in && bad(x))
        return b_.number > 0 ? divergence::origin{b_.number - 1, "output"} : divergence::origin{0, "input of the model"};
    if (b_.facts.head >= 0) return {};
    std::string name;
    for (table::step const& step : s.forward) {
      if (step.what == table::step::kind::layer) {
        table::layer_row const& l = s.layers[static_cast<std::size_t>(step.layer)];
        name = sentence("output of ", l.number, '.', l.name);
      }
      auto const y = static_cast<std::size_t>(step.y);
      if (step.y >= 0 && s.tensors[y].where == table::place::kept && bad(y)) return {b_.number, std::move(name)};
    }
    return {};
  }

 private:
  bool bad(std::size_t x) const {
    table::tensor const& t = b_.table->tensors[x];
    ring at = b_.forward_tensors[x];
    for (evicted_arrays::one const& a : b_.evicted.arrays)
      if (a.tensor == x && b_.evicted.has(m_)) at = a.away;
    if (t.code.coded() || t.type != t_.types.activations || t.sample.rank == 0 || t.last == until::forward) return false;
    auto const n = static_cast<std::size_t>(t.count(samples_, b_.lengths_of(m_)));
    void const* const host = b_.offload == nullptr ? nullptr : b_.offload->host_copy(m_, at.at(m_));
    if (host != nullptr) {  // its backward will not be run: there is room where that would read it
      at = b_.tensors[x];
      t_.device.copy_in(b_.device, at.at(m_), host, t.bytes(samples_));
    }
    return at.base != nullptr && !t_.device.all_finite(b_.device, n, at.at(m_));
  }

  table::run_tables const& t_;
  bound_stage const& b_;
  std::uint32_t m_;
  int samples_;
};

}  // namespace detail

/// As far as the stages that are hosted here tell; nothing where the phase has ended otherwise. Needs that all workers are
/// at their end, and devices, too.
inline divergence::origin origin_of(phase_end const& end, run_memory const& memory, table::run_tables const& t) {
  if (!end.failure || end.failure->microbatch < 0) return {};
  auto const m = static_cast<std::uint32_t>(end.failure->microbatch);
  for (bound_stage const& b : memory.stages()) {
    if (b.worker < 0 || b.replica != end.failure->replica) continue;
    if (divergence::origin from = detail::kept_outputs(t, b, m, memory.microbatch_size()).first(); from.stage >= 0)
      return from;
  }
  return {};
}

/// Of what several processes have found: the first stage, and of that what names a layer.
inline divergence::origin first_of(std::vector<divergence::origin> const& all) {
  divergence::origin first;
  for (divergence::origin const& o : all) {
    bool const before = first.stage < 0 || o.stage < first.stage || (o.stage == first.stage && first.what == "output");
    if (o.stage >= 0 && before) first = o;
  }
  return first;
}

}  // namespace foal::executor
