// What replicas exchange, as tables have it.
#pragma once

#include <type_traits>

#include <foal/policy/replica/concept.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

namespace detail {

template <class P, class S>
void merge_weights(void const* policy, std::size_t n, int replicas, void const* sum, void* reference, void* momentum) {
  auto const* const s = static_cast<S const*>(sum);
  auto* const r = static_cast<S*>(reference);
  auto* const m = static_cast<S*>(momentum);
  S none = 0;
  for (std::size_t i = 0; i < n; ++i)
    static_cast<P const*>(policy)->merge(r[i], P::has_momentum ? m[i] : none, s[i], replicas);
}

template <class P, class S>
void take_reference(void const* policy, std::size_t n, int replicas, void const* reference, void* w) {
  for (std::size_t i = 0; i < n; ++i)
    static_cast<P const*>(policy)->take(static_cast<S*>(w)[i], static_cast<S const*>(reference)[i], replicas);
}

/// Throws a sentence where an update cannot be made part by part.
inline void check_shards(table::run_tables const& t) {
  table::policy_functions const& f = t.policies;
  auto const refuse = [](bool holds, auto const&... why) {
    require(holds, "cannot share out the states of an optimizer among replicas, because ", why...,
            "; or use replica::summed");
  };
  refuse(f.optimizers == 1, f.optimizer_name, " chooses among several; use one for all parameters");
  for (int i = 0; i < f.optimizers; ++i)
    refuse(!f.optimizer[i].whole, f.optimizer_name,
           " takes a parameter as a whole and a replica has a part of it; use an "
           "elementwise optimizer");
  refuse(t.clip.scale == nullptr, "no replica has a whole gradient whose norm could clip it; leave clipping out");
  refuse(f.watch_update != nullptr || !t.compensates, f.delay_name,
         " looks at more of an update than the weights; use one that does not (T2)");
}

}  // namespace detail

/// Has the tables' replicas exchange what the policy says. replicas: of the whole pipeline. Throws a sentence where they
/// cannot. With a late sum every delay is one update longer.
template <class P, class S>
void exchange(table::run_tables& t, P const& policy, int replicas) {
  if constexpr (!std::is_same_v<P, replica::summed>) {
    require(replicas > 1, "cannot exchange by replica::", P::name, " among ", replicas,
            " replica, because there is no other one; give .replicas of 2 or more, or leave the policy out");
    table::replica_functions& f = t.replica;
    f.what = P::exchanges;
    f.policy = &policy;
    if constexpr (replica::of_weights(P::exchanges)) {
      require(t.device.host_memory && t.clip.over != clip::scope::model, "cannot exchange by replica::", P::name,
              ", because each replica has weights of its own, which ",
              t.device.host_memory ? "have no gradient in common whose norm the whole model could have; use clip::per_stage"
                                   : "are merged on the host, which cannot read the device's memory; train on "
                                     "foal::device::host",
              ", or use replica::summed");
      f.every = policy.interval();
      f.momentum = P::has_momentum;
      f.merge = &detail::merge_weights<P, S>;
      f.take = &detail::take_reference<P, S>;
    }
    if constexpr (P::exchanges == replica::exchanged::shards) detail::check_shards(t);
    if constexpr (P::exchanges == replica::exchanged::late_gradients)
      for (table::phase_table& phase : t.phases)
        for (schedule::stage_facts& s : phase.facts.stage) {
          s.delay += phase.program.size().microbatches;
          s.tau_fwd += 1, s.tau_bkwd += 1;
        }
  }
}

}  // namespace foal::lower
