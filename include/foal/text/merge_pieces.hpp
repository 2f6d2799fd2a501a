// Applying ranked merges to a row of symbols in time that grows little faster than the row.
#pragma once

#include <foal/core/config.hpp>

#include <compare>
#include <cstddef>
#include <functional>
#include <limits>
#include <queue>
#include <utility>
#include <vector>

namespace foal::text::detail {

/// A symbol for the characters from `begin` to `end` of a word.
struct piece {
  int symbol;
  std::size_t begin, end;
};

inline constexpr int no_merge = std::numeric_limits<int>::max();

/// Again and again merges every pair of neighbours of the least rank that is there, from left to right, until there is none.
/// rank(left, right) gives the rank of two symbols, or no_merge; merged(rank) the symbol that they become, which is neither
/// of the two. rank is asked at most once for each neighbourhood that ever exists: fewer than 3 times the pieces.
template <class Rank, class Merged>
void merge_pieces(std::vector<piece>& pieces, Rank const& rank, Merged const& merged) {
  struct candidate {
    int rank;
    std::size_t at;  // of the left piece
    int left, right;
    auto operator<=>(candidate const&) const = default;
  };
  std::size_t const none = pieces.size();
  std::vector<std::size_t> before(pieces.size()), after(pieces.size());
  std::vector<candidate> fresh;
  auto const look_at = [&](std::size_t at) {
    if (at == none || after[at] == none) return;
    int const left = pieces[at].symbol, right = pieces[after[at]].symbol, r = rank(left, right);
    if (r != no_merge) fresh.push_back({r, at, left, right});
  };
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    before[i] = i == 0 ? none : i - 1;
    after[i] = i + 1;
  }
  for (std::size_t i = 0; i < pieces.size(); ++i) look_at(i);
  std::priority_queue<candidate, std::vector<candidate>, std::greater<>> waiting({}, std::move(fresh));
  fresh = {};
  constexpr int gone = std::numeric_limits<int>::min();
  while (!waiting.empty()) {
    int const least = waiting.top().rank, whole = merged(least);
    std::vector<std::size_t> made;
    // All of one rank before what they make, even where that has a lower rank.
    while (!waiting.empty() && waiting.top().rank == least) {
      candidate const c = waiting.top();
      waiting.pop();
      std::size_t const next = pieces[c.at].symbol == c.left ? after[c.at] : none;
      if (next == none || pieces[next].symbol != c.right) continue;  // another merge took one of the two
      pieces[c.at].symbol = whole;
      pieces[c.at].end = pieces[next].end;
      pieces[next].symbol = gone;
      after[c.at] = after[next];
      if (after[next] != none) before[after[next]] = c.at;
      made.push_back(c.at);
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (i == 0 || before[made[i]] != made[i - 1]) look_at(before[made[i]]);
      look_at(made[i]);
    }
    for (candidate const& c : fresh) waiting.push(c);
    fresh.clear();
  }
  std::erase_if(pieces, [](piece const& p) { return p.symbol == gone; });
}

}  // namespace foal::text::detail
