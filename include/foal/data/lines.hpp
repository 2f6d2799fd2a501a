// Text files: lines, line-aligned parallel corpora (one file a language), and one long text cut for training and validation.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/file.hpp>
#include <foal/text/encoding.hpp>
#include <foal/text/utf8.hpp>

namespace foal::data {

/// The bytes of a file, as they are. Throws foal::error if it cannot be read. Memory: the file.
inline std::string read_bytes(std::string const& path) {
  file from(path);
  std::string bytes(from.most(), '\0');
  std::size_t const got = from.read(bytes.data(), bytes.size());
  char beyond = 0;
  require(got == bytes.size() && from.read(&beyond, 1) == 0, "cannot read ", path, ", because it had ", bytes.size(),
          " bytes at first and ", got == bytes.size() ? "more" : "fewer", " later; try again when no one writes to it");
  return bytes;
}

/// The text of a file in UTF-8, without a byte order mark. Throws foal::error if it cannot be read, or is UTF-16 or UTF-32.
inline std::string read_text(std::string const& path) {
  std::string bytes = read_bytes(path);
  bytes.erase(0, bytes.size() - text::plain_text(bytes, path).size());
  return bytes;
}

/// The lines of a text, without their ends (\n or \r\n). A last line needs no end. Memory beside the text: a std::string a
/// line, 32 bytes and what is longer than fits into one, however many there are.
inline std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> result;
  bool const open = !text.empty() && text.back() != '\n';
  // Counted first: growing would hold the lines twice.
  result.reserve(static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')) + (open ? 1U : 0U));
  while (!text.empty()) {
    std::size_t const end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    result.emplace_back(line);
  }
  return result;
}

/// Translations of each other, line by line.
struct parallel_text {
  std::vector<std::string> source, target;
  std::size_t size() const { return source.size(); }
};

/// Reads DIRECTORY/SPLIT.LANGUAGE for both languages: parallel_lines("multi30k", "train", "de", "en"). Throws foal::error if
/// a file cannot be read, holds no line, or has another number of lines than the other.
inline parallel_text parallel_lines(std::string const& directory, std::string const& split, std::string const& source,
                                    std::string const& target) {
  std::string const from = directory + "/" + split + "." + source, to = directory + "/" + split + "." + target;
  parallel_text result{lines_of(read_text(from)), lines_of(read_text(to))};
  require(result.source.size() == result.target.size(), "cannot pair lines, because ", from, " has ", result.source.size(),
          " and ", to, " has ", result.target.size(), "; give files in which line i is the translation of line i");
  require(result.size() > 0, "cannot pair lines, because ", from, " and ", to, " have 0; give files that hold text");
  return result;
}

/// A text whose end is kept from training.
struct text_cut {
  std::string train, validation;
};

/// Cuts off the last `share` of a text's bytes, at the next character of UTF-8. Needs 0 <= share < 1; throws foal::error
/// otherwise.
inline text_cut cut_text(std::string_view text, double share) {
  require(share >= 0 && share < 1, "cannot cut a text, because the share for validation is ", share,
          " where 0 or more and less than 1 is expected; give such a share, 0.1 for instance");
  std::size_t const from = text.size() - static_cast<std::size_t>(static_cast<double>(text.size()) * share);
  std::size_t at = from > 3 ? from - 3 : 0;  // far enough back to be at or before the character that holds the cut
  while (at < from && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U) ++at;
  while (at < from) at += text::character_length(text.substr(at));
  return {std::string(text.substr(0, at)), std::string(text.substr(at))};
}

}  // namespace foal::data
