#include "task.hpp"

#include <filesystem>

#include <foal/data/lines.hpp>
#include <foal/data/spelled_numbers.hpp>

namespace translate {

namespace {

struct texts {
  foal::data::parallel_text train, validation, test;
};

bool exists(std::string const& directory, std::string const& split, std::string const& language) {
  return std::filesystem::exists(directory + "/" + split + "." + language);
}

/// The first of some names that a directory has.
std::string split_of(std::string const& directory, std::vector<std::string> const& names, std::string const& language) {
  for (std::string const& name : names)
    if (exists(directory, name, language)) return name;
  std::string all;
  for (std::string const& name : names) all += (all.empty() ? "" : ", ") + name;
  throw foal::error(foal::sentence("cannot translate with ", directory, ", because it has none of the splits ", all, " in ",
                                   language, "; give a directory with files SPLIT.", language));
}

texts read(std::string const& what) {
  if (what == "numbers") {
    auto made = foal::data::spelled_numbers({.terms = 4});
    return {std::move(made.train), std::move(made.validation), std::move(made.test)};
  }
  std::size_t const colon = what.rfind(':'), dash = what.rfind('-');
  foal::require(colon != std::string::npos && dash != std::string::npos && dash > colon, "cannot read the data ", what,
                ", because it is neither numbers nor DIRECTORY:FROM-TO; write multi30k:de-en for instance");
  std::string const directory = what.substr(0, colon), from = what.substr(colon + 1, dash - colon - 1),
                    to = what.substr(dash + 1);
  auto const lines = [&](std::vector<std::string> const& names) {
    return foal::data::parallel_lines(directory, split_of(directory, names, from), from, to);
  };
  return {lines({"train"}), lines({"val", "valid", "validation", "dev"}), lines({"test_2016_flickr", "test"})};
}

}  // namespace

task load(std::string const& what, int merges) {
  texts const t = read(what);
  foal::text::word_counts counts;
  for (auto const* side : {&t.train.source, &t.train.target})
    for (std::string const& line : *side) foal::text::count_words(line, counts);
  // Single characters, at a word's end and within, and four marks are pieces too; all must fit.
  foal::text::subwords const characters = foal::text::subwords::learn(counts, 0);
  int const room = vocabulary - static_cast<int>(characters.vocabulary().size());
  foal::require(room > 0, "cannot learn pieces of words, because the text has ", characters.vocabulary().size(),
                " kinds of characters and the networks here ", vocabulary, " tokens; give a text with fewer");
  task result{what, foal::text::subwords::learn(counts, std::min(merges, room)), {}, {}, {}};
  auto const encode = [&](std::vector<std::string> const& side) {
    std::vector<std::vector<std::int32_t>> all;
    for (std::string const& line : side) all.push_back(result.pieces.encode(line));
    return all;
  };
  foal::data::pair_limits const limits{longest, longest, vocabulary, vocabulary};
  result.train = foal::data::parallel_source(encode(t.train.source), encode(t.train.target), limits);
  result.validation = foal::data::parallel_source(encode(t.validation.source), encode(t.validation.target), limits);
  result.test = {encode(t.test.source), t.test.source, t.test.target};
  for (auto& source : result.test.source)
    if (static_cast<int>(source.size()) >= longest) source.resize(longest - 1);
  return result;
}

}  // namespace translate
