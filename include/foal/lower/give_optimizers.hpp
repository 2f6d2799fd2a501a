// Which optimizer updates which parameter, with which arrays beside it; asked once, before a run.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <foal/policy/optim/concept.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower::detail {

/// The last layer that has parameters: its global number.
inline int head_of(std::vector<table::stage_table> const& stages) {
  int head = -1;
  for (table::stage_table const& s : stages)
    for (table::parameter_row const& p : s.parameters) head = std::max(head, p.number);
  return head;
}

/// Calls f(row, view) for every parameter of a stage.
template <class F>
void each_parameter(std::vector<table::stage_table>& stages, std::size_t s, int head, F f) {
  for (table::parameter_row& p : stages[s].parameters)
    f(p, optim::parameter_view{stages[s].layers[static_cast<std::size_t>(p.layer)].name, p.what.name, p.what.extent,
                               p.number, static_cast<int>(s), static_cast<int>(stages.size()), p.what.read_in_backward,
                               p.number == head});
}

/// Asks an optimizer for the factors of every parameter that it updates. Throws foal::error where they cannot work.
template <class Optimizer>
void give_rules(std::vector<table::stage_table>& stages, Optimizer const& optimizer) {
  int const head = head_of(stages);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    stages[s].most_rule = {0, 0};
    each_parameter(stages, s, head, [&](table::parameter_row& p, optim::parameter_view const& view) {
      p.rule = optimizer.rule(view);
      auto const works = [](double factor) { return std::isfinite(factor) && factor >= 0; };
      require(works(p.rule.rate_factor) && works(p.rule.decay_factor), "cannot update ", p.name,
              ", because the optimizer's rule gives it the factors ", p.rule.rate_factor, " of the rate and ",
              p.rule.decay_factor, " of the weight decay; give numbers from 0 up");
      optim::parameter_rule& most = stages[s].most_rule;
      most = {std::max(most.rate_factor, p.rule.rate_factor), std::max(most.decay_factor, p.rule.decay_factor)};
    });
  }
}

/// Asks for the number of every parameter's optimizer. Throws foal::error where there is none of it.
template <class Optimizer>
void choose_optimizers(std::vector<table::stage_table>& stages, Optimizer const& optimizer) {
  int const head = head_of(stages);
  for (std::size_t s = 0; s < stages.size(); ++s)
    each_parameter(stages, s, head, [&](table::parameter_row& p, optim::parameter_view const& view) {
      p.optimizer = optimizer.choose(view);
      require(p.optimizer >= 0 && p.optimizer < Optimizer::parts, "cannot update ", p.name, ", because ", Optimizer::name,
              " chooses its optimizer ", p.optimizer, " where it has ", Optimizer::parts, "; choose 0 to ",
              Optimizer::parts - 1);
    });
}

/// A delay policy that acts on a microbatch's gradient needs it in one piece. Throws foal::error where it is not.
inline void check_microbatch_gradients(table::run_tables const& t, bool split) {
  if (t.policies.microbatch_gradient == nullptr) return;
  require(!split, "cannot change the gradients of microbatches with the schedule ", t.phases.back().name,
          ", because its W is an op of its own, with other microbatches between it and B; use a schedule with BW, or change "
          "the minibatch's gradient");
  require(t.segments == 1, "cannot change the gradients of microbatches with the schedule ", t.phases.back().name,
          ", because they come in ", t.segments,
          " segments, each with a gradient; use 1, or change the minibatch's gradient");
  for (std::size_t s = 0; s < t.stages.size(); ++s)
    require(!t.stages[s].borrows() && t.stages[s].loans.empty(), "cannot change the gradients of microbatches at stage ", s,
            ", because it shares tied weights with another stage and their gradients meet once a minibatch; do not tie, or "
            "change the minibatch's gradient");
}

/// Gives every parameter its places in the stage's arrays of optimizer states. Elementwise states lie as the weights do.
inline void place_states(std::vector<table::stage_table>& stages, table::policy_functions const& policies,
                         void const* value) {
  using table::most_states;
  bool whole = false;
  for (int i = 0; i < policies.optimizers; ++i) whole = whole || policies.optimizer[i].whole || policies.optimizers > 1;
  for (table::stage_table& t : stages) {
    for (long long& n : t.state_elements) n = whole ? 0 : t.trained_elements;
    for (table::parameter_row& p : t.parameters) {
      bool const updated = p.kind == table::ownership::trained && p.home_stage < 0;
      table::optimizer_functions const& f = policies.optimizer[p.optimizer];
      void const* const part = f.part != nullptr ? f.part(value) : value;
      for (int k = 0; k < most_states; ++k) {
        p.state_offset[k] = p.offset;
        p.state_size[k] = p.size;
        if (!whole) continue;
        p.state_offset[k] = t.state_elements[k];
        p.state_size[k] = !updated || k >= f.states ? 0 : f.whole ? f.state_size(part, k, p.what.extent) : p.size;
        require(p.state_size[k] >= 0, "cannot update ", p.name, ", because its optimizer asks for ", p.state_size[k],
                " elements of state ", k, "; ask for 0 or more");
        require(k >= policies.delay_sees || !updated || p.state_size[k] == p.size, "cannot show state ", k,
                " of the optimizer of ", p.name, " to the delay policy, because it has ", p.state_size[k],
                " elements and the parameter ", p.size, "; give it as many, or use a policy that sees fewer states");
        t.state_elements[k] += (p.state_size[k] + 15) / 16 * 16;
      }
      if (updated && f.whole) p.update_scratch = f.scratch_bytes(part, p.what.extent);
    }
  }
}

}  // namespace foal::lower::detail
