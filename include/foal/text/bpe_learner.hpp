// Learning the merges of a byte-pair encoding from counted words.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/words.hpp>

namespace foal::text {

namespace detail {

/// The words as symbols in one row of linked places, and every pair of neighbouring symbols with its count and the places
/// where it may be. A merge touches those places alone, so that a long word costs no more than many short ones.
class bpe_learner {
 public:
  explicit bpe_learner(word_counts const& counts) {
    for (auto const& [text, count] : counts) {
      std::vector<std::string_view> const parts = characters(text);
      std::size_t const begin = places_.size();
      for (std::size_t i = 0; i < parts.size(); ++i) {
        bool const last = i + 1 == parts.size();
        int const s = symbol(std::string(parts[i]) + (last ? std::string(1, end_of_word) : ""));
        places_.push_back({s, i == 0 ? none : begin + i - 1, last ? none : begin + i + 1, count});
      }
    }
    for (std::size_t at = 0; at < places_.size(); ++at) note(at);
    push_changed();
  }

  /// Finds the most frequent pair and merges it everywhere. False if no pair comes twice.
  bool step(std::vector<merge>& merges) {
    while (!heap_.empty()) {
      candidate const best = heap_.top();
      heap_.pop();
      pair_state& state = pairs_[best.key];
      if (state.count != best.count) continue;  // an older count; the present one is in the heap as well
      if (state.count < 2) return false;
      int const left = static_cast<int>(best.key >> 32U), right = static_cast<int>(best.key & 0xFFFFFFFFU);
      merge const found{texts_[static_cast<std::size_t>(left)], texts_[static_cast<std::size_t>(right)]};
      int const whole = symbol(found.left + found.right);
      std::vector<std::size_t> where = std::exchange(state.where, {});
      std::sort(where.begin(), where.end());  // of three alike in a row, the first two merge
      for (std::size_t const at : where) apply(at, left, right, whole);
      push_changed();
      merges.push_back(found);
      return true;
    }
    return false;
  }

  /// Places that were looked at so far: the work done.
  long long looked_at() const { return looked_at_; }

 private:
  static constexpr std::size_t none = static_cast<std::size_t>(-1);
  static constexpr int gone = -1;
  struct place {
    int symbol;
    std::size_t before, after;
    long long count;  // of the word
  };
  struct pair_state {
    long long count = 0;
    std::vector<std::size_t> where;  // of the left symbol
  };
  struct candidate {
    long long count;
    std::uint64_t key;
  };

  static std::uint64_t pair(int left, int right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
  }

  int symbol(std::string const& text) {
    auto const [entry, is_new] = ids_.emplace(text, static_cast<int>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return entry->second;
  }

  /// The pair that begins at a place, none where none does: adds sign times its word's count to the pair's.
  pair_state* counted(std::size_t at, int sign) {
    ++looked_at_;
    if (at == none || places_[at].after == none) return nullptr;
    std::uint64_t const key = pair(places_[at].symbol, places_[places_[at].after].symbol);
    pair_state& state = pairs_[key];
    state.count += sign * places_[at].count;
    changed_.push_back(key);
    return &state;
  }

  void note(std::size_t at) {
    if (pair_state* const state = counted(at, 1)) state->where.push_back(at);
  }

  void apply(std::size_t at, int left, int right, int whole) {
    ++looked_at_;
    std::size_t const next = places_[at].after, before = places_[at].before;
    // Another merge may have taken one of the two away.
    if (places_[at].symbol != left || next == none || places_[next].symbol != right) return;
    for (std::size_t const pair_at : {before, at, next}) counted(pair_at, -1);
    places_[at].symbol = whole;
    places_[at].after = places_[next].after;
    places_[next].symbol = gone;
    if (places_[at].after != none) places_[places_[at].after].before = at;
    note(before);
    note(at);
  }

  void push_changed() {
    std::sort(changed_.begin(), changed_.end());
    changed_.erase(std::unique(changed_.begin(), changed_.end()), changed_.end());
    for (std::uint64_t const key : changed_)
      if (long long const count = pairs_[key].count; count > 0) heap_.push({count, key});
    changed_.clear();
  }

  /// The total order of the pairs: by count, then by the bytes of left and right, smaller ones first.
  struct less_wanted {
    std::vector<std::string> const* texts;
    bool operator()(candidate const& a, candidate const& b) const {
      auto const text = [&](std::uint64_t id) -> std::string const& { return (*texts)[static_cast<std::size_t>(id)]; };
      if (a.count != b.count) return a.count < b.count;
      if (a.key >> 32U != b.key >> 32U) return text(b.key >> 32U) < text(a.key >> 32U);
      return text(b.key & 0xFFFFFFFFU) < text(a.key & 0xFFFFFFFFU);
    }
  };

  std::vector<place> places_;
  long long looked_at_ = 0;
  std::vector<std::string> texts_;
  std::map<std::string, int, std::less<>> ids_;
  std::unordered_map<std::uint64_t, pair_state> pairs_;  // only ever asked, never walked through: no order of its own
  std::vector<std::uint64_t> changed_;
  std::priority_queue<candidate, std::vector<candidate>, less_wanted> heap_{less_wanted{&texts_}};
};

}  // namespace detail

/// Learns up to `merges` merges: again and again the pair of neighbouring pieces within words that occurs most often, of
/// equally frequent pairs the one whose left, then right, piece has the smaller bytes. Fewer if no pair occurs twice. The
/// result is a function of the arguments. Throws foal::error if `merges` is negative.
inline bpe learn_bpe(word_counts const& counts, int merges) {
  require(merges >= 0, "cannot learn merges, because ", merges, " are asked for; ask for 0 or more");
  detail::bpe_learner learner(counts);
  std::vector<merge> result;
  while (static_cast<int>(result.size()) < merges && learner.step(result)) {
  }
  return bpe(std::move(result));
}

}  // namespace foal::text
