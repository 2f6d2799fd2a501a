// The texts of a translation task, from files or made here.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>
#include <foal/data/lines.hpp>
#include <foal/data/spelled_numbers.hpp>

namespace translate {

struct texts {
  foal::data::parallel_text train, validation, test;
};

/// Where a corpus is, and its two languages: files DIRECTORY/SPLIT.LANGUAGE.
struct corpus {
  std::string directory, from, to;
  bool operator==(corpus const&) const = default;
};

inline bool exists(std::string const& directory, std::string const& split, std::string const& language) {
  return foal::what_is(directory + "/" + split + "." + language) != foal::under_name::nothing;
}

/// "DIRECTORY:FROM-TO" or "DIRECTORY:FROM:TO". Names of languages may hold dashes: the reading is taken for which there are
/// files train.FROM and train.TO. Throws foal::error where there is no such reading, or more than one.
inline corpus corpus_of(std::string const& what) {
  std::vector<corpus> readings;
  std::size_t const last = what.rfind(':');
  if (last != std::string::npos) {
    std::string const pair = what.substr(last + 1);
    for (std::size_t dash = pair.find('-'); dash != std::string::npos; dash = pair.find('-', dash + 1))
      readings.push_back({what.substr(0, last), pair.substr(0, dash), pair.substr(dash + 1)});
    std::size_t const before = last == 0 ? std::string::npos : what.rfind(':', last - 1);
    if (before != std::string::npos)
      readings.push_back({what.substr(0, before), what.substr(before + 1, last - before - 1), pair});
  }
  std::erase_if(readings, [](corpus const& c) { return c.directory.empty() || c.from.empty() || c.to.empty(); });
  foal::require(!readings.empty(), "cannot read the data ", what,
                ", because it is neither numbers nor DIRECTORY:FROM-TO; write multi30k:de-en or news:en:zh-CN for instance");
  if (readings.size() == 1) return readings[0];
  std::vector<corpus> found;
  std::string tried, several;
  for (corpus const& c : readings) {
    std::string const names = foal::sentence(c.directory, "/train.", c.from, " with train.", c.to);
    tried += (tried.empty() ? "" : " nor ") + names;
    if (!exists(c.directory, "train", c.from) || !exists(c.directory, "train", c.to)) continue;
    several += (several.empty() ? "" : " and ") + names;
    found.push_back(c);
  }
  foal::require(!found.empty(), "cannot read the data ", what, ", because there is neither ", tried,
                "; give a directory that has two such files");
  foal::require(found.size() == 1, "cannot read the data ", what, ", because there is ", several,
                "; write DIRECTORY:FROM:TO");
  return found[0];
}

/// The first of some splits that a corpus has in its first language.
inline std::string split_of(corpus const& c, std::vector<std::string> const& names) {
  for (std::string const& name : names)
    if (exists(c.directory, name, c.from)) return name;
  std::string all;
  for (std::string const& name : names) all += (all.empty() ? "" : ", ") + name;
  throw foal::error(foal::sentence("cannot translate with ", c.directory, ", because it has none of the splits ", all,
                                   " in ", c.from, "; give a directory with files SPLIT.", c.from));
}

/// what: as of load().
inline texts read(std::string const& what) {
  if (what == "numbers") {
    auto made = foal::data::spelled_numbers({.terms = 4});
    return {std::move(made.train), std::move(made.validation), std::move(made.test)};
  }
  corpus const c = corpus_of(what);
  foal::require_folder(c.directory, "texts");
  auto const lines = [&c](std::vector<std::string> const& names) {
    return foal::data::parallel_lines(c.directory, split_of(c, names), c.from, c.to);
  };
  return {lines({"train"}), lines({"val", "valid", "validation", "dev"}), lines({"test_2016_flickr", "test"})};
}

}  // namespace translate
