// Vocabularies and merges as files.
#pragma once

#include <string>

#include <foal/core/atomic_file.hpp>
#include <foal/data/lines.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/subwords.hpp>
#include <foal/text/vocabulary.hpp>

namespace foal::data {

/// Makes `path` a file with what has a saved(). Throws foal::error if that fails; what was there before stays.
template <class T>
void save_text(std::string const& path, T const& what) {
  write_file(path, what.saved());
}

/// Reads what has a load(text, name) from a file. Throws foal::error if that fails.
template <class T>
T load_text(std::string const& path) {
  return T::load(read_text(path), path);
}

/// Writes PREFIX.merges and PREFIX.vocabulary.
inline void save_subwords(std::string const& prefix, text::subwords const& what) {
  save_text(prefix + ".merges", what.merges());
  save_text(prefix + ".vocabulary", what.vocabulary());
}

/// Reads what save_subwords() wrote. Throws foal::error if a file is damaged, or the two are not of one another.
inline text::subwords load_subwords(std::string const& prefix) {
  return {load_text<text::bpe>(prefix + ".merges"), load_text<text::vocabulary>(prefix + ".vocabulary"),
          prefix + ".merges and .vocabulary"};
}

}  // namespace foal::data
