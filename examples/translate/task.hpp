// A translation task: pairs for training and validation, a test set with references, the pieces of words that both use.
#pragma once

#include <string>
#include <vector>

#include <foal/data/parallel_source.hpp>
#include <foal/text/subwords.hpp>

namespace translate {

/// Of every model here: token numbers are below it, and texts have at most so many.
inline constexpr int vocabulary = 4096, longest = 64;

struct test_set {
  std::vector<std::vector<std::int32_t>> source;  ///< pieces, without eos
  std::vector<std::string> text, reference;
};

struct task {
  std::string name;
  foal::text::subwords pieces;
  foal::data::parallel_source train, validation;
  test_set test;
};

/// "numbers": spelled-out numbers from English to German, made here. "DIRECTORY:FROM-TO", such as multi30k:de-en, or
/// "DIRECTORY:FROM:TO": files train.de, train.en, val.de, ... and test*.de of that directory. merges: of the byte-pair
/// encoding, both languages as one.
task load(std::string const& what, int merges);

}  // namespace translate
