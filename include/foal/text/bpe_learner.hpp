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

/// The words as symbols, and every pair of neighbouring symbols with its count and the words that may hold it. A merge
/// touches those words alone.
class bpe_learner {
 public:
  explicit bpe_learner(word_counts const& counts) {
    for (auto const& [text, count] : counts) {
      word w{{}, count};
      std::vector<std::string_view> const parts = characters(text);
      for (std::size_t i = 0; i < parts.size(); ++i)
        w.symbols.push_back(symbol(std::string(parts[i]) + (i + 1 == parts.size() ? std::string(1, end_of_word) : "")));
      words_.push_back(std::move(w));
    }
    for (std::size_t i = 0; i < words_.size(); ++i) count_pairs(i, 1, unknown);
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
      std::vector<std::size_t> const where = std::exchange(state.where, {});
      for (std::size_t const i : where) apply(i, left, right, whole);
      push_changed();
      merges.push_back(found);
      return true;
    }
    return false;
  }

 private:
  struct word {
    std::vector<int> symbols;
    long long count;
  };
  struct pair_state {
    long long count = 0;
    std::vector<std::size_t> where;
  };
  struct candidate {
    long long count;
    std::uint64_t key;
  };
  static constexpr int unknown = -1;

  static std::uint64_t pair(int left, int right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
  }

  int symbol(std::string const& text) {
    auto const [place, is_new] = ids_.emplace(text, static_cast<int>(texts_.size()));
    if (is_new) texts_.push_back(text);
    return place->second;
  }

  /// Adds sign * count for every pair of a word; notes the word at pairs with `fresh` (unknown: at every pair).
  void count_pairs(std::size_t at, int sign, int fresh) {
    word const& w = words_[at];
    for (std::size_t i = 0; i + 1 < w.symbols.size(); ++i) {
      std::uint64_t const key = pair(w.symbols[i], w.symbols[i + 1]);
      pair_state& state = pairs_[key];
      state.count += sign * w.count;
      if (sign > 0 && (fresh == unknown || w.symbols[i] == fresh || w.symbols[i + 1] == fresh)) state.where.push_back(at);
      changed_.push_back(key);
    }
  }

  void apply(std::size_t at, int left, int right, int whole) {
    std::vector<int>& symbols = words_[at].symbols;
    bool found = false;
    for (std::size_t i = 0; i + 1 < symbols.size(); ++i) found = found || (symbols[i] == left && symbols[i + 1] == right);
    if (!found) return;  // an earlier merge took one of the two away
    count_pairs(at, -1, unknown);
    std::size_t to = 0;
    for (std::size_t i = 0; i < symbols.size(); ++i) {
      bool const both = i + 1 < symbols.size() && symbols[i] == left && symbols[i + 1] == right;
      symbols[to++] = both ? whole : symbols[i];
      if (both) ++i;
    }
    symbols.resize(to);
    count_pairs(at, 1, whole);
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

  std::vector<word> words_;
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
