// examples/translate: weights that it saves translate the same when they are loaded; what cannot be loaded or saved is
// refused before hours of training.
#include <catch2/catch.hpp>
#include <regex>
#include <vector>

#include "tests/support/corpus.hpp"
#include "tests/support/program.hpp"

namespace {

using foal::test::program_result;
using foal::test::work_folder;
using foal::test::write_corpus;

program_result translate(work_folder const& folder, std::string const& arguments) {
  return folder.run(FOAL_PROGRAM, "--data corpus:en-de --merges 60 --samples 4 " + arguments);
}

/// The translations that it printed, which are words.
std::vector<std::string> translations(std::string const& text) {
  std::vector<std::string> all;
  std::regex const line("  translation  (\\w.*)");
  for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i) all.push_back((*i)[1]);
  return all;
}

/// The scores that it printed of greedy searches, "5.17 (58.3/...), brevity 1.000", with averaged weights or without.
std::vector<std::string> scores(std::string const& text, bool averaged) {
  std::vector<std::string> all;
  std::regex const line("BLEU ([^,]*, brevity [^,]*), beam 1(, averaged weights)?\\), trained");
  for (std::sregex_iterator i(text.begin(), text.end(), line), end; i != end; ++i)
    if ((*i)[2].matched == averaged) all.push_back((*i)[1]);
  return all;
}

}  // namespace

TEST_CASE("translate: saved weights translate the same when they are loaded", "[program]") {
  work_folder const folder("translate");
  write_corpus(folder, "train", 256);
  write_corpus(folder, "val", 32);
  write_corpus(folder, "test", 16);
  program_result const trained = translate(
      folder,
      "--methods t1t2t3 --epochs 4 --t3-epochs 1 --rate 5e-3 --microbatch-size 4 --microbatches 4 --warmup-updates 10 "
      "--average-decay 0.9 --save weights.safetensors");
  INFO(trained.text);
  REQUIRE(trained.status == 0);
  REQUIRE(scores(trained.text, false).size() == 1);
  REQUIRE(scores(trained.text, true).size() == 1);

  program_result const last = translate(folder, "--methods gpipe --seed 2 --facts --load weights.safetensors");
  INFO(last.text);
  REQUIRE(last.status == 0);
  CHECK(scores(last.text, false) == scores(trained.text, false));
  CHECK(scores(last.text, true).empty());
  // The facts are of the method that was asked for.
  CHECK(std::regex_search(last.text, std::regex("schedule +gpipe \\(synchronous\\)")));
  CHECK(last.text.find("discrepancy") == std::string::npos);

  // The samples of a run that trained are translated with the average.
  program_result const loaded = translate(folder, "--methods gpipe --seed 2 --load weights.averaged.safetensors");
  INFO(loaded.text);
  REQUIRE(loaded.status == 0);
  REQUIRE(translations(trained.text).size() == 4);
  CHECK(translations(loaded.text) == translations(trained.text));
  CHECK(translations(last.text) != translations(trained.text));
  CHECK(scores(loaded.text, true) == scores(trained.text, true));

  auto const is_refused = [&](std::string const& arguments, std::string const& sentence) {
    program_result const r = translate(folder, arguments);
    INFO(r.text);
    CHECK(r.status == 1);
    CHECK(std::regex_search(r.text, std::regex(sentence)));
  };
  is_refused("--methods gpipe --net small_untied --load weights.safetensors",
             "cannot read weights.safetensors into .*, because it lacks .*logits");
  is_refused("--methods gpipe --load nowhere.safetensors", "cannot open nowhere.safetensors");
  is_refused("--methods gpipe --save nowhere/weights.safetensors",
             "cannot write nowhere/weights.safetensors, because .*No such file or directory");
  is_refused("--methods t1,t1t2t3 --epochs 2 --t3-epochs 2",
             "cannot warm up for 2 epochs, because the run has 2, .*; give --t3-epochs of at most 1");
  is_refused("--methods gpipe,none --save weights.safetensors", "cannot save or load the weights of 2 runs");
}
