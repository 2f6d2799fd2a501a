// What a run is by its tables and values alone: a cut is refused by a run that has another identity.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <foal/report/fingerprint.hpp>
#include <foal/report/number.hpp>
#include <foal/table/run_tables.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Stages with their layers, shapes and parameters.
inline std::string digest_of(std::vector<table::stage_table> const& stages) {
  report::digest d;
  auto const add = [&d](shape const& s) {
    d(s.rank);
    for (int const e : s.extent) d(e);
  };
  for (table::stage_table const& s : stages) {
    d(static_cast<long long>(s.layers.size()));
    for (table::layer_row const& l : s.layers) {
      d(l.name)(l.number);
      add(l.in);
      add(l.out);
    }
    for (table::parameter_row const& p : s.parameters) {
      d(p.name)(static_cast<int>(p.kind))(p.home_stage)(p.home);
      add(p.what.extent);
    }
  }
  return d.text();
}

/// A program with the places of its ops, which order those of a cut.
inline std::string digest_of(schedule::program program) {
  schedule::program_view const v = program.view();
  report::digest d;
  d(v.asynchronous ? 1 : 0)(v.inference ? 1 : 0)(v.global_norm ? 1 : 0)(v.period);
  for (int r = 0; r < v.size.ranks; ++r) {
    d(r);
    for (schedule::op const& o : v.rank(r))
      d(schedule::name(o.kind))(o.stage)(o.microbatch)(o.replica)(o.segment)(o.slot)(o.lane);
  }
  for (int const x : v.delays) d(x);
  for (int const x : v.recompute) d(x);
  for (schedule::gradients const x : v.wants) d(static_cast<int>(x));
  std::set<int> offloading;  // where what is saved lies, in whatever order it is said; slots do not change what a cut has
  for (schedule::offload const& x : v.offloads) offloading.insert(x.stage);
  for (int const stage : offloading) d(stage);
  return d.text();
}

inline std::string digest_of(schedule::version_reads const& reads) {
  report::digest d;
  for (schedule::version_read const& x : reads.offset) d(x.forward)(x.recompute)(x.backward);
  return d.text();
}

/// The item of a run whose sequences come in more than one.
inline constexpr char const* segments_item = "segments";

/// The first items of every run's identity. values: anything with microbatches, microbatch_size and seed.
template <class Values>
report::fingerprint model_and_sizes(table::run_tables const& t, Values const& values) {
  return {.items = {{"model", t.model_name},
                    {"model's layers", digest_of(t.stages)},
                    {"stages", report::shortest(t.stages.size())},
                    {"ranks", report::shortest(t.ranks)},
                    {"replicas", report::shortest(t.replicas)},
                    {"microbatches", report::shortest(values.microbatches)},
                    {"microbatch_size", report::shortest(values.microbatch_size)},
                    {"seed", report::shortest(values.seed)}}};
}

/// Of no more than tables know: not the numbers of policies, which are functions here. Not in it: the number of workers, and
/// what is looked at beside the training.
inline report::fingerprint identity_of(table::run_tables const& t, table::run_values const& v) {
  report::fingerprint f = model_and_sizes(t, v);
  f.items.emplace_back("optimizer", t.policies.optimizer_name);
  f.items.emplace_back("delay", t.policies.delay_name);
  f.items.emplace_back("clipping over", report::shortest(static_cast<int>(t.clip.over)));
  f.items.emplace_back("weight gradients", t.thick ? "once a minibatch" : "of each microbatch");
  if (t.segments > 1) f.items.emplace_back(segments_item, report::shortest(t.segments));
  for (table::phase_table const& phase : t.phases) {
    f.items.emplace_back("program of " + phase.name, digest_of(phase.program));
    f.items.emplace_back("versions in " + phase.name, digest_of(phase.reads));
  }
  return f;
}

}  // namespace foal::executor
