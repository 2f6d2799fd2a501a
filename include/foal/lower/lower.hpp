// lower: from a model type, a schedule and policies to tables. Everything below works on the result alone.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>
#include <utility>

#include <foal/core/type_name.hpp>
#include <foal/layer/initialise.hpp>
#include <foal/lower/checks.hpp>
#include <foal/lower/device.hpp>
#include <foal/lower/frozen_rows.hpp>
#include <foal/lower/give_optimizers.hpp>
#include <foal/lower/phase.hpp>
#include <foal/lower/policies.hpp>
#include <foal/lower/policy_values.hpp>
#include <foal/lower/segments.hpp>
#include <foal/lower/stage.hpp>
#include <foal/lower/thunks.hpp>
#include <foal/model/stages.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/replicated.hpp>
#include <foal/table/runnable.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// Gives each layer's functions in the model's order.
template <class D, class S>
struct function_collector {
  std::vector<layer_functions> found;
  template <class L>
  void layer(foal::detail::tag_name) {
    // What the model or the check refused is left out here: one mistake, one error.
    if constexpr (foal::layer<L>) {
      static_assert(sizeof(layer_runs<L, D, S>) > 0);
      if constexpr (runs<L, D, S>) found.push_back(functions_of<L, D, S>());
    }
  }
  void mark(foal::detail::item_kind, foal::detail::tag_name) {}
};

template <class S, class Initialisation>
void initialise(parameter_row const& p, std::uint64_t seed, void const* policy, void* to) {
  initialisation::fill(static_cast<Initialisation const*>(policy)->of(p.what), seed, p.number, p.index, p.size,
                       static_cast<S*>(to));
}

inline bool splits_weight_gradient(schedule::program_view v) {
  return std::any_of(v.ops.begin(), v.ops.end(), [](schedule::op const& o) { return o.kind == schedule::op_kind::W; });
}

/// Takes out of a program that trains what frozen layers do not need: no B below the lowest layer that trains, no W and no U
/// of a stage whose layers are all frozen.
inline schedule::program without_frozen(schedule::program program, model_row const* rows, int size) {
  if (program.view().inference) return program;
  std::vector<int> trains(static_cast<std::size_t>(program.size().stages), -1);  // -1: no parameters
  for (int i = 0; i < size; ++i) {
    if (rows[i].parameters == 0 && rows[i].home < 0) continue;
    int& stage = trains[static_cast<std::size_t>(rows[i].stage)];
    stage = std::max(stage, rows[i].trains ? 1 : 0);
  }
  std::vector<int> frozen;
  for (std::size_t s = 0; s < trains.size(); ++s)
    if (trains[s] == 0) frozen.push_back(static_cast<int>(s));
  if (frozen.empty()) return program;
  auto const lowest = std::find(trains.begin(), trains.end(), 1) - trains.begin();
  return schedule::without_backward_below(std::move(program), static_cast<int>(lowest), frozen);
}

/// The phase that a warm-up policy wants before the main program's, if any. replicas: of both.
template <class Warmup>
void add_warmup(run_tables& t, Warmup const& warmup, schedule::program_view main, bool thick, int replicas) {
  if constexpr (warmup::has_program<Warmup>) {
    if (warmup.minibatches <= 0) return;
    schedule::program program = warmup.program(main);
    schedule::program_view view = program.view();
    if (schedule::verdict const bad = schedule::well_formed(view); !bad) throw error(schedule::text(bad));
    require(view.size == main.size && !view.asynchronous && view.inference == main.inference, "cannot warm up with ",
            Warmup::name, ", because its program is of ", view.size.stages, " stages on ", view.size.ranks, " ranks, ",
            view.asynchronous ? "asynchronous" : "synchronous", ", where a synchronous one of ", main.size.stages, " on ",
            main.size.ranks, " comes before the schedule; make it from the program that program() is given");
    program = schedule::with_replicas(std::move(program), replicas);
    view = program.view();
    for (int r = 0; r < view.size.ranks; ++r)
      for (schedule::op const& o : view.rank(r))
        require(
            t.rank_of[static_cast<std::size_t>(unit_of(view.size, o.stage, o.replica))] == r, "cannot warm up with ",
            Warmup::name, ", because its program has stage ", o.stage, " on rank ", r, " and the schedule has it on rank ",
            t.rank_of[static_cast<std::size_t>(unit_of(view.size, o.stage, o.replica))], "; leave every stage where it is");
    char const* name = Warmup::name;
    if constexpr (requires { Warmup::phase; }) name = Warmup::phase;
    t.phases.push_back(make_phase(name, std::move(program), versions::flush{}, thick));
  }
}

}  // namespace detail

/// Tables of Net on the device D in the scalar S, for R ranks and N microbatches, with the policies of Values
/// (policy_values). replicas: of this pipeline, which then has R ranks and N microbatches of its own. Throws foal::error
/// where the program of the schedule, or of the warm-up, is not sound for these numbers.
template <model Net, class D, class S, class Schedule, class Values>
run_tables lower(Schedule const& schedule, schedule::extent size, Values const& values, int replicas = 1) {
  using Optimizer = policy_in<Values, role::optimizer>;
  using Rate = policy_in<Values, role::learning_rate>;
  using Delay = policy_in<Values, role::delay>;
  using Clip = policy_in<Values, role::clip>;
  using Initialisation = policy_in<Values, role::initialisation>;
  using Loss = policy_in<Values, role::loss>;
  constexpr bool thick = accumulate::once_a_minibatch<policy_in<Values, role::accumulation>>();
  auto const& optimizer = values.template of<role::optimizer>();
  auto const& delay = values.template of<role::delay>();
  auto const& rule = values.template of<role::versions>();
  run_tables t;
  t.model_name = std::string(type_name<Net>());
  constexpr element scalar = element_of<S>();
  t.types = {scalar, scalar, scalar, scalar, scalar, scalar};
  t.device = device_of<D, S>();
  t.policies = policies_of<D, S, Optimizer, Delay>();
  t.loss_value = &values.template of<role::loss>();
  t.optimizer_value = &optimizer;
  t.delay_value = &delay;
  t.rate = [](void const* self, lr::moment m) { return static_cast<Rate const*>(self)->at(m); };
  t.rate_value = &values.template of<role::learning_rate>();
  t.compensates = !std::is_same_v<Delay, delay::none>;
  if constexpr (requires { delay.exact_lag(); }) t.exact_lag = delay.exact_lag();
  t.clip = clip_of<Clip>();
  t.clip_value = &values.template of<role::clip>();
  t.initialise = &detail::initialise<S, Initialisation>;
  t.initialise_value = &values.template of<role::initialisation>();

  values.check();
  if constexpr (requires { schedule.check(); }) schedule.check();
  auto const& d = Net::description;
  schedule::program program = schedule::generate(schedule, size);
  if (schedule::verdict const bad = schedule::well_formed(program.view()); !bad) throw error(schedule::text(bad));
  table::check_runnable(program.view(), Schedule::name);
  require(program.size() == size, "cannot train ", size.stages, " stages on ", size.ranks, " ranks with ", size.microbatches,
          " microbatches, because the schedule ", Schedule::name, " built a program for ", program.size().stages, ", ",
          program.size().ranks, " and ", program.size().microbatches, "; build what build() is asked for");
  std::vector<model_row> const rows = frozen_rows(d.row, d.size, program.view());
  program = detail::without_frozen(std::move(program), rows.data(), d.size);
  if constexpr (clip::takes_all<Clip>())
    if (!program.view().inference) program = schedule::with_global_norm(std::move(program));
  bool const split = thick || detail::splits_weight_gradient(program.view());
  schedule::program one = program;
  program = schedule::with_replicas(std::move(program), replicas);
  t.thick = thick;
  t.segments = program.size().segments;
  t.ranks = program.size().ranks;
  t.replicas = program.size().replicas;
  t.rank_of = schedule::ranks_of(program.view());
  detail::add_warmup(t, values.template of<role::warmup>(), one.view(), thick, replicas);
  using Rule = policy_in<Values, role::versions>;
  if constexpr (versions::rule<Rule>)  // else the check has refused it, in one sentence
    t.phases.push_back(detail::make_phase(Schedule::name, std::move(program), rule, thick));
  if constexpr (delay::predicts_forward<Delay, S> || delay::corrects_backward<Delay, S>)
    require(!t.phases.back().reads.one_version, "cannot change the weights that F or B reads with the delay policy ",
            type_name<Delay>(), ", because with versions::", Rule::name,
            " B reads the version that its F read, and there is nothing to correct; leave one of the two out");

  if constexpr (delay::predicts_forward<Delay, S>)
    for (schedule::kept_versions const& kept : t.phases.back().reads.kept)
      require(!kept.forward || (!kept.backward && !delay::changes_microbatches<Delay, S>),
              "cannot predict the weights that F reads with the delay policy ", type_name<Delay>(),
              " and versions::", Rule::name, ", because F reads old versions, which are kept as predicted, and ",
              kept.backward ? "B" : "the gradient of a microbatch",
              " would read them as they were; have B read the newest version, or use a policy that does not predict");

  if constexpr (requires { delay.fits(delay::stage_view{}); })
    for (int s = 0; s < d.stages; ++s) {
      table::phase_table const& last = t.phases.back();
      auto const i = static_cast<std::size_t>(s);
      if (last.reads.updates[i] > 0)
        delay.fits({s, d.stages, size.microbatches, last.facts.stage[i].tau_fwd, last.facts.stage[i].tau_bkwd,
                    last.least_delay[i]});
    }

  detail::function_collector<D, S> functions;
  Net::visit(functions);
  foal::detail::input_list inputs;
  inputs.count = d.inputs;
  t.targets_entry = d.targets_entry;
  for (int e = 0; e < d.inputs; ++e) inputs.sample[e] = d.input_entry[e];
  auto const stages_in = [&](int segments) {
    return lower_stages(rows.data(), d.size, d.stages, inputs, split, functions.found.data(), t.types, segments);
  };
  if (t.segments > 1) {
    check_segments<Net, Loss>(t.segments, Schedule::name, functions.found.data());
    t.whole = stages_in(1);
  }
  t.stages = stages_in(t.segments);
  check_segments(t);
  for (phase_table const& phase : t.phases)
    for (std::size_t s = 0; s < t.stages.size(); ++s)
      require(!t.stages[s].borrows() || !phase.facts.stage[s].backward_crosses, "cannot train tied weights of stage ", s,
              " with the schedule ", phase.name,
              ", because a B of the stage runs before the minibatch before it is through (its last B and its U), and what a "
              "tied layer adds up belongs to one minibatch; run them in that order, or do not tie");
  if constexpr (optim::has_rules<Optimizer>) detail::give_rules(t.stages, optimizer);
  if constexpr (optim::chooses<Optimizer>) detail::choose_optimizers(t.stages, optimizer);
  detail::place_states(t.stages, t.policies, t.optimizer_value);
  detail::check_microbatch_gradients(t, split);
  t.loss = loss_of<Loss, D, S>(d.output);
  require(t.targets_entry < 0 || t.loss.to_scalars != nullptr, "cannot give ", t.model_name, " the targets of ", Loss::name,
          " as an input, because a target has ", t.loss.target_bytes, " bytes and a number of the model ", sizeof(S),
          "; use a loss with targets that are no longer");
  for (auto const& stage : t.stages)
    for (auto const& l : stage.layers) t.least_samples = std::max(t.least_samples, l.least_samples);
  if constexpr (requires { D::template workspace_for<S>(shape{}); })
    for (auto const& stage : t.stages)
      for (auto const& p : stage.parameters)
        t.device.workspace_bytes = std::max(t.device.workspace_bytes, D::template workspace_for<S>(p.what.extent));
  return t;
}

}  // namespace foal::lower
