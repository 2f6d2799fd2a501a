// 1F1B for a vocabulary in parts (Yeung, Qi, Lin, Wan: Balancing Pipeline Parallelism with Vocabulary Parallelism, 2024):
// every rank has parts of the embedding, of the blocks, and of the output layer.
#pragma once

#include <algorithm>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/both_ends.hpp>
#include <foal/schedule/rules/vocabulary_block.hpp>

namespace foal::schedule {

/// Where 1F1B's last rank has the whole output layer and its first one the embedding, here every rank has parts of both
/// (zoo::gpt with vocabulary_parts), so that ranks are as even as their blocks. A microbatch goes up the ranks three times,
/// through embedding, blocks and output layer, and down again. Of several lists for the given durations it is that which
/// takes the least time, and of these the one that saves the fewest microbatches: a repeated block without a gap, which
/// keeps up to 2 R on their way, or lists in which each rank runs what has come, with fewer. Gradients are added up in order
/// 0..N-1: the bits of `sequential`. Any N; any S and parts. Delay 0. Throws foal::error where a number is below what it can
/// be, or a rank would have no stage.
struct vocabulary_1f1b {
  static constexpr char const* name = "vocabulary_1f1b";
  static constexpr bool asynchronous = false;
  static constexpr bool proved_at_construction = true;  ///< a search

  int parts = 0;                                     ///< of embedding and of output layer, each a stage, S/2 at most; 0: R
  double forward = 1, backward = 2;                  ///< of a rank's blocks
  double output_forward = 0.5, output_backward = 1;  ///< of its parts of the output layer
  double embedding = 0;                              ///< of its parts of the embedding, either way
  double message = 0;                                ///< from the end of an op to the start of its successor on another rank
  int memory = 0;                                    ///< microbatches that a rank's blocks save at most; 0: any number

  constexpr placement placed() const { return both_ends.in(parts); }
  constexpr int ranks(int stages) const { return parts > 0 ? std::min(parts, stages) : std::max(1, stages / 3); }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("parts", parts);
    f("forward", forward);
    f("backward", backward);
    f("output_forward", output_forward);
    f("output_backward", output_backward);
    f("embedding", embedding);
    f("message", message);
    f("memory", memory);
  }
  constexpr void check() const {
    for (double const v : {forward, backward, output_forward, output_backward, embedding, message})
      if (!(v >= 0 && v <= 1e300))
        throw error(sentence("cannot generate ", name, " for a duration of ", v,
                             ", because ops and messages take time; give 0 or more"));
    if (memory < 0 || parts < 0)
      throw error(sentence("cannot generate ", name, " with .memory = ", memory, " and .parts = ", parts,
                           ", because a rank saves a microbatch at least and parts are counted; use 1 or more, or 0 for the "
                           "schedule's own"));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    if (parts > e.stages / 2)
      throw error(sentence("cannot generate ", name, " with .parts = ", parts, ", because of ", e.stages,
                           " stages two runs of them would be parts; use ", e.stages / 2, " at most, as the model has"));
    vocabulary_runs const runs(e.stages, e.ranks, parts);
    detail::vocabulary_problem p{.ranks = e.ranks,
                                 .microbatches = e.microbatches,
                                 .message = message,
                                 .duration = {embedding, forward, output_forward, output_backward, backward, embedding}};
    for (int k = 0; k < detail::vocabulary_pass::count; ++k)
      for (int r = 0; r < e.ranks; ++r) {
        chunk const has = runs.of(run_of(k), r);
        p.has.push_back(has.first < has.end ? 1 : 0);
      }
    for (int r = 0; r < e.ranks; ++r)
      if (!p.there(detail::vocabulary_pass::embed, r) && !p.there(detail::vocabulary_pass::blocks, r))
        throw error(sentence("cannot generate ", name, " for ", e.stages, " stages on ", e.ranks, " ranks, because rank ", r,
                             " would have none: of ", runs.parts, " parts and ", runs.size_of(1),
                             " stages between them neither are as many as ranks; use fewer ranks or more parts"));
    detail::vocabulary_lists const lists = best(p);
    for (int r = 0; r < e.ranks; ++r)
      for (detail::vocabulary_item const& o : lists[static_cast<std::size_t>(r)]) {
        chunk const stages = runs.of(run_of(o.pass), r);
        bool const up = o.pass <= detail::vocabulary_pass::output;
        for (int i = 0; i < stages.end - stages.first; ++i)
          sink(r, op{.kind = up ? op_kind::F : op_kind::BW,
                     .stage = up ? stages.first + i : stages.end - 1 - i,
                     .microbatch = o.microbatch});
      }
    emit_updates(e, sink);
  }

 private:
  static constexpr int run_of(int pass) {
    return pass <= detail::vocabulary_pass::output ? pass : detail::vocabulary_pass::embed_back - pass;
  }

  constexpr detail::vocabulary_lists best(detail::vocabulary_problem const& p) const {
    detail::vocabulary_lists found;
    detail::vocabulary_cost least;
    auto const consider = [&](detail::vocabulary_lists lists) {
      detail::vocabulary_cost const c = detail::cost_of(p, lists);
      double const room = 1e-9 * least.time;
      if (c.time < 0 || (memory > 0 && c.saved > memory)) return;
      if (least.time >= 0 && (c.time > least.time + room || (c.time > least.time - room && c.saved >= least.saved))) return;
      least = c, found = std::move(lists);
    };
    int const r = p.ranks, limits[] = {memory, r, r + 1, r + 2, r + r / 2, 2 * r};
    for (int const limit : limits)
      for (bool const backwards_first : {false, true})
        if (limit > 0 && (memory == 0 || limit == memory)) consider(lists_as_they_come(p, limit, backwards_first));
    if (forward + backward + output_forward + output_backward + embedding <= 0) return found;
    detail::vocabulary_block const block(p);
    for (int first = 0; first < block.orders; ++first)
      for (int last = 0; last < (r > 1 ? block.orders : 1); ++last) consider(block.lists(first, last));
    return found;
  }
};

}  // namespace foal::schedule
