// The schedules that the program knows: a line each, its list and the rule by which its ops read weights.
#pragma once

#include <algorithm>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/policy/versions/vertical_sync.hpp>
#include <foal/schedule/cost/balanced_memory.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/cost/overlaps.hpp>
#include <foal/schedule/cost/staleness.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/amdp.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/bpipe.hpp>
#include <foal/schedule/rules/chimera.hpp>
#include <foal/schedule/rules/cyclic.hpp>
#include <foal/schedule/rules/dual_pipe.hpp>
#include <foal/schedule/rules/dual_pipe_v.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/hanayo.hpp>
#include <foal/schedule/rules/interleaved.hpp>
#include <foal/schedule/rules/interleaved_zb.hpp>
#include <foal/schedule/rules/k_f_k_b.hpp>
#include <foal/schedule/rules/lag_bounded.hpp>
#include <foal/schedule/rules/looped_bfs.hpp>
#include <foal/schedule/rules/message_driven.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/paci.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/schedule/rules/sequential.hpp>
#include <foal/schedule/rules/two_bp.hpp>
#include <foal/schedule/rules/v_half.hpp>
#include <foal/schedule/rules/v_min.hpp>
#include <foal/schedule/rules/v_search.hpp>
#include <foal/schedule/rules/varuna.hpp>
#include <foal/schedule/rules/vocabulary_1f1b.hpp>
#include <foal/schedule/rules/wpipe.hpp>
#include <foal/schedule/rules/zb_auto.hpp>
#include <foal/schedule/rules/zb_h1.hpp>
#include <foal/schedule/rules/zb_h2.hpp>
#include <foal/schedule/rules/zb_v.hpp>

namespace schedules {

namespace schedule = foal::schedule;

/// What is asked of every schedule alike.
struct question {
  int ranks = 4, microbatches = 8;
  int chunks = 0;  ///< on a rank, of those that have any number of them; 0: two
  /// What an automatic schedule is made for.
  schedule::costs cost{};
};

/// A schedule by name. What cannot be for a question, `build` refuses with a sentence.
struct entry {
  std::string name, about;
  bool compared = true;  ///< it has a row in the table
  bool drawn = true;     ///< and a picture in the gallery
  int chunks = 1;        ///< on a rank
  bool any_chunks = false;
  int update_every = 0;  ///< microbatches; 0: once a minibatch
  std::function<schedule::program(question const&)> build{};
  std::function<schedule::version_reads(schedule::program_view)> reads{};  ///< what its ops read, which is there
  /// None, or which ops overlap, as its authors count.
  std::function<std::vector<char>(schedule::program_view)> overlaps{};
  /// None, or what its ranks hold in a model that a run does not follow.
  std::function<std::vector<schedule::rank_memory>(schedule::program_view, schedule::timing const&)> modelled{};

  /// None, or factors of its stages, which differ by their nature, where none are asked for.
  std::function<std::vector<double>(question const&)> factors{};

  entry& off_the_table() {
    compared = drawn = false;
    return *this;
  }
  entry& in_the_gallery() {
    drawn = true;
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

/// A schedule whose ops read versions by `Rule`. make(question, chunks) gives it with its numbers.
template <class Schedule, class Rule = schedule::own_versions, class Make>
entry made(entry e, Make make) {
  e.build = [of = e, make](question const& q) {
    int const chunks = of.any_chunks && q.chunks > 0 ? q.chunks : of.chunks;
    foal::require(q.chunks == 0 || q.chunks == chunks, "cannot run ", of.name, " in ", q.chunks,
                  " chunks a rank, because it has ", chunks, "; leave --chunks out");
    Schedule const s = make(q, chunks);
    int const stages = q.ranks * chunks, ranks = schedule::ranks_for(s, stages) == 1 ? 1 : q.ranks;
    return schedule::generate(s,
                              schedule::extent_of(s, stages, ranks, of.update_every > 0 ? of.update_every : q.microbatches));
  };
  e.reads = reads_by<Rule>;
  return e;
}

template <class Schedule, class Rule = schedule::own_versions>
entry plain(entry e) {
  return made<Schedule, Rule>(std::move(e), [](question const&, int) { return Schedule{}; });
}

/// A schedule that takes any number of chunks a rank, two unless asked for.
template <class Schedule>
entry chunked(entry e) {
  e.chunks = 2, e.any_chunks = true;
  return made<Schedule>(std::move(e), [](question const&, int chunks) {
    Schedule s;
    s.chunks = chunks;
    return s;
  });
}

/// 1F1B whose ranks lend each other memory: the list is 1F1B's, and what ranks hold a model, in which moves take no time.
inline entry bpipe_entry() {
  entry e = plain<schedule::bpipe>({"bpipe", "1F1B whose first ranks evict some of what they save to the last ones"});
  e.modelled = [](schedule::program_view v, schedule::timing const& t) {
    return schedule::balance_memory(v, t, schedule::bpipe{}.limit_for(v.size.ranks)).rank;
  };
  return e;
}

/// A forward and the backward behind it are one op, as DualPipe's authors count.
inline entry overlapped(entry e) {
  e.overlaps = schedule::dual_pipe_overlaps;
  return e;
}

/// 1F1B over parts of a vocabulary: on each rank one of the embedding, the blocks, and one of the output layer.
inline entry vocabulary_entry() {
  auto const factors = [](question const& q) {
    std::vector<double> all(static_cast<std::size_t>(3 * q.ranks), 0.5);
    std::fill_n(all.begin() + q.ranks, q.ranks, 1);
    return all;
  };
  auto const make = [factors](question const& q, int) {
    std::vector<double> const own = factors(q);
    std::span<double const> const of = q.cost.stage_factor.empty() ? std::span<double const>(own) : q.cost.stage_factor;
    foal::require(of.size() == own.size(), "cannot run vocabulary_1f1b with ", of.size(), " factors, because it has ",
                  own.size(), " stages on ", q.ranks, " ranks; give as many --stage-costs, or leave them out");
    auto const r = static_cast<std::size_t>(q.ranks);
    double const f = q.cost.forward, back = q.cost.backward + q.cost.weight;
    return schedule::vocabulary_1f1b{.forward = f * of[r],
                                     .backward = back * of[r],
                                     .output_forward = f * of[2 * r],
                                     .output_backward = back * of[2 * r],
                                     .embedding = f * of[0],
                                     .message = q.cost.message};
  };
  entry e = made<schedule::vocabulary_1f1b>(
      {.name = "vocabulary_1f1b", .about = "1F1B whose ranks all have parts of embedding and output layer", .chunks = 3},
      make);
  e.factors = factors;
  return e.off_the_table().in_the_gallery();
}

/// All of them, in the order of the table.
inline std::vector<entry> catalogue() {
  using namespace schedule;
  namespace versions = foal::versions;
  auto const two = [](entry e) {
    e.chunks = 2;
    return e;
  };
  auto const each = [](entry e) {
    e.update_every = 1;
    return e;
  };
  auto const waves = [](question const& q, int chunks) {
    foal::require(chunks % 2 == 0, "cannot run hanayo in ", chunks, " chunks a rank on ", q.ranks,
                  " ranks, because a wave goes up and down and has two; give --chunks an even number");
    return hanayo{.waves = chunks / 2};
  };
  auto const automatic = [](question const& q, int) {
    return zb_auto{
        .forward = q.cost.forward, .backward = q.cost.backward, .weight = q.cost.weight, .message = q.cost.message};
  };
  auto const searched = [](question const& q, int) {
    return v_search{
        .forward = q.cost.forward, .backward = q.cost.backward, .weight = q.cost.weight, .message = q.cost.message};
  };
  return {
      plain<gpipe>({"gpipe", "all forwards, then all backwards"}),
      plain<one_f_one_b>({"one_f_one_b", "a forward and a backward in turns, with a flush"}),
      plain<k_f_k_b>({"k_f_k_b", "1F1B in groups of two microbatches, so that messages have time"}),
      chunked<interleaved>({"interleaved", "1F1B over several chunks a rank on a loop: a shorter bubble, more messages"}),
      chunked<looped_bfs>({"looped_bfs", "gpipe over several chunks a rank, chunk after chunk"}),
      plain<chimera>({"chimera", "two replicas in opposite directions"}),
      made<hanayo>({.name = "hanayo", .about = "waves up and down over the ranks", .chunks = 2, .any_chunks = true}, waves),
      plain<zb_h1>({"zb_h1", "1F1B with W's in its bubbles, in its memory"}),
      plain<zb_h2>({"zb_h2", "more forwards first, so that W's fill the bubbles: no idle time between two minibatches"}),
      plain<zb_v>(two({"zb_v", "zero bubble on a V, in 1F1B's memory"})),
      chunked<interleaved_zb>({"interleaved_zb", "interleaved with W's in its bubbles"}),
      made<zb_auto>({"zb_auto", "zero bubble in greedy order for the given costs"}, automatic),
      plain<v_half>(two({"v_half", "a V in half of 1F1B's memory"})),
      plain<v_min>(two({"v_min", "a V in a third of 1F1B's memory"})),
      plain<two_bp<one_f_one_b>>({"two_bp", "1F1B whose W's all come at the end"}),
      plain<seq1f1b>({"seq1f1b", "1F1B over halves of each sequence"}),
      bpipe_entry(),
      overlapped(plain<dual_pipe>({"dual_pipe", "two replicas in opposite directions, forwards over backwards"})),
      overlapped(plain<dual_pipe_v>(two({"dual_pipe_v", "dual_pipe cut in half, on a V"}))),
      plain<varuna>({"varuna", "every forward computed again, backwards as soon as they can be"}),
      plain<async_1f1b, versions::stash>(
          each({"pipedream", "1F1B without a flush; a backward reads what its forward read"})),
      plain<async_1f1b, versions::vertical_sync>(each({"vertical_sync", "PipeDream with one version a microbatch"})),
      plain<async_1f1b, versions::double_buffered>(
          {"two_bw", "PipeDream-2BW: 1F1B without a flush, two versions, one update a minibatch"}),
      plain<paci>({"paci", "1F1B without a flush, one version, an update every R microbatches"}),
      plain<pipemare>({"pipemare", "forwards and backwards side by side; one version, nothing waits"}),
      plain<async_1f1b>(each({"async_1f1b", "1F1B without a flush, one version"})),
      plain<sequential>({"sequential", "one rank, one microbatch after the other"}).off_the_table(),
      plain<recomputed<gpipe>>({"gpipe_recomputed", "gpipe that computes forwards again"}).off_the_table(),
      plain<recomputed<pipemare>>({"pipemare_recomputed", "pipemare that computes forwards again"}).off_the_table(),
      vocabulary_entry(),
      made<v_search>(two({"v_search", "the best block on a V for the given costs"}), searched).off_the_table(),
      plain<message_driven>({"message_driven", "AxoNN: whatever has come is run, here in the order that equal costs give"})
          .off_the_table(),
      plain<lag_bounded>({"lag_bounded", "FTPipe: a forward runs unless too many wait for their backward"}).off_the_table(),
      plain<wpipe, versions::stash>(two({"wpipe", "two groups of stages that are updated in turns"})).off_the_table(),
      made<amdp>({"amdp", "R / 2 pipelines in two directions, two microbatches on their way in each"},
                 [](question const& q, int) { return amdp{.replicas = q.ranks > 1 ? q.ranks / 2 : 1}; })
          .off_the_table(),
      made<cyclic, versions::stash>({"cyclic", "data parallelism whose replicas run one after the other"},
                                    [](question const& q, int) { return cyclic{.replicas = q.ranks}; })
          .off_the_table(),
  };
}

inline std::vector<std::string> names_of(std::vector<entry> const& all) {
  std::vector<std::string> names;
  for (entry const& e : all) names.push_back(e.name);
  return names;
}

}  // namespace schedules
