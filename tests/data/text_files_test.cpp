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
