// Vocabularies and merges on disk.
#include <foal/data/text_files.hpp>

#include <string>

#include "tests/support/files.hpp"

using namespace foal::data;
using foal_test::complaint;

TEST_CASE("subwords are saved to two files and read back") {
  foal_test::temporary_directory const folder;
  foal::text::word_counts counts;
  foal::text::count_words("zwölf männer , zwölf frauen", counts);
  foal::text::subwords code = foal::text::subwords::learn(counts, 6);
  save_subwords(folder / "code", code);
  foal::text::subwords again = load_subwords(folder / "code");
  CHECK(again.merges().merges() == code.merges().merges());
  CHECK(again.vocabulary().size() == code.vocabulary().size());
  CHECK(again.encode("zwölf frauen , zwo") == code.encode("zwölf frauen , zwo"));
  CHECK(complaint([&] { load_subwords(folder / "other"); }).find("cannot open") == 0);
  CHECK(complaint([&] { save_subwords(folder / "no/code", code); }).find("cannot write") == 0);
  foal::write_file(folder / "bad.merges", "a b\n");
  CHECK(complaint([&] { load_subwords(folder / "bad"); }).find("bad.merges") != std::string::npos);
}

TEST_CASE("subwords that were cut, converted or mixed up are refused") {
  foal_test::temporary_directory const folder;
  foal::text::word_counts counts;
  foal::text::count_words("zwölf männer , zwölf frauen , ein mann und eine frau", counts);
  std::string const code = folder / "code", other = folder / "other";
  save_subwords(code, foal::text::subwords::learn(counts, 12));
  auto const load = [&] { load_subwords(code); };
  for (char const* part : {".merges", ".vocabulary"}) {
    std::string const path = code + part, whole = foal_test::text_of(path);
    foal_test::refuses_truncations(path, load);
    std::string converted;
    for (char const c : whole) converted += c == '\n' ? std::string("\r\n") : std::string(1, c);
    foal::write_file(path, converted);
    CHECK(complaint(load).find("convert the line ends") != std::string::npos);
    foal::write_file(path, whole);
  }

  foal::text::word_counts letters;
  foal::text::count_words("the lowest of the lower ones", letters);
  save_subwords(other, foal::text::subwords::learn(letters, 5));
  foal::write_file(code + ".vocabulary", foal_test::text_of(other + ".vocabulary"));
  std::string const said = complaint(load);
  CHECK(said.find("cannot encode with " + code) == 0);
  CHECK(said.find("give the vocabulary that was learned with the merges") != std::string::npos);
}
