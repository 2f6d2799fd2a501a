// Cutting lines into words at whitespace, and counting words.
#pragma once

#include <foal/core/config.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace foal::text {

/// How often each word occurs, in the order of the words' bytes.
using word_counts = std::map<std::string, long long, std::less<>>;

/// Whether c separates words: the six ASCII characters of whitespace, whatever the locale.
constexpr bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/// The words of a line: what lies between whitespace. The views live as long as the line.
inline std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> result;
  std::size_t begin = 0;
  for (std::size_t i = 0; i <= line.size(); ++i)
    if (i == line.size() || is_space(line[i])) {
      if (i > begin) result.push_back(line.substr(begin, i - begin));
      begin = i + 1;
    }
  return result;
}

/// Counts one occurrence of `word`.
inline void count_word(std::string_view word, word_counts& counts) {
  auto const found = counts.find(word);
  if (found == counts.end())
    counts.emplace(word, 1);
  else
    ++found->second;
}

/// Counts the words of a line.
inline void count_words(std::string_view line, word_counts& counts) {
  for (std::string_view const word : words(line)) count_word(word, counts);
}

}  // namespace foal::text
