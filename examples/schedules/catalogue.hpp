// The schedules that the program knows: a line each, its list and the rule by which its ops read weights.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/policy/versions/vertical_sync.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/sequential.hpp>

namespace schedules {

namespace schedule = foal::schedule;

/// What is asked of every schedule alike.
struct question {
  int ranks = 4, microbatches = 8;
  int chunks = 0;  ///< on a rank, of those that have any number of them; 0: two
};

/// A schedule by name. What cannot be for a question, `build` refuses with a sentence.
struct entry {
  std::string name, about;
  bool compared = true;  ///< it has a row in the table
  int chunks = 1;        ///< on a rank
  bool any_chunks = false;
  int update_every = 0;  ///< microbatches; 0: once a minibatch
  std::function<schedule::program(question const&)> build{};
  std::function<schedule::version_reads(schedule::program_view)> reads{};  ///< what its ops read, which is there

  entry& off_the_table() {
    compared = false;
    return *this;
  }
};

/// What the ops of a program read by a rule. Throws foal::error where a version is not there when it is read.
template <class Rule>
schedule::version_reads reads_by(schedule::program_view v) {
  schedule::version_table const there = schedule::versions(v);
  schedule::version_reads reads = schedule::reads_of(Rule{}, there);
  schedule::require_versions(Rule{}, there, reads);
  return reads;
}

/// A schedule whose ops read versions by `Rule`. make(chunks) gives it with its numbers.
template <class Schedule, class Rule = schedule::own_versions, class Make>
entry made(entry e, Make make) {
  e.build = [of = e, make](question const& q) {
    int const chunks = of.any_chunks && q.chunks > 0 ? q.chunks : of.chunks;
    foal::require(q.chunks == 0 || q.chunks == chunks, "cannot run ", of.name, " in ", q.chunks,
                  " chunks a rank, because it has ", chunks, "; leave --chunks out");
    Schedule const s = make(chunks);
    int const stages = q.ranks * chunks, ranks = schedule::ranks_for<Schedule>(stages) == 1 ? 1 : q.ranks;
    return schedule::generate(s,
                              schedule::extent_of(s, stages, ranks, of.update_every > 0 ? of.update_every : q.microbatches));
  };
  e.reads = reads_by<Rule>;
  return e;
}

template <class Schedule, class Rule = schedule::own_versions>
entry plain(entry e) {
  return made<Schedule, Rule>(std::move(e), [](int) { return Schedule{}; });
}

/// All of them, in the order of the table.
inline std::vector<entry> catalogue() {
  using namespace schedule;
  namespace versions = foal::versions;
  return {
      plain<gpipe>({"gpipe", "all forwards, then all backwards"}),
      plain<one_f_one_b>({"one_f_one_b", "a forward and a backward in turns, with a flush"}),
      plain<async_1f1b, versions::stash>(
          {.name = "pipedream", .about = "1F1B without a flush; a backward reads what its forward read", .update_every = 1}),
      plain<async_1f1b, versions::vertical_sync>(
          {.name = "vertical_sync", .about = "PipeDream with one version a microbatch", .update_every = 1}),
      plain<async_1f1b, versions::double_buffered>(
          {"two_bw", "PipeDream-2BW: 1F1B without a flush, two versions, one update a minibatch"}),
      plain<pipemare>({"pipemare", "forwards and backwards side by side; one version, nothing waits"}),
      plain<async_1f1b>({.name = "async_1f1b", .about = "1F1B without a flush, one version", .update_every = 1}),
      plain<sequential>({"sequential", "one rank, one microbatch after the other"}).off_the_table(),
      plain<recomputed<gpipe>>({"gpipe_recomputed", "gpipe that computes forwards again"}).off_the_table(),
      plain<recomputed<pipemare>>({"pipemare_recomputed", "pipemare that computes forwards again"}).off_the_table(),
  };
}

inline std::vector<std::string> names_of(std::vector<entry> const& all) {
  std::vector<std::string> names;
  for (entry const& e : all) names.push_back(e.name);
  return names;
}

}  // namespace schedules
