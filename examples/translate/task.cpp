#include "task.hpp"

#include <algorithm>

#include "texts.hpp"

namespace translate {

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
