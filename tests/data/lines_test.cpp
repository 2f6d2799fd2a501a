// Text files: lines, parallel corpora, cuts.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/lines.hpp>

#include "tests/support/files.hpp"

using namespace foal::data;
using strings = std::vector<std::string>;

namespace {

void put(std::string const& path, std::string const& text) { foal_test::write(path, {text.begin(), text.end()}); }

template <class Act>
std::string message(Act act) {
  try {
    act();
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

}  // namespace

TEST_CASE("lines end with a line feed, or with the text") {
  CHECK(lines_of("a b\nc\n") == strings{"a b", "c"});
  CHECK(lines_of("a\r\n\nb") == strings{"a", "", "b"});
  CHECK(lines_of("").empty());
  CHECK(lines_of("\n") == strings{""});
}

TEST_CASE("a text is read without its byte order mark, and never from UTF-16") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "a.txt";
  put(path,
      "\xEF\xBB\xBF"
      "a\nb");
  CHECK(read_text(path) == "a\nb");
  CHECK(read_bytes(path) ==
        "\xEF\xBB\xBF"
        "a\nb");
  put(path, "");
  CHECK(read_text(path).empty());
  put(path, std::string("\xFF\xFE"
                        "a\0",
                        4));
  CHECK_THAT(foal_test::complaint([&] { read_text(path); }), Catch::Contains(path) && Catch::Contains("UTF-16"));
  CHECK_THAT(foal_test::complaint([&] { read_text(folder.path()); }), Catch::Contains("it is a folder"));
  CHECK_THAT(foal_test::complaint([&] { read_text(folder / "none"); }), Catch::Contains("no such file is there"));
}

TEST_CASE("lines of line feeds take a string each and no more") {
  std::string const text(100000, '\n');
  strings const lines = lines_of(text);
  CHECK(lines.size() == text.size());
  CHECK(lines.capacity() == lines.size());
  CHECK(lines_of(text + "a").capacity() == text.size() + 1);
}

TEST_CASE("a parallel corpus is two files of as many lines") {
  foal_test::temporary_directory const folder;
  put(folder / "train.de", "ein mann\neine frau\n");
  put(folder / "train.en", "a man\na woman\n");
  parallel_text const text = parallel_lines(folder.path(), "train", "de", "en");
  CHECK(text.size() == 2);
  CHECK(text.source == strings{"ein mann", "eine frau"});
  CHECK(text.target == strings{"a man", "a woman"});

  put(folder / "val.de", "ein mann\n");
  put(folder / "val.en", "a man\na woman\n");
  std::string const uneven = message([&] { parallel_lines(folder.path(), "val", "de", "en"); });
  CHECK(uneven.find("val.de has 1") != std::string::npos);
  CHECK(uneven.find("val.en has 2") != std::string::npos);
  CHECK(message([&] { parallel_lines(folder.path(), "test", "de", "en"); }).find("cannot open") == 0);
  put(folder / "none.de", "");
  put(folder / "none.en", "");
  CHECK(message([&] { parallel_lines(folder.path(), "none", "de", "en"); }).find("have 0") != std::string::npos);
}

TEST_CASE("a text is cut at a character") {
  text_cut const cut = cut_text("0123456789", 0.2);
  CHECK(cut.train == "01234567");
  CHECK(cut.validation == "89");
  CHECK(cut_text("0123456789", 0).validation.empty());
  std::string const euros = "\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC\xE2\x82\xAC";  // four characters of three bytes
  for (double share = 0; share < 1; share += 0.05) {
    text_cut const parts = cut_text(euros, share);
    CHECK(parts.train.size() % 3 == 0);
    CHECK(parts.train + parts.validation == euros);
  }
  CHECK(cut_text(euros, 0.5).train.size() == 6);
  CHECK(cut_text(euros, 0.4).train.size() == 9);  // byte 8 is inside the third character
  CHECK_THROWS_AS(cut_text("a", 1), foal::error);
  CHECK_THROWS_AS(cut_text("a", -0.1), foal::error);
}
