// Where stages live: what a generator is asked for, and which rank hosts which stage of which replica.
#pragma once

#include <foal/core/config.hpp>

namespace foal::schedule {

/// Rounds towards minus infinity, as relative microbatch numbers (which may be negative) need it. b > 0, any a.
constexpr int floor_div(int a, int b) { return a / b - (a % b < 0 ? 1 : 0); }
constexpr int floor_mod(int a, int b) { return a % b + (a % b < 0 ? b : 0); }

/// The ranks first .. first + count - 1.
struct rank_range {
  int first = 0, count = 1;
};

/// What a placement spreads, and over what.
struct spread {
  int stages = 1, ranks = 1, replicas = 1;
  int chunks = 0;  ///< placement::chunks

  /// Replicas side by side: the ranks that one of them has to itself, or shares where there are fewer ranks than replicas.
  constexpr rank_range beside(int replica) const {
    int const first = replica * ranks / replicas, end = (replica + 1) * ranks / replicas;
    return {first, end > first ? end - first : 1};
  }

  /// Which of the chunks that go round `count` ranks has the stage.
  constexpr int chunk(int count, int stage) const;
};

/// A rule that gives every stage of every replica its rank. A user's own is a value of this type: a name and a function that
/// gives a rank from 0 to ranks - 1.
struct placement {
  char const* name = "";
  int (*rank)(spread of, int stage, int replica) = nullptr;
  /// loop, vee: runs of neighbouring stages on every rank, the first ones a stage longer where there are stages left over.
  /// 0, or more than there are stages for: every stage is a run of its own.
  int chunks = 0;

  constexpr bool operator==(placement const& other) const { return rank == other.rank && chunks == other.chunks; }
  /// The same with so many chunks on every rank: `loop.in(2)`.
  constexpr placement in(int chunks_of_a_rank) const { return {name, rank, chunks_of_a_rank}; }
};

namespace detail {

/// The first S mod R ranks host one stage more.
constexpr int in_blocks(int stages, int ranks, int stage) {
  int const base = stages / ranks, rest = stages % ranks;
  return stage < rest * (base + 1) ? stage / (base + 1) : rest + (stage - rest * (base + 1)) / (base > 0 ? base : 1);
}

}  // namespace detail

constexpr int spread::chunk(int count, int stage) const {
  bool const single = chunks <= 0 || chunks >= (stages + count - 1) / count;
  return single ? stage : detail::in_blocks(stages, chunks * count, stage);
}

namespace detail {

constexpr int place_contiguous(spread of, int stage, int replica) {
  rank_range const at = of.beside(replica);
  return at.first + in_blocks(of.stages, at.count, stage);
}
constexpr int place_loop(spread of, int stage, int replica) {
  rank_range const at = of.beside(replica);
  return at.first + of.chunk(at.count, stage) % at.count;
}
constexpr int place_vee(spread of, int stage, int replica) {
  rank_range const at = of.beside(replica);
  int const chunk = of.chunk(at.count, stage), i = chunk % at.count;
  return at.first + (chunk / at.count % 2 == 0 ? i : at.count - 1 - i);
}
constexpr int place_bidirectional(spread of, int stage, int replica) {
  int const pairs = (of.replicas + 1) / 2, start = replica / 2 * of.ranks / pairs;
  int const rank = in_blocks(of.stages, of.ranks, stage);
  return (start + (replica % 2 == 0 ? rank : of.ranks - 1 - rank)) % of.ranks;
}

}  // namespace detail

/// Neighbouring stages on a rank, the first S mod R ranks one more; replicas side by side (data parallelism).
inline constexpr placement contiguous{"contiguous", detail::place_contiguous};
/// Chunk c on rank c mod R: with S = R V every rank hosts V stages (interleaved schedules), `loop.in(V)` has V chunks on
/// every rank for any S. Replicas side by side.
inline constexpr placement loop{"loop", detail::place_loop};
/// Up over the ranks and down again (V; with more chunks, waves): where a chunk ends the next begins on the same rank.
/// `vee.in(2)`: two chunks on every rank, for any S. Replicas side by side.
inline constexpr placement vee{"vee", detail::place_vee};
/// Replica 0 contiguous from the first rank up, replica 1 from the last rank down (Chimera, DualPipe). Of 2f replicas every
/// pair begins R/f ranks further up than the one before it and goes round.
inline constexpr placement bidirectional{"bidirectional", detail::place_bidirectional};

/// What a generator is asked for.
struct extent {
  int stages = 1;        ///< S
  int ranks = 1;         ///< R
  int microbatches = 1;  ///< N, per minibatch, over all replicas
  int replicas = 1;      ///< copies of every stage; a microbatch runs through one of them
  int segments = 1;      ///< parts of a microbatch's sequence, each with an F and a backward of its own
  placement placed = contiguous;

  constexpr bool operator==(extent const&) const = default;

  /// There is one of each at least, ranks are 1 to as many as units, and units are not beyond counting.
  constexpr bool sound() const {
    return stages >= 1 && replicas >= 1 && replicas <= (1 << 28) / stages && ranks >= 1 && ranks <= stages * replicas &&
           microbatches >= 1 && segments >= 1;
  }
};

/// A unit is (stage, replica): what has weights and a state of its own. With one replica its number is the stage's.
constexpr int units(extent e) { return e.stages * e.replicas; }
constexpr int unit_of(extent e, int stage, int replica) { return replica * e.stages + stage; }
constexpr int stage_of(extent e, int unit) { return unit % e.stages; }
constexpr int replica_of(extent e, int unit) { return unit / e.stages; }

/// The rank that the extent's placement gives a unit. Of a program its lists say where units are (ranks_of).
constexpr int rank_of(extent e, int stage, int replica = 0) {
  return e.placed.rank({e.stages, e.ranks, e.replicas, e.placed.chunks}, stage, replica);
}

/// The rank of a stage, and the lowest stage of a rank, where one replica is placed contiguously over all ranks;
/// first_stage(e, R) is S.
constexpr int contiguous_rank(extent e, int stage) { return detail::in_blocks(e.stages, e.ranks, stage); }
constexpr int first_stage(extent e, int rank) {
  int const base = e.stages / e.ranks, rest = e.stages % e.ranks;
  return rank * base + (rank < rest ? rank : rest);
}

}  // namespace foal::schedule
