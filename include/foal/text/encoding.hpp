// Whether the bytes of a file are text in UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>

namespace foal::text {

/// The text of a file's bytes: a byte order mark of UTF-8 is left out. Throws foal::error, with `name` for the file, where
/// the bytes are UTF-16 or UTF-32, which have a mark of their own or zero bytes. Bytes that are not UTF-8 otherwise stay.
inline std::string_view plain_text(std::string_view bytes, std::string const& name) {
  bool const marked = bytes.starts_with("\xFF\xFE") || bytes.starts_with("\xFE\xFF");
  require(
      !marked, "cannot read ", name,
      ", because it begins with the byte order mark of UTF-16 where text in UTF-8 is expected; convert it, with iconv -f "
      "UTF-16 -t UTF-8 for instance");
  std::size_t const zero = bytes.find('\0');
  require(zero == std::string_view::npos, "cannot read ", name, ", because its byte ", zero,
          " is zero, as in UTF-16, where text in UTF-8 is expected; convert it, with iconv -f UTF-16 -t UTF-8 for instance");
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  return bytes;
}

}  // namespace foal::text
