// Files of entries: what was cut, grew, or has other line ends is refused.
#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/entries.hpp>

namespace {

std::vector<std::string> read(std::string const& content) {
  std::vector<std::string> all;
  foal::text::read_entries(content, "words", "w.txt", [&](std::string_view line, std::string const& where) {
    all.push_back(std::string(line) + " @ " + where);
  });
  return all;
}

std::string message(std::string const& content) {
  try {
    read(content);
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

bool says(std::string const& content, std::string const& part) {
  std::string const text = message(content);
  INFO(text);
  CHECK(text.find("cannot read ") == 0);
  CHECK(text.find("; ") != std::string::npos);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("entries come with their places") {
  CHECK(foal::text::entries_title("words", 2) == "foal words: 2 entries");
  CHECK(read("foal words: 2 entries\na\n\n") ==
        std::vector<std::string>{"a @ line 2 of the words w.txt", " @ line 3 of the words w.txt"});
  CHECK(read("foal words: 0 entries\n").empty());
}

TEST_CASE("every proper beginning of a file of entries is refused") {
  std::string const whole = "foal words: 12 entries\n1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n";
  CHECK(message(whole).empty());
  for (std::size_t n = 0; n < whole.size(); ++n) {
    INFO("the first " << n << " bytes");
    CHECK(says(whole.substr(0, n), "w.txt, because it "));
  }
  CHECK(says("", "is empty where 'foal words: 0 entries' is the least"));
  CHECK(says("foal words: 2 entries\na\n", "ends after 1 of 2 entries"));
  CHECK(says("foal words: 2 entries\na\nb", "line 3 of the words w.txt, because it has no end"));
}

TEST_CASE("a file with more than its entries, or without its first line, is refused") {
  CHECK(says("foal words: 1 entries\na\nb\n", "line 3 of the words w.txt, because it is 'b' where the file ends after 1"));
  CHECK(says("a\nb\n", "line 1 of the words w.txt, because it is 'a' where 'foal words: N entries' is expected"));
  CHECK(says("foal merges: 1 entries\na\n", "where 'foal words: N entries' is expected"));
  for (char const* number : {"", "-1", "+1", "01", "1x", "one", "99999999999999999999"})
    CHECK(says(std::string("foal words: ") + number + " entries\na\n", "line 1 of the words w.txt"));
}

TEST_CASE("carriage returns are refused wherever they stand") {
  CHECK(says("foal words: 1 entries\r\na\r\n", "line 1 of the words w.txt, because it holds a carriage return"));
  CHECK(says("foal words: 1 entries\na\r\n", "line 2"));
  CHECK(says("foal words: 1 entries\na\rb\n", "convert the line ends from \\r\\n to \\n"));
  CHECK(says("foal words: 1 entries\na\n\r\n", "line 3"));
}

TEST_CASE("entries that an editor saved with a byte order mark, or as UTF-16") {
  CHECK(read("\xEF\xBB\xBF"
             "foal words: 1 entries\na\n")
            .size() == 1);
  CHECK(says(std::string("f\0o\0a\0l\0", 8), "the words w.txt, because its byte 1 is zero, as in UTF-16"));
  CHECK(says("\xFF\xFE", "the words w.txt, because it begins with the byte order mark of UTF-16"));
}
