// What each of several processes holds and sends: every one of them knows it of all.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <foal/executor/channel_ends.hpp>
#include <foal/executor/microbatch_lengths.hpp>
#include <foal/plan/run_plan.hpp>
#include <foal/report/facts.hpp>
#include <foal/report/number.hpp>

namespace foal::executor {

namespace detail {

/// The channels of the whole model's norm. process_of: of each unit.
inline void add_norm(report::facts& f, table::run_tables const& t, schedule::program_view view,
                     std::vector<int> const& process_of, int processes) {
  auto const stages = static_cast<std::ptrdiff_t>(t.stages.size());
  for (std::size_t u = 0; u < t.units(); ++u)
    for (int to = 0; to < processes; ++to) {
      auto const s = static_cast<int>(t.stage_of(u)), from = process_of[u];
      auto const first = process_of.begin() + static_cast<std::ptrdiff_t>(u) - s;  // of its replica
      if (from == to || view.wanted(s) != schedule::gradients::both) continue;
      if (std::find(first, first + stages, to) == first + stages) continue;
      f.channel.push_back({.what = sentence("the norm's part of stage ", s),
                           .from = from,
                           .to = to,
                           .bytes = sizeof(double),
                           .messages = 1});
    }
}

/// The channels between replicas: those of the parts that each adds up, and of their sums. Of a policy that does not
/// exchange after every update the bytes are the mean of its minibatches, rounded up.
inline void add_sums(report::facts& f, table::run_tables const& t, schedule::program_view view,
                     std::vector<int> const& process_of) {
  for (int s = 0; s < view.size.stages; ++s) {
    if (view.wanted(s) != schedule::gradients::both) continue;
    for (int k = 0; k < t.replicas; ++k)
      for (int j = 0; j < t.replicas; ++j) {
        int const from = process_of[static_cast<std::size_t>(unit_of(view.size, s, k))],
                  to = process_of[static_cast<std::size_t>(unit_of(view.size, s, j))];
        if (from == to) continue;
        for (bool const part : {true, false}) {
          auto const bytes = static_cast<long long>(
              bytes_of(t.types.gradients, part_of(t, static_cast<std::size_t>(s), part ? j : k).count));
          f.channel.push_back({.what = sentence(part ? "a part of stage " : "a sum of stage ", s, part ? " for" : " from",
                                                " replica ", part ? j : k),
                               .from = from,
                               .to = to,
                               .bytes = (bytes + t.replica.every - 1) / t.replica.every,
                               .messages = 1});
        }
      }
  }
}

/// Of tied weights whose home and borrower two processes have. process_of: of each unit.
inline void add_tied(report::facts& f, table::run_tables const& t, std::vector<int> const& process_of) {
  for (std::size_t u = 0; u < t.units(); ++u) {
    std::size_t const home = t.stage_of(u);
    for (table::loan const& l : t.of_unit(u).loans) {
      int const here = process_of[u], there = process_of[u - home + static_cast<std::size_t>(l.stage)];
      if (here == there || t.phases.back().wanted(static_cast<int>(home)) != schedule::gradients::both) continue;
      table::parameter_row const& p = t.of_unit(u).parameters[static_cast<std::size_t>(l.parameter)];
      auto const add = [&](int from, int to, std::string what, element type) {
        f.channel.push_back({.what = std::move(what),
                             .from = from,
                             .to = to,
                             .bytes = static_cast<long long>(bytes_of(type, p.size)),
                             .messages = 1});
      };
      add(here, there, sentence(p.name, " to stage ", l.stage), t.types.weights);
      add(there, here, sentence("gradients of ", p.name, " from stage ", l.stage), t.types.gradients);
    }
  }
}

}  // namespace detail

/// Adds the processes and their channels. workers: by process, those of the ranks as its run_plan takes them.
inline void add_processes(report::facts& f, table::run_tables const& t, table::run_values const& v,
                          std::vector<std::vector<int>> const& workers) {
  schedule::program program = t.phases.back().program;
  schedule::program_view const view = program.view();
  std::vector<run_plan> plans;
  std::vector<int> process_of(t.units(), 0);
  plans.reserve(workers.size());
  for (std::size_t p = 0; p < workers.size(); ++p) {
    plans.emplace_back(t, v, workers[p]);
    report::process_facts one;
    for (int r = 0; r < view.size.ranks; ++r)
      if (workers[p][static_cast<std::size_t>(r)] >= 0) one.ranks.push_back(r);
    for (std::size_t u = 0; u < t.units(); ++u) {
      if (!plans[p].hosts(u)) continue;
      process_of[u] = static_cast<int>(p);
      if (int const s = static_cast<int>(t.stage_of(u));
          std::find(one.stages.begin(), one.stages.end(), s) == one.stages.end())
        one.stages.push_back(s);
    }
    std::sort(one.stages.begin(), one.stages.end());
    one.bytes = static_cast<long long>(plans[p].memory().bytes());
    f.process.push_back(std::move(one));
  }
  using transport::channel_kind;
  op_ends const rule(view);
  std::vector<op_ends::sent> all;  // by message
  for (schedule::op const& o : view.ops)
    if (auto const& sent = rule.output(o)) all.push_back(*sent);
  std::stable_sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.id() < b.id(); });
  for (std::size_t first = 0, end = 0; first < all.size(); first = end) {
    op_ends::sent const& sent = all[first];
    transport::channel_id const id = sent.id();
    while (end < all.size() && all[end].id() == id) ++end;
    auto const messages = static_cast<long long>(end - first);
    int const from = process_of[static_cast<std::size_t>(unit_of(view.size, sent.from, sent.replica))],
              to = process_of[static_cast<std::size_t>(unit_of(view.size, sent.to, sent.replica))];
    if (from == to) continue;
    auto const u = static_cast<std::size_t>(unit_of(view.size, id.wire, id.replica));
    run_plan const& plan = plans[static_cast<std::size_t>(to)];
    bool const back = id.kind == channel_kind::gradient, rebuilt = id.kind == channel_kind::rebuilt;
    std::vector<table::wire_entry> const& wire = t.of_unit(u).wire_in;
    std::vector<int> const& slots = back      ? plan.unit(u - 1).gradient_slots
                                    : rebuilt ? plan.unit(u).rebuilt_slots
                                              : plan.unit(u).wire_slots;
    report::channel_facts c{.from = from, .to = to, .messages = messages};
    c.what = sentence(back ? "gradients" : rebuilt ? "rebuilt activations" : "activations", " over wire ", id.wire);
    for (std::size_t e = 0; e < wire.size(); ++e)
      if (slots[e] > 0 && (!back || wire[e].gradient)) c.bytes += static_cast<long long>(plan.wire_bytes(wire[e]));
    if (id.kind == channel_kind::activation && plan.lengths_differ())
      c.bytes += static_cast<long long>(microbatch_lengths::size(v.microbatch_size) * sizeof(int));
    f.channel.push_back(std::move(c));
  }
  detail::add_tied(f, t, process_of);
  if (view.global_norm) detail::add_norm(f, t, view, process_of, static_cast<int>(workers.size()));
  if (t.replicas > 1) detail::add_sums(f, t, view, process_of);
}

}  // namespace foal::executor
