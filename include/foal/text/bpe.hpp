// Byte-pair encoding: cutting words into pieces by learned merges (Sennrich, Haddow, Birch: Neural machine translation of
// rare words with subword units, ACL 2016).
//
// A word starts as its characters. The last one carries the end-of-word mark: a space, which no word can hold, so that
// joining the pieces of a line gives the line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/entries.hpp>
#include <foal/text/escape.hpp>
#include <foal/text/merge_pieces.hpp>
#include <foal/text/utf8.hpp>

namespace foal::text {

/// What the last piece of a word ends with.
inline constexpr char end_of_word = ' ';

/// Two neighbouring pieces of a word that become one.
struct merge {
  std::string left, right;
  bool operator==(merge const&) const = default;
};

/// Merges in the order in which they were learned. Const members may be called from several threads.
class bpe {
 public:
  bpe() = default;

  /// Throws foal::error where a merge has an empty side or comes twice.
  explicit bpe(std::vector<merge> merges) : merges_(std::move(merges)) {
    for (std::size_t i = 0; i < merges_.size(); ++i) {
      merge const& m = merges_[i];
      require(!m.left.empty() && !m.right.empty(), "cannot encode, because merge ", i, " is of '", m.left, "' and '",
              m.right, "' where two pieces are needed; learn the merges again");
      std::uint64_t const key = pair(symbol(m.left), symbol(m.right));
      bool const is_new = rank_.emplace(key, static_cast<int>(i)).second;
      require(is_new, "cannot encode, because merge ", i, " of '", m.left, "' and '", m.right,
              "' comes a second time; learn the merges again");
      merged_.push_back(symbol(m.left + m.right));
    }
  }

  /// Reads what saved() wrote. Throws foal::error, with `name` for its file, where it is something else.
  static bpe load(std::string_view text, std::string const& name) {
    std::vector<merge> merges;
    read_entries(text, "merges", name, [&](std::string_view line, std::string const& where) {
      std::size_t const tab = line.find('\t');
      require(tab != std::string_view::npos && tab > 0 && tab + 1 < line.size() && tab == line.rfind('\t'), "cannot read ",
              where, ", because '", line,
              "' is not two pieces with a tabulator between; give a file that foal::text::bpe has saved");
      merges.push_back({unescaped(line.substr(0, tab), where), unescaped(line.substr(tab + 1), where)});
    });
    return bpe(std::move(merges));
  }

  /// How many merges there are, then one a line, in order: both pieces as escaped() writes them, a tabulator between.
  std::string saved() const {
    std::string to = entries_title("merges", merges_.size()) + '\n';
    for (merge const& m : merges_) to += escaped(m.left) + '\t' + escaped(m.right) + '\n';
    return to;
  }

  std::vector<merge> const& merges() const { return merges_; }

  /// The pieces of a word (without whitespace); together they are the word and the end-of-word mark. None for an empty word.
  /// Time: n log n in the word's length.
  std::vector<std::string> split(std::string_view word) const {
    std::vector<detail::piece> pieces;
    std::string const marked = std::string(word) + end_of_word;
    for (std::string_view const c : characters(word)) {
      std::size_t const begin = pieces.empty() ? 0 : pieces.back().end;
      std::size_t const end = begin + c.size() + (begin + c.size() == word.size() ? 1U : 0U);
      pieces.push_back({find(std::string_view(marked).substr(begin, end - begin)), begin, end});
    }
    detail::merge_pieces(
        pieces,
        [&](int left, int right) {
          auto const found = rank_.find(pair(left, right));
          return found == rank_.end() ? detail::no_merge : found->second;
        },
        [&](int rank) { return merged_[static_cast<std::size_t>(rank)]; });
    std::vector<std::string> result;
    for (detail::piece const& p : pieces) result.push_back(marked.substr(p.begin, p.end - p.begin));
    return result;
  }

 private:
  static constexpr int unknown = -1;

  static std::uint64_t pair(int left, int right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
  }

  int symbol(std::string const& text) { return symbols_.emplace(text, static_cast<int>(symbols_.size())).first->second; }

  int find(std::string_view text) const {
    auto const found = symbols_.find(text);
    return found == symbols_.end() ? unknown : found->second;
  }

  std::vector<merge> merges_;
  std::vector<int> merged_;                          // the symbol that merge i makes
  std::map<std::string, int, std::less<>> symbols_;  // pieces that take part in a merge
  std::unordered_map<std::uint64_t, int> rank_;      // only ever asked, never walked through: no order of its own
};

}  // namespace foal::text
