// The tokens that a model knows, each with its number.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/number.hpp>
#include <foal/text/entries.hpp>
#include <foal/text/escape.hpp>
#include <foal/text/words.hpp>

namespace foal::text {

/// Numbers that are no token of any text: padding, begin and end of a sequence, and what is not in the vocabulary.
inline constexpr std::int32_t pad = 0, bos = 1, eos = 2, unk = 3;

/// Tokens of a text are numbered from here.
inline constexpr std::int32_t first_token = 4;

/// Tokens and their numbers, both ways. Tokens are any non-empty bytes. Const members may be called from several threads.
class vocabulary {
 public:
  /// Only the four reserved numbers.
  vocabulary() : entries_{{"<pad>", 0}, {"<bos>", 0}, {"<eos>", 0}, {"<unk>", 0}} {}

  /// The tokens of `counts`, the most frequent first, of equally frequent ones the one with the smaller bytes first; at most
  /// `most` of them (0: all). A token spelled like a reserved one is a token of its own.
  static vocabulary from_counts(word_counts const& counts, std::size_t most = 0) {
    std::vector<entry> entries;
    for (auto const& [token, count] : counts) entries.push_back({token, count});
    std::stable_sort(entries.begin(), entries.end(), [](entry const& a, entry const& b) { return a.count > b.count; });
    if (most > 0 && entries.size() > most) entries.resize(most);
    vocabulary result;
    for (entry& e : entries) result.add(std::move(e), "the counts");
    return result;
  }

  /// Reads what saved() wrote. Throws foal::error, with `name` for its file, where it is something else.
  static vocabulary load(std::string_view text, std::string const& name) {
    vocabulary result;
    std::size_t number = 0;
    read_entries(text, "vocabulary", name, [&](std::string_view line, std::string const& where) {
      std::size_t const tab = line.find('\t');
      long long count = -1;
      char const* const end = line.data() + line.size();
      if (tab != std::string_view::npos) {
        auto const [stop, fault] = std::from_chars(line.data() + tab + 1, end, count);
        if (stop != end || fault != std::errc{}) count = -1;
      }
      require(count >= 0, "cannot read ", where, ", because '", line,
              "' is not a token, a tabulator and a count; give a file that foal::text::vocabulary has saved");
      entry e{unescaped(line.substr(0, tab), where), count};
      if (number >= first_token)
        result.add(std::move(e), where);
      else
        require(e.token == result.entries_[number].token, "cannot read ", where, ", because it holds '", e.token,
                "' where the reserved '", result.entries_[number].token, "' is expected; keep the first four entries");
      ++number;
    });
    require(number >= first_token, "cannot read the vocabulary ", name, ", because it has ", number, " entries where the ",
            first_token, " reserved ones come first; give a file that foal::text::vocabulary has saved");
    return result;
  }

  /// How many tokens there are, then one a line, in the order of the numbers: the token as escaped() writes it, a tabulator,
  /// its count.
  std::string saved() const {
    std::string to = entries_title("vocabulary", entries_.size()) + '\n';
    for (entry const& e : entries_) to += escaped(e.token) + '\t' + report::shortest(e.count) + '\n';
    return to;
  }

  /// How many numbers there are, the reserved ones included.
  int size() const { return static_cast<int>(entries_.size()); }

  /// The number of a token; unk if there is none. A reserved number other than unk is never given.
  std::int32_t id(std::string_view token) const {
    auto const found = ids_.find(token);
    return found == ids_.end() ? unk : found->second;
  }

  bool knows(std::string_view token) const { return ids_.find(token) != ids_.end(); }

  /// The token of a number. Throws foal::error if there is none.
  std::string const& token(std::int32_t id) const { return at(id).token; }

  /// How often the token was counted.
  long long count(std::int32_t id) const { return at(id).count; }

 private:
  struct entry {
    std::string token;
    long long count = 0;
  };

  void add(entry e, std::string const& where) {
    require(!e.token.empty(), "cannot make a vocabulary, because ", where, " holds an empty token; remove it");
    bool const is_new = ids_.emplace(e.token, static_cast<std::int32_t>(entries_.size())).second;
    require(is_new, "cannot make a vocabulary, because ", where, " holds '", e.token, "' a second time, after number ",
            id(e.token), "; remove one of them");
    entries_.push_back(std::move(e));
  }

  entry const& at(std::int32_t id) const {
    require(id >= 0 && id < size(), "cannot name a token, because its number is ", id, " and the vocabulary has ", size(),
            "; give a number from 0 to ", size() - 1);
    return entries_[static_cast<std::size_t>(id)];
  }

  std::vector<entry> entries_;
  std::map<std::string, std::int32_t, std::less<>> ids_;
};

}  // namespace foal::text
