// Hanayo (Liu et al., SC 2023): waves, stages that go up and down the ranks, in the order of Chimera and without its copies.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/rules/chunks.hpp>

namespace foal::schedule {

/// Stages in 2 R `waves` chunks, up the ranks and down again (vee), so that a rank has 2 `waves` of them. The order is the
/// one of Chimera's clock: R microbatches at a time enter one every two slots, the next R as many slots later as there are
/// chunks (2R at least); where two ops of a rank meet the backward comes first. Where N is a multiple of R and BW takes two
/// F's, ranks are idle for 4(R-1) F's of a chunk, so for less with more waves, and every rank saves up to 2 R `waves`
/// chunks, which is R microbatches of its share of the model. Any S, R and N. Delay 0.
struct hanayo {
  static constexpr char const* name = "hanayo";
  static constexpr bool asynchronous = false;

  int waves = 1;

  constexpr placement placed() const { return vee.in(chunks()); }
  constexpr int ranks(int stages) const { return ranks_of_chunks(stages, chunks()); }

  template <class F>
  constexpr void numbers(F&& f) const {
    f("waves", waves);
  }
  constexpr void check() const {
    if (waves < 1 || waves > most)
      throw error(sentence("cannot generate ", name, " with .waves = ", waves,
                           ", because stages go up the ranks and down again once at least; use 1 to ", most));
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    check();
    chunk_table const table(e, chunks());
    int const n = e.microbatches, depth = std::min(table.size, e.stages), every = std::max(depth, 2 * e.ranks);
    std::vector<op> all;  // op::stage is the chunk
    all.reserve(static_cast<std::size_t>(2 * n) * static_cast<std::size_t>(depth));
    for (int m = 0; m < n; ++m) {
      int const in = m / e.ranks * every + m % e.ranks * 2;  // the slot in which it enters
      for (int c = 0; c < depth; ++c) {
        all.push_back({.kind = op_kind::F, .stage = c, .microbatch = m, .slot = in + c});
        all.push_back({.kind = op_kind::BW, .stage = c, .microbatch = m, .slot = in + 2 * depth - 1 - c});
      }
    }
    // Along every dependency the slot rises, so that the lists cannot block.
    std::sort(all.begin(), all.end(), [](op const& x, op const& y) {
      if (x.slot != y.slot) return x.slot < y.slot;
      return x.kind != y.kind ? x.kind > y.kind : x.microbatch < y.microbatch;
    });
    for (op o : all) {
      o.slot = -1;
      emit_chunk(table, o.stage, rank_of(e, table.first(o.stage)), o, sink);
    }
    emit_updates(e, sink);
  }

 private:
  static constexpr int most = 1 << 20;
  constexpr int chunks() const { return waves < 1 || waves > most ? 0 : 2 * waves; }
};

}  // namespace foal::schedule
