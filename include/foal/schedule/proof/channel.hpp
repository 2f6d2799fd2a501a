// Channels with a bounded number of messages: does a program run on them, and how much room do they need?
#pragma once

#include <foal/schedule/proof/prove.hpp>

namespace foal::schedule {

/// Which messages share a FIFO between two ranks.
enum class merge {
  pair,            ///< all from one rank to another (one communicator per ordered pair)
  pair_direction,  ///< F and R in one, B apart
  kind             ///< F, R and B apart
};

namespace detail {

struct message {
  op consumer{};
  constexpr bool operator==(message const&) const = default;
};

struct fifo {
  std::vector<message> queue;
  std::size_t head = 0;
  constexpr std::size_t waiting() const { return queue.size() - head; }
};

}  // namespace detail

/// Runs the program with blocking messages: an op first takes its input from the FIFO of its channel, then computes, then
/// sends and waits until there is room (capacity 0: until the receiver takes the message: rendezvous). Covers `minibatches`
/// (0: as many as fill the pipeline, and two more) with their drain. Gives the circle of ranks that wait for each other, or
/// the op whose message is not at the head of its FIFO. Needs a program that prove() accepts; its verdict otherwise.
/// capacity < 0: unbounded.
constexpr verdict run_bounded(program_view v, int capacity, merge how = merge::pair, int minibatches = 0) {
  if (verdict const bad = prove(v); !bad) return bad;
  int const n = v.size.microbatches, stages = v.size.stages, ranks = v.size.ranks;
  std::vector<int> host(static_cast<std::size_t>(stages), 0);
  int drain = 0;
  for (int r = 0; r < ranks; ++r) {
    for (op const& o : v.rank(r)) {
      host[static_cast<std::size_t>(o.stage)] = r;
      if (int const late = -floor_div(o.microbatch, n); late > drain) drain = late;
    }
  }
  if (minibatches == 0) minibatches = drain + 2;
  if (minibatches < 0 || static_cast<long long>(minibatches) * n > largest_slot)
    throw error(sentence("cannot run ", minibatches, " minibatches of ", n,
                         " microbatches, because that is below 0 or beyond what is counted; run fewer"));
  int const total = n * minibatches, periods = minibatches + drain;
  enum class step { receive, send };
  struct worker {
    int period = 0;
    std::size_t at = 0;
    step now = step::receive;
    bool posted = false;  // rendezvous: the message is offered and not yet taken
  };
  std::vector<worker> state(static_cast<std::size_t>(ranks), worker{});
  for (int r = 0; r < ranks; ++r)
    if (v.rank(r).empty()) state[static_cast<std::size_t>(r)].period = periods;
  std::vector<detail::fifo> channels(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks) * 3, detail::fifo{});
  auto const channel = [&](int from, int to, op_kind kind) -> detail::fifo& {
    int lane = how == merge::pair || kind == op_kind::F ? 0 : 1;
    if (kind == op_kind::R) lane = how == merge::kind ? 2 : 0;
    return channels[(static_cast<std::size_t>(from) * static_cast<std::size_t>(ranks) + static_cast<std::size_t>(to)) * 3 +
                    static_cast<std::size_t>(lane)];
  };
  std::vector<int> const heads = segments_of(v);
  auto const neighbour = [&](int stage) {
    return stage < 0 || stage >= stages ? -1 : host[static_cast<std::size_t>(stage)];
  };
  auto const current = [&](int r) {
    worker const& w = state[static_cast<std::size_t>(r)];
    op o = v.rank(r)[w.at];
    o.microbatch += w.period * n;
    return o;
  };
  // Where an op's input comes from and its output goes to, -1: nowhere, or within the rank.
  auto const source = [&](op const& o, int r) {
    int from = o.kind == op_kind::F ? neighbour(o.stage - 1) : (is_backward(o.kind) ? neighbour(o.stage + 1) : -1);
    if (o.kind == op_kind::R && continues_segment(heads, o.stage)) from = neighbour(o.stage - 1);
    return from == r ? -1 : from;
  };
  auto const target = [&](op const& o, int r) {
    int to = o.kind == op_kind::F ? neighbour(o.stage + 1) : -1;
    if (is_backward(o.kind) && o.stage > 0 && v.wanted(o.stage - 1) != gradients::none) to = neighbour(o.stage - 1);
    if (o.kind == op_kind::R && continues_segment(heads, o.stage + 1)) to = neighbour(o.stage + 1);
    return to == r ? -1 : to;
  };
  auto const key = [](op const& o, int step_) {  // the consumer of o's message, or o itself as consumer
    return detail::message{
        op{.kind = is_backward(o.kind) ? op_kind::B : o.kind, .stage = o.stage + step_, .microbatch = o.microbatch}};
  };
  auto const finished = [&](int r) { return state[static_cast<std::size_t>(r)].period == periods; };

  auto const advance = [&](int r) {
    worker& w = state[static_cast<std::size_t>(r)];
    bool moved = false;
    auto const next = [&] {
      w.now = step::receive;
      w.posted = false;
      if (++w.at == v.rank(r).size()) w.at = 0, ++w.period;
      moved = true;
    };
    while (!finished(r)) {
      op const o = current(r);
      if (o.microbatch < 0 || o.microbatch >= total) {
        next();
        continue;
      }
      int const onward = is_backward(o.kind) ? -1 : 1;
      if (w.now == step::receive) {
        if (int const from = source(o, r); from >= 0) {
          detail::fifo& in = channel(from, r, o.kind);
          if (in.waiting() == 0 || !(in.queue[in.head] == key(o, 0))) return moved;
          ++in.head;
        }
        w.now = step::send;
        moved = true;
      }
      int const to = target(o, r);
      if (to >= 0) {
        detail::fifo& out = channel(r, to, o.kind);
        if (capacity == 0) {
          if (!w.posted) {
            out.queue.push_back(key(o, onward));
            w.posted = true;
            moved = true;
          }
          if (out.waiting() > 0) return moved;
        } else {
          if (capacity > 0 && out.waiting() >= static_cast<std::size_t>(capacity)) return moved;
          out.queue.push_back(key(o, onward));
        }
      }
      next();
    }
    return moved;
  };
  for (bool moved = true; moved;) {
    moved = false;
    for (int r = 0; r < ranks; ++r) moved = advance(r) || moved;
    for (int r = ranks - 1; r >= 0; --r) moved = advance(r) || moved;
  }

  int r = 0;
  while (r < ranks && finished(r)) ++r;
  if (r == ranks) return {};
  // Whom a stuck rank waits for: the sender of its input or the receiver of its output.
  auto const waits_for = [&](int rank) {
    op const o = current(rank);
    return state[static_cast<std::size_t>(rank)].now == step::receive ? source(o, rank) : target(o, rank);
  };
  for (int q = r; q < ranks; ++q) {
    if (finished(q) || state[static_cast<std::size_t>(q)].now != step::receive) continue;
    op const o = current(q);
    detail::fifo const& in = channel(source(o, q), q, o.kind);
    if (in.waiting() == 0) continue;
    return {.what = flaw::fifo, .first = o, .second = in.queue[in.head].consumer, .first_rank = q, .second_rank = q};
  }
  for (int hop = 0; hop < ranks; ++hop) r = waits_for(r);
  int lowest = r, circle = 1;
  for (int q = waits_for(r); q != r; q = waits_for(q), ++circle) lowest = q < lowest ? q : lowest;
  int const other = waits_for(lowest);
  return {.what = flaw::full,
          .first = current(lowest),
          .second = current(other),
          .first_rank = lowest,
          .second_rank = other,
          .found = circle,
          .expected = capacity};
}

/// The smallest capacity of every FIFO with which the program runs: 0 rendezvous, -1 none, because messages of a shared FIFO
/// are taken in another order than they are sent.
constexpr int channel_capacity(program_view v, merge how = merge::pair, int minibatches = 0) {
  if (!run_bounded(v, -1, how, minibatches)) return -1;
  int capacity = 0;
  while (!run_bounded(v, capacity, how, minibatches)) ++capacity;
  return capacity;
}

}  // namespace foal::schedule
