// A building block for a vocabulary in parts: what each rank runs in every period, without a gap.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/schedule/rules/vocabulary_passes.hpp>

namespace foal::schedule::detail {

/// In every period, which is as long as a rank's four ops of one microbatch, each rank runs them one after the other in one
/// of six orders; its period begins later than that of the rank before. The orders and beginnings are those with which a
/// microbatch is soonest through all ranks, and so the fewest are on their way (by dynamic programming over ranks, for given
/// orders of the first and the last one). Embedding goes along with the blocks, periods before and after.
class vocabulary_block {
 public:
  static constexpr int orders = 6;

  /// Needs a duration above 0.
  constexpr explicit vocabulary_block(vocabulary_problem const& p) : p_(p) {
    for (int k = 0; k < 4; ++k) length_[k] = p.duration[vocabulary_pass::blocks + k];
    length_[0] += p.duration[vocabulary_pass::embed], length_[3] += p.duration[vocabulary_pass::embed_back];
    for (double const x : length_) period_ += x;
    int rest[] = {1, 2, 3};
    for (int o = 0; o < orders; ++o) {
      double at = length_[0];
      for (int i = 0; i < 3; ++i) {
        place_[o][rest[i]] = i + 1, begin_[o][rest[i]] = at;
        at += length_[rest[i]];
      }
      std::next_permutation(rest, rest + 3);
    }
    for (int a = 0; a < orders; ++a)
      for (int b = 0; b < orders; ++b) find_shift(a, b);
  }

  /// Its lists, with these orders on the first and the last rank.
  constexpr vocabulary_lists lists(int first, int last) const {
    auto const ranks = static_cast<std::size_t>(p_.ranks);
    std::vector<int> const order = path(first, last);
    std::vector<double> begin(ranks, 0);
    for (std::size_t r = 1; r < ranks; ++r) begin[r] = begin[r - 1] + shift_[order[r - 1]][order[r]];
    // Period, from the microbatch's, in which each rank runs each pass.
    std::vector<int> in(vocabulary_pass::count * ranks, 0);
    auto const put = [&](int pass, int rank, int slot, double least, bool latest) {
      auto const r = static_cast<std::size_t>(rank);
      double const at = begin[r] + begin_[order[r]][slot], periods = (least - at) / period_;
      int const k = latest ? floor_of(periods) : -floor_of(-periods);
      in[static_cast<std::size_t>(pass) * ranks + r] = k;
      return at + k * period_;
    };
    double const message = p_.ranks > 1 ? p_.message : 0;
    double now = 0;
    for (int pass = vocabulary_pass::blocks, rank = 0; pass <= vocabulary_pass::blocks_back;) {
      int const slot = pass - vocabulary_pass::blocks, before = rank, pass_before = pass;
      now = put(pass, rank, slot, now, false);
      if (pass == vocabulary_pass::blocks && rank == 0) embed_before(put, now);
      if (pass == vocabulary_pass::blocks_back && rank == 0) embed_behind(put, now);
      p_.step(pass, rank);
      now += length_[slot] + (before == rank && pass != pass_before ? 0 : message);
    }
    vocabulary_lists all(ranks);
    for (std::size_t r = 0; r < ranks; ++r) all[r] = list_of(static_cast<int>(r), order[r], in);
    return all;
  }

 private:
  static constexpr double close = 1e-9;  ///< of a period
  static constexpr int floor_of(double x) {
    int const k = static_cast<int>(x + close);
    return static_cast<double>(k) > x + close ? k - 1 : k;
  }

  /// What slot `slot` takes from a rank in order a to its neighbour in order b, whose period begins `shift` later.
  constexpr double hop(int a, int b, int slot, double shift) const {
    double const later = begin_[b][slot] - begin_[a][slot] + shift, least = length_[slot] + p_.message;
    double const way = slot < 2 ? later : -later;  // up, or down
    return way - floor_of((way - least) / period_) * period_;
  }
  /// The shift with which a microbatch is soonest from a to b and back.
  constexpr void find_shift(int a, int b) {
    for (int s = 0; s < 4; ++s) {
      double const least = length_[s] + p_.message, later = begin_[b][s] - begin_[a][s];
      double const shift = (s < 2 ? least : -least) - later;
      double sum = 0;
      for (int k = 0; k < 4; ++k) sum += hop(a, b, k, shift);
      if (s > 0 && sum > way_[a][b] - close * period_) continue;
      way_[a][b] = sum, shift_[a][b] = shift;
    }
  }

  /// Orders of all ranks, with these at the ends.
  constexpr std::vector<int> path(int first, int last) const {
    auto const ranks = static_cast<std::size_t>(p_.ranks);
    std::vector<int> order(ranks, first);
    if (ranks == 1) return order;
    std::vector<double> sum(orders, -1);
    std::vector<int> from(ranks * orders, 0);
    sum[static_cast<std::size_t>(first)] = 0;
    for (std::size_t r = 1; r < ranks; ++r) {
      std::vector<double> next(orders, -1);
      for (int b = 0; b < orders; ++b)
        for (int a = 0; a < orders; ++a) {
          double const before = sum[static_cast<std::size_t>(a)];
          double& best = next[static_cast<std::size_t>(b)];
          if (before < 0 || (best >= 0 && before + way_[a][b] > best - close * period_)) continue;
          best = before + way_[a][b], from[r * orders + static_cast<std::size_t>(b)] = a;
        }
      sum = next;
    }
    order[ranks - 1] = last;
    for (std::size_t r = ranks - 1; r > 0; --r) order[r - 1] = from[r * orders + static_cast<std::size_t>(order[r])];
    return order;
  }

  /// Embedding of a microbatch that the first rank's blocks begin at `when`: from the last rank down, as late as can be.
  template <class Put>
  constexpr void embed_before(Put put, double when) const {
    double const message = p_.ranks > 1 ? p_.message : 0;
    double at = when + p_.duration[vocabulary_pass::embed];
    for (int r = p_.ranks - 1; r >= 0; --r)
      at = put(vocabulary_pass::embed, r, 0, at - p_.duration[vocabulary_pass::embed] - message, true);
  }
  template <class Put>
  constexpr void embed_behind(Put put, double when) const {
    double at = when + (p_.ranks > 1 ? p_.message : 0);
    for (int r = p_.ranks - 1; r >= 0; --r)
      at = put(vocabulary_pass::embed_back, r, 3, at, false) + p_.duration[vocabulary_pass::embed_back] + p_.message;
  }

  constexpr std::vector<vocabulary_item> list_of(int rank, int order, std::vector<int> const& in) const {
    constexpr int slot_of[] = {0, 0, 1, 2, 3, 3};
    struct timed {
      int period, place;
      vocabulary_item what;
      constexpr bool operator<(timed const& other) const {
        if (period != other.period) return period < other.period;
        return place != other.place ? place < other.place : what.pass < other.what.pass;
      }
    };
    std::vector<timed> all;
    for (int pass = 0; pass < vocabulary_pass::count; ++pass)
      for (int m = 0; m < p_.microbatches && p_.there(pass, rank); ++m)
        all.push_back({m + in[static_cast<std::size_t>(pass * p_.ranks + rank)], place_[order][slot_of[pass]], {pass, m}});
    std::sort(all.begin(), all.end());
    std::vector<vocabulary_item> list;
    for (timed const& t : all) list.push_back(t.what);
    return list;
  }

  vocabulary_problem const& p_;
  double length_[4]{};  ///< blocks, output layer, and back
  double period_ = 0;
  int place_[orders][4]{};  ///< of each of the four among them; blocks are first
  double begin_[orders][4]{};
  double shift_[orders][orders]{}, way_[orders][orders]{};
};

}  // namespace foal::schedule::detail
