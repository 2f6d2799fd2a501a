// What a proof says: nothing is wrong, or which ops are, in numbers for the compiler and in a sentence for people.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/schedule/op.hpp>

namespace foal::schedule {

enum class flaw {
  none,
  size,       ///< `found` stages on `expected` ranks, or no microbatch, replica or segment
  unknown,    ///< first is of a kind, replica or segment that the proof has no rule for
  range,      ///< first names a stage or microbatch `found` that its program does not have, `expected` or above for instance
  missing,    ///< first is not in the list, although second is (or nothing of its stage and microbatch)
  twice,      ///< first and second do the same
  placement,  ///< first and second are of one stage, on two ranks
  deadlock,   ///< first and second wait for each other, directly or around a circle of `found` ranks
  full,       ///< first and second wait for each other over channels that hold `expected` messages
  untimed,    ///< first has no slot
  slot,       ///< first's slot `found` is not in [0, expected), the period
  order,      ///< first is listed before second, but not earlier by (slot, lane)
  dependency,  ///< first needs second, which is not before it
  update,      ///< first is U, second an op of its stage on the wrong side of it
  fifo,        ///< first is received where second comes out of the channel
  entries,     ///< a list has `found` entries for `expected` stages
  group,       ///< stage `expected` names stage `found` as the first of its recompute group, which it cannot be
  lists,       ///< the list of rank `expected` does not begin at offset `found` of the ops, after the one before it
  depth,       ///< first runs `found` minibatches late, more than `expected`
  late,        ///< the period `found` (0: first's slot, counted from its own minibatch's) is beyond `expected`
  delay,       ///< stage `expected` reads weights of `found` microbatches ago, which is below 0 or beyond counting
  choice,      ///< stage `expected` wants `found`, which is none of `gradients`
  useless,     ///< stage `expected` is recomputed and has no backward
  unwanted,    ///< first is R of a stage that is not recomputed, or a backward or an update that its stage does not want
  cut,         ///< stage `found` has a backward and stage `expected` above it has none
  replica,     ///< first is of a microbatch that runs through second's replica
  unused,      ///< no microbatch runs through replica `found` of `expected`
  norm,        ///< the global norm in a program whose stages do not all update once, after all gradients of a minibatch
  offload,     ///< of first's stage there are several offloads, or one with `found` slots and `expected` ops ahead
  offloader,   ///< first is F of a stage that cannot offload what it saves
  back,        ///< what first reads comes back to one of `found` slots, `expected` ops ahead, before second has read it
  evictor,     ///< first is F of a stage that cannot evict what it saves
  acceptor,    ///< what first saves is evicted to rank `found`, which cannot be, or is not where the stage's others go
  evicted,     ///< what first saves is evicted `found` times
  held         ///< rank first_rank would hold `found` microbatches, and has memory for `expected`
};

/// Slots, those of late microbatches too, lie below it, so that sums and differences of a few are integers.
inline constexpr int largest_slot = 1 << 28;
/// No op is for a minibatch that began longer ago: what is kept for those in between is allocated.
inline constexpr int most_minibatches = 1 << 16;

/// Names both ops of a failure. Microbatch numbers are relative to the period, as in the program.
struct verdict {
  flaw what = flaw::none;
  op first{}, second{};
  int first_rank = 0, second_rank = 0;
  int found = 0, expected = 0;

  constexpr explicit operator bool() const { return what == flaw::none; }
  constexpr bool operator==(verdict const&) const = default;
};

/// "BW(stage 0, microbatch 0) on rank 0"
inline std::string text(op const& o, int rank) {
  std::string part;
  if (o.replica != 0) part += sentence(", replica ", o.replica);
  if (o.segment != 0) part += sentence(", segment ", o.segment);
  return sentence(name(o.kind), "(stage ", o.stage, ", microbatch ", o.microbatch, part, ") on rank ", rank);
}

/// One sentence: cannot, because, do.
inline std::string text(verdict const& v) {
  std::string const a = text(v.first, v.first_rank), b = text(v.second, v.second_rank);
  switch (v.what) {
    case flaw::none:
      return "every op runs once, in order";
    case flaw::size:
      return sentence("cannot build this program, because ", v.found, " stages cannot be spread over ", v.expected,
                      " ranks or there is no microbatch; use at least one stage, one microbatch, one replica and one "
                      "segment, and 1 rank to as many as there are stages in all replicas");
    case flaw::unknown:
      return sentence("cannot prove ", a, " (replica ", v.first.replica, ", segment ", v.first.segment,
                      "), because the proof knows F, B, W, BW, R and U, and G among several replicas, of the replicas and "
                      "segments that the program has (U and G of segment 0); leave it out");
    case flaw::range:
      return sentence("cannot place ", a, ", because its number ", v.found, " is not one of those up to ", v.expected - 1,
                      " that the period has; count stages from 0, microbatches from the period's first (below 0 only in an "
                      "asynchronous program), and give U the last microbatch of its minibatch");
    case flaw::missing:
      return sentence("cannot run the list with ", b, ", because ", a, " is in no list; add it once");
    case flaw::twice:
      return sentence("cannot run ", a, ", because ", b, " does the same work; list it once");
    case flaw::placement:
      return sentence("cannot run ", a, ", because ", b, " is of the same stage, whose weights live on one rank; move one");
    case flaw::deadlock:
      return sentence("cannot run ", a, ", because it waits for an op that its rank reaches only after ", b,
                      ", and that waits for rank ", v.first_rank, " in turn (", v.found,
                      " ranks wait in a circle); list one of them later");
    case flaw::full:
      return sentence("cannot get past ", a, ", because its channels hold ", v.expected, " messages and ", b,
                      " waits for the same in turn (", v.found, " ranks wait in a circle); give channels more room");
    case flaw::untimed:
      return sentence("cannot time ", a, ", because it has no slot and its periods overlap; give every op a slot");
    case flaw::slot:
      return sentence("cannot repeat ", a, ", because its slot ", v.found, " is not in the period of ", v.expected,
                      " slots; take its slot modulo the period and move its microbatch by as many minibatches");
    case flaw::order:
      return sentence("cannot run ", a, " before ", b, ", because their slots and lanes (", v.first.slot, ", ", v.first.lane,
                      ") and (", v.second.slot, ", ", v.second.lane,
                      ") say otherwise; list them in the order of (slot, lane)");
    case flaw::dependency:
      if (v.found < 0)
        return sentence("cannot run ", a, ", because it needs ", b, ", which is listed after it; list it later");
      return sentence("cannot run ", a, " in slot ", v.found, ", because it needs ", b, " in slot ", v.expected,
                      "; move it to a later slot");
    case flaw::update:
      return sentence("cannot run ", a, ", because ", b,
                      " is on the wrong side of it; update after the last weight gradient of "
                      "the minibatch and before the first of the next one");
    case flaw::fifo:
      return sentence("cannot receive for ", a, ", because ", b,
                      " comes out of the channel first; send and receive in the same order");
    case flaw::entries:
      return sentence("cannot read what the program says of its stages, because it has ", v.found, " entries for ",
                      v.expected, " stages; give one entry per stage, or none at all");
    case flaw::group:
      return sentence("cannot recompute stage ", v.expected, " in a segment that begins at stage ", v.found,
                      ", because a segment is a run of neighbouring stages that all name its first one; give every stage "
                      "that first stage, or -1 to keep what its forward saved");
    case flaw::lists:
      return sentence("cannot read the list of rank ", v.expected, ", because it begins at op ", v.found,
                      ", which is not where the list before it ends; give R + 1 offsets that rise from 0 to the number of "
                      "ops");
    case flaw::depth:
      return sentence("cannot prove ", a, ", because it runs ", v.found, " minibatches late and a proof follows ",
                      v.expected, " at most; let less time pass between a microbatch's ops");
    case flaw::late:
      if (v.found != 0)
        return sentence("cannot repeat the lists every ", v.found, " slots, because a period has 0 (not timed yet) to ",
                        v.expected, " slots; give one of those");
      return sentence("cannot place ", a, " in slot ", v.first.slot, ", because a minibatch has to end by slot ", v.expected,
                      "; use fewer slots");
    case flaw::delay:
      return sentence("cannot delay stage ", v.expected, " by ", v.found,
                      " microbatches, because a forward reads weights of now or of before, and slots are counted in "
                      "integers; give a delay from 0 to ",
                      largest_slot);
    case flaw::choice:
      return sentence("cannot tell what the backward of stage ", v.expected, " is for, because the program says ", v.found,
                      "; give 0 (nothing), 1 (the gradient of its input) or 2 (its weights' as well)");
    case flaw::useless:
      return sentence("cannot recompute stage ", v.expected,
                      ", because it has no backward that would read what R rebuilds, ", "and ", v.found,
                      " is named as the first stage of its segment; give -1");
    case flaw::unwanted:
      return sentence("cannot run ", a, ", because the program says that its stage has none (",
                      v.first.kind == op_kind::R ? "it is not recomputed" : "its weights are frozen, or it has no backward",
                      "); leave it out, or have the program say otherwise");
    case flaw::cut:
      return sentence("cannot train stage ", v.found, ", because stage ", v.expected,
                      " above it has no backward to send it a gradient; let every stage from the lowest trained one up "
                      "have one");
    case flaw::replica:
      return sentence("cannot run ", a, ", because ", b,
                      " is of the same microbatch, which runs through one replica from its first stage to its last; give "
                      "both the same replica");
    case flaw::unused:
      return sentence("cannot run ", v.expected, " replicas, because no microbatch runs through replica ", v.found,
                      "; use at least as many microbatches as replicas, and give every replica one");
    case flaw::norm:
      if (v.found == 0)
        return "cannot clip by the global norm in an asynchronous program, because its stages update at different times "
               "and never hold the gradients of one minibatch together; clip stage by stage, or use a synchronous schedule";
      return sentence("cannot clip by the global norm where stage ", v.expected, " updates ", v.found,
                      " times in a minibatch, because the norm is that of all gradients of a minibatch; update once");
    case flaw::offload:
      return sentence("cannot offload what ", a, " saves with ", v.found, " slots and copies back ", v.expected,
                      " ops ahead, because a stage has one offload, with 1 slot or more and 0 ops or more; name it once");
    case flaw::offloader:
      return sentence("cannot offload what ", a,
                      " saves, because only a stage with one replica and one segment can, that runs F, and then BW (or B, "
                      "frozen), in the order of the microbatches, has no W and is neither recomputed nor evicted; leave it "
                      "on the device");
    case flaw::back:
      return sentence("cannot copy back what ", a, " reads ", v.expected, " ops ahead, because ", b,
                      " has not yet read what is in the slot, one of ", v.found,
                      "; use more slots, or begin fewer ops ahead");
    case flaw::evictor:
      return sentence(
          "cannot evict what ", a,
          " saves, because only a stage of a synchronous program with one replica and one segment can, that runs "
          "F, and then BW, in the order of the microbatches and is not recomputed; leave it where it is");
    case flaw::acceptor:
      return sentence("cannot evict what ", a, " saves to rank ", v.found, ", because ",
                      v.found == v.first_rank ? "it is there"
                      : v.expected >= 0       ? sentence("the stage's others go to rank ", v.expected)
                                              : std::string("there is no such rank"),
                      "; name one other rank for all of a stage's microbatches");
    case flaw::evicted:
      return sentence("cannot evict what ", a, " saves ", v.found,
                      " times, because it is moved once and fetched once; name "
                      "it once");
    case flaw::held:
      return sentence("cannot save what the program says, because rank ", v.first_rank, " would hold ", v.found,
                      " microbatches, its own and others', and has memory for ", v.expected,
                      "; evict others, or give ranks a higher limit");
  }
  return {};
}

/// A compile-time failure whose template arguments are the facts: what, then kind, stage, microbatch, rank of both ops.
template <flaw What, op_kind First, int FirstStage, int FirstMicrobatch, int FirstRank, op_kind Second, int SecondStage,
          int SecondMicrobatch, int SecondRank>
struct schedule_is_wrong {
  static_assert(What == flaw::none,
                "cannot use this schedule, because the two ops in schedule_is_wrong<what, op, stage, microbatch, rank, op, "
                "stage, microbatch, rank> break it; see foal::schedule::flaw");
};

/// Empty base or member: compiles only for a verdict without a flaw, and names the ops in the compiler's message otherwise.
template <verdict V>
struct checked : schedule_is_wrong<V.what, V.first.kind, V.first.stage, V.first.microbatch, V.first_rank, V.second.kind,
                                   V.second.stage, V.second.microbatch, V.second_rank> {};

}  // namespace foal::schedule
