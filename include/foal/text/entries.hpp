// Text files of entries, one a line. The first line says what they are and how many follow, and every line has an end, so
// that a file that lost a part is seen to have lost it.
#pragma once

#include <charconv>
#include <cstddef>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>
#include <foal/text/encoding.hpp>

namespace foal::text {

/// The first line of a file of entries, "foal merges: 24 entries" for instance, without its end.
inline std::string entries_title(std::string_view kind, std::size_t entries) {
  return sentence("foal ", kind, ": ", entries, " entries");
}

namespace detail {

/// Takes the first line off a text, without its end; false where there is none.
inline bool take_line(std::string_view& text, std::string_view& line, std::string const& where) {
  if (text.empty()) return false;
  std::size_t const end = text.find('\n');
  line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  require(
      line.find('\r') == std::string_view::npos, "cannot read ", where,
      ", because it holds a carriage return where lines end with a line feed alone; convert the line ends from \\r\\n to "
      "\\n");
  require(end != std::string_view::npos, "cannot read ", where,
          ", because it has no end where every line ends with a line feed: the file was "
          "cut; write it again");
  return true;
}

}  // namespace detail

/// Calls f(line, where) for each entry of a text that begins with entries_title(kind, how many); where: "line 2 of the
/// merges NAME". A byte order mark of UTF-8 is passed over. Throws foal::error where the text is something else, was cut,
/// or has other line ends than \n.
template <class F>
void read_entries(std::string_view text, std::string_view kind, std::string const& name, F f) {
  auto const place = [&](std::size_t line) { return sentence("line ", line, " of the ", kind, " ", name); };
  text = plain_text(text, sentence("the ", kind, " ", name));
  std::string_view line;
  require(detail::take_line(text, line, place(1)), "cannot read the ", kind, " ", name, ", because it is empty where '",
          entries_title(kind, 0), "' is the least; give a file that foal has saved");
  std::string const before = sentence("foal ", kind, ": ");
  std::size_t entries = 0;
  bool const titled = line.starts_with(before);
  if (titled) std::from_chars(line.data() + before.size(), line.data() + line.size(), entries);
  require(titled && line == entries_title(kind, entries), "cannot read ", place(1), ", because it is '", line, "' where '",
          before, "N entries' is expected; give a file that foal has saved");
  for (std::size_t i = 0; i < entries; ++i) {
    std::string const where = place(i + 2);
    require(detail::take_line(text, line, where), "cannot read the ", kind, " ", name, ", because it ends after ", i, " of ",
            entries, " entries: the file was cut; write it again");
    f(line, where);
  }
  require(!detail::take_line(text, line, place(entries + 2)), "cannot read ", place(entries + 2), ", because it is '", line,
          "' where the file ends after ", entries, " entries; give the first line the number of those that follow it");
}

}  // namespace foal::text
