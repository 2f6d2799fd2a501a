// AxoNN's message-driven order (Singh, Bhatele, IPDPS 2022), as a list: every rank runs what has come first.
#pragma once

#include <vector>

#include <foal/schedule/rules/unit.hpp>

namespace foal::schedule {

/// Rank 0 lets `limit` microbatches in, then one more after each backward that has come back; the last rank runs a backward
/// right after its forward; any other runs the message that has come first, of two that have come together the forward.
/// AxoNN has the network decide; here messages come at the times of the given costs, so the order, and with it a run's bits,
/// is always the same. Gradients are summed in order 0..N-1: the bits of `sequential`. Saves at most `limit`; delay 0.
/// Throws foal::error where a cost or the limit is below what it can be.
struct message_driven {
  static constexpr char const* name = "message_driven";
  static constexpr bool asynchronous = false;

  int limit = 0;  ///< microbatches on their way at most; 0: R
  // What a rank takes for an op, and a message from rank to rank, in any unit of time.
  int forward = 1, backward = 2, message = 0;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("limit", limit);
    f("forward", forward);
    f("backward", backward);
    f("message", message);
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    if (limit < 0 || forward < 1 || backward < 1 || message < 0)
      throw error(sentence("cannot order messages (schedule message_driven) with a limit of ", limit, " and costs of ",
                           forward, ", ", backward, " and ", message,
                           ", because microbatches are let in and ops take time; give "
                           "limit >= 0, forward and backward >= 1, message >= 0"));
    int const n = e.microbatches, last = e.ranks - 1, most = limit > 0 ? limit : e.ranks;
    std::vector<rank_state> ranks(static_cast<std::size_t>(e.ranks));
    rank_state& first = ranks[0];
    for (int m = 0; m < n && m < most; ++m) first.forwards.push_back(0);
    for (int left = e.ranks * n; left > 0;) {
      // The op that starts first, of those that could: what comes later cannot have to do with it.
      int r = -1;
      long long start = 0;
      for (int k = 0; k <= last; ++k) {
        rank_state const& x = ranks[static_cast<std::size_t>(k)];
        long long const message_at = x.next();
        if (message_at < 0) continue;
        long long const at = message_at > x.free ? message_at : x.free;
        if (r < 0 || at < start) r = k, start = at;
      }
      rank_state& x = ranks[static_cast<std::size_t>(r)];
      bool const runs_forward = x.next_is_forward();
      if (runs_forward) {
        emit_forward(e, r, x.forward++, sink);
        x.free = start + forward;
        if (r < last) ranks[static_cast<std::size_t>(r + 1)].forwards.push_back(x.free + message);
      }
      if (runs_forward && r < last) continue;
      emit_backward(e, r, x.backward++, sink);
      x.free = (runs_forward ? x.free : start) + backward;
      --left;
      if (r > 0) ranks[static_cast<std::size_t>(r - 1)].backwards.push_back(x.free + message);
      if (r == 0 && static_cast<int>(first.forwards.size()) < n) first.forwards.push_back(x.free);
    }
  }

 private:
  struct rank_state {
    std::vector<long long> forwards, backwards;  // when the messages have come, by microbatch
    int forward = 0, backward = 0;               // how many have been run
    long long free = 0;

    constexpr long long at(std::vector<long long> const& come, int done) const {
      return static_cast<std::size_t>(done) < come.size() ? come[static_cast<std::size_t>(done)] : -1;
    }
    constexpr bool next_is_forward() const {
      long long const f = at(forwards, forward), b = at(backwards, backward);
      return f >= 0 && (b < 0 || f <= b);
    }
    /// When the next one has come; -1: there is none.
    constexpr long long next() const { return next_is_forward() ? at(forwards, forward) : at(backwards, backward); }
  };
};

}  // namespace foal::schedule
