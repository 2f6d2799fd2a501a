// Corpora as people have them: languages with dashes in their names, byte order marks, UTF-16.
#include "examples/translate/texts.hpp"

#include "tests/support/files.hpp"

namespace {

using foal_test::complaint;
using foal_test::temporary_directory;
using translate::corpus;

void put(temporary_directory const& folder, std::string const& language, std::string const& text) {
  for (char const* split : {"train", "val", "test"})
    foal_test::write(folder / (std::string(split) + "." + language), {text.begin(), text.end()});
}

/// Little endian, with its mark.
std::string utf16(std::string const& ascii) {
  std::string all = "\xFF\xFE";
  for (char const c : ascii) all += {c, '\0'};
  return all;
}

}  // namespace

TEST_CASE("languages whose names hold dashes") {
  temporary_directory const folder;
  for (char const* language : {"en", "zh-CN", "pt-BR"}) put(folder, language, "a\nb\n");
  std::string const at = folder.path();
  CHECK(translate::corpus_of(at + ":en-zh-CN") == corpus{at, "en", "zh-CN"});
  CHECK(translate::corpus_of(at + ":zh-CN-en") == corpus{at, "zh-CN", "en"});
  CHECK(translate::corpus_of(at + ":pt-BR-zh-CN") == corpus{at, "pt-BR", "zh-CN"});
  CHECK(translate::corpus_of(at + ":en:zh-CN") == corpus{at, "en", "zh-CN"});
  CHECK(translate::corpus_of(at + ":zh-CN:en") == corpus{at, "zh-CN", "en"});
  CHECK(translate::corpus_of("elsewhere:en-de") == corpus{"elsewhere", "en", "de"});
  CHECK(translate::read(at + ":en-zh-CN").train.size() == 2);
  CHECK(translate::read(at + ":pt-BR:en").test.target.size() == 2);
}

TEST_CASE("a pair of languages that can be read in no way, or in two") {
  temporary_directory const folder;
  for (char const* language : {"a", "b-c", "a-b", "c"}) put(folder, language, "x\n");
  auto const said = [](std::string const& what) { return complaint([&] { translate::read(what); }); };
  std::string const at = folder.path();
  CHECK_THAT(said(at + ":a-b-c"), Catch::Contains(at + "/train.a with train.b-c and " + at + "/train.a-b with train.c") &&
                                      Catch::Contains("; write DIRECTORY:FROM:TO"));
  CHECK(translate::read(at + ":a:b-c").train.size() == 1);
  CHECK_THAT(said(at + ":a-d-e"), Catch::Contains("there is neither " + at + "/train.a with train.d-e nor"));
  for (char const* what : {"", "digits", "a-b", ":a-b", "dir:", "dir:a", "dir:-a", "dir:a-"})
    CHECK_THAT(said(what), Catch::Contains("it is neither numbers nor DIRECTORY:FROM-TO"));
  CHECK_THAT(said(at + "/none:a-b"), Catch::Contains("no such folder is there"));
  CHECK_THAT(said(at + ":c-d"), Catch::Contains("train.d, because no such file is there"));
}

TEST_CASE("a byte order mark is no part of the first word") {
  temporary_directory const folder;
  put(folder, "de",
      "\xEF\xBB\xBF"
      "ein hund\nein hund\n");
  put(folder, "en",
      "\xEF\xBB\xBF"
      "a dog\r\na dog\r\n");
  translate::texts const t = translate::read(folder.path() + ":de-en");
  CHECK(t.train.source == std::vector<std::string>{"ein hund", "ein hund"});
  CHECK(t.test.target == std::vector<std::string>{"a dog", "a dog"});
}

TEST_CASE("UTF-16 is refused") {
  temporary_directory const folder;
  put(folder, "de", utf16("ein hund\n"));
  put(folder, "en", "a dog\n");
  std::string const said = complaint([&] { translate::read(folder.path() + ":de-en"); });
  CHECK_THAT(said, Catch::Contains("train.de, because it begins with the byte order mark of UTF-16") &&
                       Catch::Contains("iconv -f UTF-16"));
  put(folder, "de", utf16("ein hund\n").substr(2));
  CHECK_THAT(complaint([&] { translate::read(folder.path() + ":de-en"); }),
             Catch::Contains("its byte 1 is zero, as in UTF-16"));
}
