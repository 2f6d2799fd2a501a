// The passes of a microbatch through a model whose vocabulary is in parts, as lists of ranks, and how long these take.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/config.hpp>

namespace foal::schedule::detail {

/// Up the ranks through embedding, blocks and output layer, then down again.
struct vocabulary_pass {
  enum { embed, blocks, output, output_back, blocks_back, embed_back, count };
};

/// What lists are made for. Durations are of what a rank has in a pass.
struct vocabulary_problem {
  int ranks = 1, microbatches = 1;
  double message = 0;
  double duration[vocabulary_pass::count]{};
  std::vector<char> has{};  ///< [pass * ranks + rank]

  constexpr bool there(int pass, int rank) const { return has[static_cast<std::size_t>(pass * ranks + rank)] != 0; }
  /// To where a microbatch goes next; pass is vocabulary_pass::count behind the last one.
  constexpr void step(int& pass, int& rank) const {
    bool const up = pass <= vocabulary_pass::output;
    if (rank != (up ? ranks - 1 : 0)) {
      rank += up ? 1 : -1;
      return;
    }
    ++pass;
    rank = pass <= vocabulary_pass::output ? 0 : ranks - 1;
  }
};

struct vocabulary_item {
  int pass = 0, microbatch = 0;
};
/// By rank.
using vocabulary_lists = std::vector<std::vector<vocabulary_item>>;

/// Where microbatches are, and when they have come there.
class vocabulary_arrivals {
 public:
  constexpr explicit vocabulary_arrivals(vocabulary_problem const& p) : p_(p) {
    auto const all = static_cast<std::size_t>(vocabulary_pass::count * p.ranks);
    done_.assign(all, 0), at_.assign(all, {});
    for (int m = 0; m < p.microbatches; ++m) arrive(vocabulary_pass::embed, 0, m, 0);
  }

  /// When the next microbatch of a pass has come; -1: it has not.
  constexpr double next(int pass, int rank) const {
    auto const& all = at_[of(pass, rank)];
    auto const i = static_cast<std::size_t>(taken(pass, rank));
    return i < all.size() ? all[i] : -1;
  }
  /// Microbatches that have been through it.
  constexpr int taken(int pass, int rank) const { return done_[of(pass, rank)]; }
  /// It goes through, and on: to the rank that this gives.
  constexpr int take(int pass, int rank, double end) {
    int const microbatch = done_[of(pass, rank)]++;
    int next_pass = pass, to = rank;
    p_.step(next_pass, to);
    return arrive(next_pass, to, microbatch, end + (to == rank ? 0 : p_.message));
  }

 private:
  constexpr std::size_t of(int pass, int rank) const { return static_cast<std::size_t>(pass * p_.ranks + rank); }
  /// Where a rank has nothing in a pass it goes on at once.
  constexpr int arrive(int pass, int rank, int microbatch, double when) {
    for (; pass < vocabulary_pass::count && !p_.there(pass, rank); p_.step(pass, rank))
      done_[of(pass, rank)] = microbatch + 1;
    if (pass < vocabulary_pass::count) at_[of(pass, rank)].push_back(when);
    return rank;
  }

  vocabulary_problem const& p_;
  std::vector<int> done_;
  std::vector<std::vector<double>> at_;
};

/// Lists of which each rank runs what has come, the oldest microbatch or, with `backwards_first`, what is nearest to its
/// end. The first rank lets so many microbatches into its blocks at most: `limit`; it embeds as many more as there are
/// ranks.
constexpr vocabulary_lists lists_as_they_come(vocabulary_problem const& p, int limit, bool backwards_first) {
  auto const ranks = static_cast<std::size_t>(p.ranks);
  vocabulary_lists lists(ranks);
  vocabulary_arrivals now(p);
  std::vector<double> free(ranks, 0);
  auto const comes = [&](int pass, int rank) {
    bool const full = pass == vocabulary_pass::blocks &&
                      now.taken(vocabulary_pass::blocks, 0) - now.taken(vocabulary_pass::blocks_back, 0) >= limit;
    bool const ahead = pass == vocabulary_pass::embed &&
                       now.taken(vocabulary_pass::embed, 0) - now.taken(vocabulary_pass::blocks, 0) > p.ranks;
    return rank == 0 && (full || ahead) ? -1 : now.next(pass, rank);
  };
  struct choice {
    double start = -1;
    int pass = -1;
  };
  auto const look = [&](int rank) {
    choice c;
    for (int k = 0; k < vocabulary_pass::count; ++k)
      if (double const t = comes(k, rank); t >= 0 && (c.start < 0 || t < c.start)) c.start = t;
    if (c.start < 0) return c;
    c.start = std::max(c.start, free[static_cast<std::size_t>(rank)]);
    for (int k = vocabulary_pass::count - 1; k >= 0; --k) {
      double const t = comes(k, rank);
      if (t < 0 || t > c.start) continue;
      if (c.pass < 0 || (!backwards_first && now.taken(k, rank) < now.taken(c.pass, rank))) c.pass = k;
    }
    return c;
  };
  std::vector<choice> next(ranks);
  for (std::size_t k = 0; k < ranks; ++k) next[k] = look(static_cast<int>(k));
  for (;;) {
    std::size_t r = ranks;
    for (std::size_t k = 0; k < ranks; ++k)
      if (next[k].start >= 0 && (r == ranks || next[k].start < next[r].start)) r = k;
    if (r == ranks) return lists;
    int const rank = static_cast<int>(r), pass = next[r].pass;
    lists[r].push_back({pass, now.taken(pass, rank)});
    free[r] = next[r].start + p.duration[pass];
    int const to = now.take(pass, rank, free[r]);
    next[r] = look(rank);
    next[static_cast<std::size_t>(to)] = look(to);
  }
}

/// What lists take: the time, and microbatches that a rank has in its blocks at most. time -1: they wait for each other.
struct vocabulary_cost {
  double time = -1;
  int saved = 0;
};

constexpr vocabulary_cost cost_of(vocabulary_problem const& p, vocabulary_lists const& lists) {
  vocabulary_arrivals now(p);
  std::vector<double> free(lists.size(), 0);
  std::vector<std::size_t> at(lists.size(), 0);
  vocabulary_cost found{0, 0};
  std::size_t left = 0;
  for (auto const& list : lists) left += list.size();
  for (bool moved = true; left > 0 && moved;) {
    moved = false;
    for (std::size_t r = 0; r < lists.size(); ++r)
      while (at[r] < lists[r].size()) {
        int const pass = lists[r][at[r]].pass, rank = static_cast<int>(r);
        double const comes = now.next(pass, rank);
        if (comes < 0) break;
        free[r] = std::max(free[r], comes) + p.duration[pass];
        now.take(pass, rank, free[r]);
        found.saved =
            std::max(found.saved, now.taken(vocabulary_pass::blocks, rank) - now.taken(vocabulary_pass::blocks_back, rank));
        found.time = std::max(found.time, free[r]);
        ++at[r], --left, moved = true;
      }
  }
  return left > 0 ? vocabulary_cost{} : found;
}

}  // namespace foal::schedule::detail
