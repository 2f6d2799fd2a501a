// Vocabularies and merges as files.
#pragma once

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include <foal/core/error.hpp>
#include <foal/data/lines.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/subwords.hpp>
#include <foal/text/vocabulary.hpp>

namespace foal::data {

/// Writes what has a save(std::ostream&) to a file. Throws foal::error if that fails.
template <class T>
void save_text(std::string const& path, T const& what) {
  std::ofstream to(path, std::ios::binary);
  if (to) what.save(to);
  to.close();
  require(to.good(), "cannot write ", path, ", because the system says: ", std::strerror(errno),
          "; check that its folder exists, its permissions and the room on the disk");
}

/// Reads what has a load(std::istream&, name) from a file. Throws foal::error if that fails.
template <class T>
T load_text(std::string const& path) {
  std::istringstream from(read_text(path));
  return T::load(from, path);
}

/// Writes PREFIX.merges and PREFIX.vocabulary.
inline void save_subwords(std::string const& prefix, text::subwords const& what) {
  save_text(prefix + ".merges", what.merges());
  save_text(prefix + ".vocabulary", what.vocabulary());
}

/// Reads what save_subwords() wrote.
inline text::subwords load_subwords(std::string const& prefix) {
  return {load_text<text::bpe>(prefix + ".merges"), load_text<text::vocabulary>(prefix + ".vocabulary")};
}

}  // namespace foal::data
