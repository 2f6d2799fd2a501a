// What the generators with several chunks on a rank share: runs of neighbouring stages that run a microbatch together.
#pragma once

#include <foal/schedule/program.hpp>

namespace foal::schedule {

/// The chunks of a placement with `chunks` on every rank, from the first stage up: chunk c has the stages first(c) to
/// first(c + 1) - 1. There are R times as many as `chunks`; where that is more than stages, the last ones are empty. Needs
/// chunks >= 1.
struct chunk_table {
  int stages = 1, size = 1;

  constexpr chunk_table() = default;
  constexpr chunk_table(extent e, int chunks)
      : stages(e.stages), size(chunks < largest_chunks / e.ranks ? e.ranks * chunks : largest_chunks) {}

  constexpr int first(int chunk) const {
    if (size >= stages) return chunk < stages ? chunk : stages;
    int const base = stages / size, rest = stages % size;
    return chunk * base + (chunk < rest ? chunk : rest);
  }

 private:
  static constexpr int largest_chunks = 1 << 28;
};

/// Chunks that a rank may be asked for: beyond it lists would be beyond memory before anyone sees that they are empty.
inline constexpr int most_chunks = 1 << 12;

/// How many ranks give each of them so many chunks, the last one maybe fewer; as many as stages where there is no chunk.
constexpr int ranks_of_chunks(int stages, int chunks) {
  return chunks < 1 ? stages : stages / chunks + (stages % chunks != 0 ? 1 : 0);
}

/// Emits an op of every stage of a chunk: forwards and recomputations from the first stage up, all others from the last one
/// down. `what`: all but the stage.
template <class Sink>
constexpr void emit_chunk(chunk_table const& chunks, int chunk, int rank, op what, Sink& sink) {
  int const first = chunks.first(chunk), last = chunks.first(chunk + 1) - 1;
  bool const upwards = what.kind == op_kind::F || what.kind == op_kind::R;
  for (int i = 0; i <= last - first; ++i) {
    what.stage = upwards ? first + i : last - i;
    sink(rank, what);
  }
}

/// Emits U of every stage of every rank, behind all that the rank has by now, from the highest stage down; among replicas G
/// of all of them first.
template <class Sink>
constexpr void emit_updates(extent e, Sink& sink) {
  for (op_kind const kind : {op_kind::G, op_kind::U}) {
    if (kind == op_kind::G && e.replicas == 1) continue;
    for (int s = e.stages - 1; s >= 0; --s)
      for (int k = 0; k < e.replicas; ++k)
        sink(rank_of(e, s, k), op{.kind = kind, .stage = s, .microbatch = e.microbatches - 1, .replica = k});
  }
}

}  // namespace foal::schedule
