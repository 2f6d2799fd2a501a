// Channels with a bounded number of messages: does a program run on them, and how much room do they need?
#pragma once

#include <foal/schedule/proof/prove.hpp>

namespace foal::schedule {

/// Which messages share a FIFO between two ranks.
enum class shared_fifo {
  pair,            ///< all from one rank to another (one communicator per ordered pair)
  pair_direction,  ///< F and R in one, B apart
  kind             ///< F, R and B apart
};

namespace detail {

/// Between ranks, what an op takes or gives: the op at the other end and its rank.
struct hop {
  int other = 0, rank = 0;
  edge via = edge::activation;
};

/// The op that a message is for, of that minibatch of the run.
struct message {
  int consumer = 0, minibatch = 0;
  constexpr bool operator==(message const&) const = default;
};

struct fifo {
  std::vector<message> queue;
  std::size_t head = 0;
  constexpr std::size_t waiting() const { return queue.size() - head; }
};

/// Which FIFO of a pair of ranks.
constexpr int lane_of(edge via, shared_fifo how) {
  if (how == shared_fifo::pair || via == edge::activation) return 0;
  if (via == edge::rebuilt) return how == shared_fifo::kind ? 2 : 0;
  return via == edge::gradient || how != shared_fifo::kind ? 1 : 3;
}

class bounded_run {
 public:
  constexpr bounded_run(program_view v, timeline const& t, int capacity, shared_fifo how, int minibatches)
      : v_(v), capacity_(capacity), how_(how) {
    int const n = v.size.microbatches;
    int drain = 0;
    inputs_.resize(v.ops.size());
    outputs_.resize(v.ops.size());
    for (int r = 0, i = 0; r < v.size.ranks; ++r) {
      for (; i < v.begin[static_cast<std::size_t>(r) + 1]; ++i) {
        op const& o = v.ops[static_cast<std::size_t>(i)];
        if (int const late = -floor_div(o.microbatch, n); late > drain) drain = late;
        t.rule.for_each_crossing_input(o, [&](input const& in) {
          int const from = t.rank[static_cast<std::size_t>(unit_of(v.size, in.stage, in.replica))], producer = t.find(in);
          if (from == r || producer < 0 || in.via == edge::norm) return;  // a norm is summed over all ranks, no message
          inputs_[static_cast<std::size_t>(i)].push_back({producer, from, in.via});
          outputs_[static_cast<std::size_t>(producer)].push_back({i, r, in.via});
        });
      }
    }
    if (minibatches == 0) minibatches = drain + 2;
    if (minibatches < 0 || static_cast<long long>(minibatches) * n > largest_slot)
      throw error(sentence("cannot run ", minibatches, " minibatches of ", n,
                           " microbatches, because that is below 0 or beyond what is counted; run fewer"));
    total_ = n * minibatches;
    periods_ = minibatches + drain;
    auto const ranks = static_cast<std::size_t>(v.size.ranks);
    channels_.resize(ranks * ranks * 4);
    workers_.resize(ranks);
    for (int r = 0; r < v.size.ranks; ++r) {
      worker& w = workers_[static_cast<std::size_t>(r)];
      w.at = v.begin[static_cast<std::size_t>(r)];
      if (v.rank(r).empty()) w.period = periods_;
    }
  }

  constexpr verdict run() {
    int const ranks = v_.size.ranks;
    for (bool moved = true; moved;) {
      moved = false;
      for (int r = 0; r < ranks; ++r) moved = advance(r) || moved;
      for (int r = ranks - 1; r >= 0; --r) moved = advance(r) || moved;
    }
    int r = 0;
    while (r < ranks && finished(r)) ++r;
    if (r == ranks) return {};
    for (int q = r; q < ranks; ++q) {
      if (finished(q) || !receives(q)) continue;
      hop const& h = pending(q);
      fifo const& in = channel(h.rank, q, h.via);
      if (in.waiting() == 0) continue;
      message const& first = in.queue[in.head];
      op other = v_.ops[static_cast<std::size_t>(first.consumer)];
      other.microbatch = floor_mod(other.microbatch, v_.size.microbatches) + first.minibatch * v_.size.microbatches;
      return {.what = flaw::fifo, .first = current(q), .second = other, .first_rank = q, .second_rank = q};
    }
    // Whom a stuck rank waits for: the sender of its input or the receiver of its output.
    for (int hop = 0; hop < ranks; ++hop) r = pending(r).rank;
    int lowest = r, circle = 1;
    for (int q = pending(r).rank; q != r; q = pending(q).rank, ++circle) lowest = q < lowest ? q : lowest;
    int const other = pending(lowest).rank;
    return {.what = flaw::full,
            .first = current(lowest),
            .second = current(other),
            .first_rank = lowest,
            .second_rank = other,
            .found = circle,
            .expected = capacity_};
  }

 private:
  struct worker {
    int period = 0, at = 0;
    std::size_t received = 0, sent = 0;
    bool posted = false;  // rendezvous: the message is offered and not yet taken
  };

  constexpr bool finished(int r) const { return workers_[static_cast<std::size_t>(r)].period == periods_; }
  constexpr std::vector<hop> const& inputs(worker const& w) const { return inputs_[static_cast<std::size_t>(w.at)]; }
  constexpr std::vector<hop> const& outputs(worker const& w) const { return outputs_[static_cast<std::size_t>(w.at)]; }
  constexpr bool receives(int r) const {
    worker const& w = workers_[static_cast<std::size_t>(r)];
    return w.received < inputs(w).size();
  }
  constexpr hop const& pending(int r) const {
    worker const& w = workers_[static_cast<std::size_t>(r)];
    return receives(r) ? inputs(w)[w.received] : outputs(w)[w.sent];
  }
  constexpr op current(int r) const {
    worker const& w = workers_[static_cast<std::size_t>(r)];
    op o = v_.ops[static_cast<std::size_t>(w.at)];
    o.microbatch += w.period * v_.size.microbatches;
    return o;
  }
  constexpr fifo const& channel(int from, int to, edge via) const {
    auto const pair =
        static_cast<std::size_t>(from) * static_cast<std::size_t>(v_.size.ranks) + static_cast<std::size_t>(to);
    return channels_[pair * 4 + static_cast<std::size_t>(lane_of(via, how_))];
  }
  constexpr fifo& channel(int from, int to, edge via) {
    return const_cast<fifo&>(static_cast<bounded_run const&>(*this).channel(from, to, via));
  }

  /// Runs what rank r can run; true if it got on.
  constexpr bool advance(int r) {
    worker& w = workers_[static_cast<std::size_t>(r)];
    bool moved = false;
    for (; !finished(r); moved = true) {
      int const m = current(r).microbatch, minibatch = floor_div(m, v_.size.microbatches);
      if (m >= 0 && m < total_) {
        for (; w.received < inputs(w).size(); ++w.received, moved = true) {
          hop const& h = inputs(w)[w.received];
          fifo& in = channel(h.rank, r, h.via);
          if (in.waiting() == 0 || !(in.queue[in.head] == message{w.at, minibatch})) return moved;
          ++in.head;
        }
        for (; w.sent < outputs(w).size(); ++w.sent, w.posted = false, moved = true) {
          hop const& h = outputs(w)[w.sent];
          fifo& out = channel(r, h.rank, h.via);
          if (capacity_ == 0) {
            moved = moved || !w.posted;
            if (!w.posted) out.queue.push_back({h.other, minibatch});
            w.posted = true;
            if (out.waiting() > 0) return moved;
          } else {
            if (capacity_ > 0 && out.waiting() >= static_cast<std::size_t>(capacity_)) return moved;
            out.queue.push_back({h.other, minibatch});
          }
        }
      }
      w.received = w.sent = 0;
      if (++w.at == v_.begin[static_cast<std::size_t>(r) + 1]) w.at = v_.begin[static_cast<std::size_t>(r)], ++w.period;
    }
    return moved;
  }

  program_view v_;
  int capacity_;
  shared_fifo how_;
  int total_ = 0, periods_ = 0;
  std::vector<std::vector<hop>> inputs_, outputs_;  // [op]
  std::vector<fifo> channels_;
  std::vector<worker> workers_;
};

}  // namespace detail

/// Runs the program with blocking messages: an op first takes its inputs from the FIFOs of their channels, then computes,
/// then sends and waits until there is room (capacity 0: until the receiver takes the message: rendezvous). Covers
/// `minibatches` (0: as many as fill the pipeline, and two more) with their drain. Gives the circle of ranks that wait for
/// each other, or the op whose message is not at the head of its FIFO. Needs a program that prove() accepts; its verdict
/// otherwise. capacity < 0: unbounded.
constexpr verdict run_bounded(program_view v, int capacity, shared_fifo how = shared_fifo::pair, int minibatches = 0) {
  timeline t;
  if (verdict const bad = detail::prove(v, t); !bad) return bad;
  return detail::bounded_run(v, t, capacity, how, minibatches).run();
}

/// The smallest capacity of every FIFO with which the program runs: 0 rendezvous, -1 none, because messages of a shared FIFO
/// are taken in another order than they are sent.
constexpr int channel_capacity(program_view v, shared_fifo how = shared_fifo::pair, int minibatches = 0) {
  if (!run_bounded(v, -1, how, minibatches)) return -1;
  int capacity = 0;
  while (!run_bounded(v, capacity, how, minibatches)) ++capacity;
  return capacity;
}

}  // namespace foal::schedule
