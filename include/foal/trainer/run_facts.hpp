// The facts of a run, read from its tables and its memory plan.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <foal/plan/lent.hpp>
#include <foal/report/facts.hpp>
#include <foal/schedule/evictions.hpp>
#include <foal/schedule/proof/replay.hpp>
#include <foal/trainer/engine.hpp>

namespace foal::executor {

inline report::byte_facts bytes_of(memory_plan const& plan, memory_plan const* evaluation) {
  report::byte_facts b;
  for (int c = 0; c < categories; ++c) b.of[static_cast<std::size_t>(c)] = static_cast<long long>(plan.bytes(category{c}));
  b[category::evaluation] = evaluation != nullptr ? static_cast<long long>(evaluation->bytes()) : 0;
  return b;
}

/// Which stages are recomputed, and how stale R's weights are; empty if none is.
inline std::string recomputation_note(schedule::analysis const& facts, std::size_t stages) {
  std::string heads;
  int recomputed = 0;
  double late = 0;
  for (std::size_t s = 0; s < stages; ++s) {
    schedule::stage_facts const& x = facts.stage[s];
    if (x.head < 0) continue;
    ++recomputed;
    late = std::max(late, x.tau_recomp);
    if (x.head == static_cast<int>(s)) heads += (heads.empty() ? "" : ", ") + std::to_string(s);
  }
  if (recomputed == 0) return {};
  return sentence(recomputed, " stages are recomputed before their backward, in segments that begin at ", heads,
                  "; R reads weights up to ", late, " updates before the one that consumes it");
}

/// Which stages of this process evict what they save, and which would and do not; empty if the program evicts nothing.
inline std::string eviction_note(schedule::program_view v, std::vector<bound_stage> const& units) {
  std::string moved, stays;
  for (bound_stage const& b : units) {
    bool const asked =
        std::any_of(v.evictions.begin(), v.evictions.end(), [&](auto const& x) { return x.stage == b.number; });
    if (!asked || b.worker < 0) continue;
    std::string& to = b.evicted.is.empty() ? stays : moved;
    to += (to.empty() ? "" : ", ") + std::to_string(b.number);
  }
  std::string note;
  if (!moved.empty())
    note =
        sentence("what the forwards of stages ", moved, " save of some microbatches is on another rank until its backward");
  if (!stays.empty())
    note +=
        sentence(moved.empty() ? "" : "; ", "cannot evict what stages ", stays,
                 " save, because this is done between two workers of one process, on a device with host memory, in a run "
                 "of one program without accumulate::thick; give both ranks to such workers");
  return note;
}

/// Which stages of this process offload what they save, and what that leaves on the device; empty if none does.
inline std::string offload_note(table::run_tables const& t, schedule::program_view v, engine const& e) {
  struct group {  // of stages that do it alike
    schedule::offload like;
    std::string stages;
    int held = 0;
  };
  std::vector<group> groups;
  for (bound_stage const& b : e.memory().stages()) {
    if (b.offload == nullptr) continue;
    schedule::offload const& x = *schedule::offload_of(v, b.number);
    auto of = std::find_if(groups.begin(), groups.end(),
                           [&](group const& g) { return g.like.slots == x.slots && g.like.ahead == x.ahead; });
    if (of == groups.end()) of = groups.insert(of, {x, {}, 0});
    of->stages += (of->stages.empty() ? "" : ", ") + std::to_string(b.number);
    of->held = std::max(of->held, schedule::order_of(v, x).held());
  }
  if (groups.empty()) return {};
  std::string all;
  for (group const& g : groups) {
    bool const one = g.stages.find(',') == g.stages.npos;
    all +=
        sentence("what ", one ? "stage " : "stages ", g.stages, one ? " saves" : " save",
                 " goes to host memory after F and comes back ", g.like.ahead, " ops before the backward: the device has ",
                 g.like.slots, " slots for it each way in place of up to ", g.held, " microbatches; ");
  }
  return sentence(all, "the host has ", e.memory().plan().bytes(category::offloaded), " bytes for it",
                  t.device.host_memory ? "; this device's memory is the host's, so that nothing is saved" : "");
}

/// What tied weights cost between stages; empty if there are none.
inline std::string tied_note(table::run_tables const& t) {
  long long parameters = 0;
  std::size_t bytes = 0;
  for (auto const& stage : t.stages)
    for (auto const& p : stage.parameters) parameters += p.kind == table::ownership::borrowed ? p.size : 0;
  for (std::size_t s = 0; s < t.stages.size(); ++s) bytes += lent_bytes(t, s);
  if (parameters == 0) return {};
  return sentence(parameters, " parameters are copies of tied ones; their versions and gradients on the way take ", bytes,
                  " bytes of the wires");
}

/// "worker 0 is on device 0, worker 1 on device 1" where there are several; otherwise nothing.
inline std::string ordinals_note(table::run_tables const& t, run_memory const& memory, int workers) {
  int const count = t.device.count == nullptr ? 1 : t.device.count();
  if (count < 2) return {};
  std::string text = sentence("of ", count, " devices ");
  for (int w = 0; w < workers; ++w)
    text += sentence(w == 0 ? "" : ", ", "worker ", w, w == 0 ? " is on number " : " on number ", memory.ordinal(w));
  return text;
}

/// Whether periods are recorded; empty where nobody has asked for it.
inline std::string recording_note(engine const& e) {
  if (e.values().record == recording::never) return {};
  if (std::string const why = e.not_recorded(); !why.empty()) return sentence("periods are called op by op, because ", why);
  std::size_t bytes = 0;
  std::string called;
  for (recording_plan const& p : e.recordings()) {
    bytes = std::max(bytes, p.bytes);
    if (!p.why.empty()) called = sentence("; in one of the phases they are called, because ", p.why);
  }
  return sentence(
      "periods that repeat themselves are recorded, and done again by one launch each; their numbers and data take ", bytes,
      " bytes of the device, and as many of the host, beside what is planned", called);
}

/// What the bytes of a run with replicas are of, and what they send.
inline std::string replica_note(table::run_tables const& t) {
  long long sent = 0;
  for (std::size_t s = 0; s < t.stages.size() && !t.phases.back().inference; ++s) sent += sent_bytes(t, s);
  return sentence("every stage has ", t.replicas,
                  t.replica.of_weights() ? " replicas with weights of their own" : " replicas with the same weights",
                  ", and bytes are those of all of them; ranks ",
                  "of stages, delays and saved activations are those of replica 0; replicas send each other ", sent,
                  t.replica.of_weights() ? sentence(" bytes of weights every ", t.replica.every, " updates")
                  : t.replica.shards()   ? std::string(" bytes of gradients and weights a minibatch")
                                         : std::string(" bytes of gradients a minibatch"),
                  ", 2 (D - 1) / D of what a replica trains each",
                  t.replica.shards() ? "; each has the optimizer's states of its part alone" : "");
}

/// Everything that tables and plan tell; the caller adds settings, notes and warnings.
inline report::facts facts_of(table::run_tables const& t, engine const& e) {
  table::phase_table const& phase = t.phases.back();
  schedule::program program = phase.program;
  schedule::program_view const view = program.view();
  report::facts f;
  f.model = t.model_name;
  f.schedule = phase.name;
  f.asynchronous = view.asynchronous;
  f.stages = static_cast<int>(t.stages.size());
  f.ranks = view.size.ranks;
  f.workers = e.values().workers;
  f.microbatch_size = e.values().microbatch_size;
  f.microbatches = e.values().microbatches;
  f.bytes = bytes_of(e.memory().plan(), e.evaluation() != nullptr ? &e.evaluation()->plan() : nullptr);
  f.bytes[category::diagnostics] = static_cast<long long>(e.diagnostics_bytes());
  std::vector<long long> bytes(t.stages.size(), 0);
  for (plan_entry const& entry : e.memory().plan().entries())
    if (entry.stage >= 0 && !entry.on_host)
      bytes[static_cast<std::size_t>(entry.stage)] += static_cast<long long>(entry.bytes);
  for (std::size_t s = 0; s < t.stages.size(); ++s) {
    table::stage_table const& stage = t.stages[s];
    schedule::stage_facts const& d = phase.facts.stage[s];
    report::stage_facts r;
    r.layers = stage.layer_names();
    r.rank = t.rank_of[s];
    for (auto const& p : stage.parameters) r.parameters += p.home_stage < 0 ? p.size : 0;
    r.flops = stage.flops;
    r.delay = d.delay;
    r.tau = d.tau_fwd;
    r.lag = d.tau_fwd - d.tau_bkwd;
    bool const evicts = !e.memory().stages()[s].evicted.is.empty();
    r.saved = evicts ? schedule::held_of(view.rank(r.rank), static_cast<int>(s), e.memory().stages()[s].evicted.is).here
                     : d.saved_peak;
    if (schedule::offload const* const x = schedule::offload_of(view, static_cast<int>(s)); x != nullptr)
      r.saved = 2 * x->slots;
    r.bytes = bytes[s];
    f.parameters += r.parameters;
    f.flops += r.flops;
    f.stage.push_back(r);
  }
  f.utilisation = schedule::steady_utilisation(view);
  if (std::string const note = recomputation_note(phase.facts, t.stages.size()); !note.empty()) f.notes.push_back(note);
  if (std::string const note = eviction_note(view, e.memory().stages()); !note.empty()) f.notes.push_back(note);
  if (std::string const note = offload_note(t, view, e); !note.empty()) f.notes.push_back(note);
  if (std::string const note = tied_note(t); !note.empty()) f.notes.push_back(note);
  if (t.replicas > 1) f.notes.push_back(replica_note(t));
  if (int const most = table::most_updates(t); most > 1)
    f.notes.push_back(sentence("a stage has up to ", most,
                               " updates in a minibatch, each with the microbatches since the one before; learning rates "
                               "count these, and everything else counts minibatches"));
  f.notes.push_back(report::worker_note(f.stages, f.ranks, f.workers, f.asynchronous));
  if (std::string const note = recording_note(e); !note.empty()) f.notes.push_back(note);
  if (std::string const note = ordinals_note(t, e.memory(), f.workers); !note.empty()) f.notes.push_back(note);
  return f;
}

}  // namespace foal::executor
