// Run-time errors as sentences: "cannot X, because Y; do Z".
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace foal {

/// What foal throws. what() is one sentence that names both values and the remedy.
class error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Joins its arguments, as an output stream prints them, into one string.
template <class... Parts>
std::string sentence(Parts const&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws foal::error with the joined parts unless `holds`.
template <class... Parts>
void require(bool holds, Parts const&... parts) {
  if (!holds) throw error(sentence(parts...));
}

}  // namespace foal
