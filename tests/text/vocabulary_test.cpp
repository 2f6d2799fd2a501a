// The vocabulary: order of numbers, reserved ones, files.
#include <catch2/catch.hpp>
#include <string>

#include <foal/core/error.hpp>
#include <foal/text/vocabulary.hpp>

using foal::text::vocabulary;
namespace text = foal::text;

namespace {

std::string saved(vocabulary const& v) { return v.saved(); }

vocabulary loaded(std::string const& content) { return vocabulary::load(content, "tokens.txt"); }

std::string message(std::string const& content) {
  try {
    loaded(content);
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

std::string const reserved = "<pad>\t0\n<bos>\t0\n<eos>\t0\n<unk>\t0\n";

/// A file of the reserved numbers and so many more.
std::string file(std::size_t more, std::string const& lines) {
  return text::entries_title("vocabulary", 4 + more) + "\n" + reserved + lines;
}

}  // namespace

TEST_CASE("numbers go by count, then by bytes, after the reserved ones") {
  vocabulary const v = vocabulary::from_counts({{"b", 2}, {"a", 2}, {"z", 9}, {"ü", 2}});
  CHECK(v.size() == 8);
  CHECK(v.id("z") == 4);
  CHECK(v.id("a") == 5);
  CHECK(v.id("b") == 6);
  CHECK(v.id("ü") == 7);
  CHECK(v.token(4) == "z");
  CHECK(v.count(4) == 9);
  CHECK(v.token(text::eos) == "<eos>");
}

TEST_CASE("what is not known is unk") {
  vocabulary const v = vocabulary::from_counts({{"a", 1}});
  CHECK(v.id("b") == text::unk);
  CHECK(v.id("") == text::unk);
  CHECK(!v.knows("b"));
  CHECK(v.knows("a"));
  CHECK(v.id("<pad>") == text::unk);  // text cannot name a reserved number
  CHECK(vocabulary::from_counts({{"<pad>", 1}}).id("<pad>") == 4);
}

TEST_CASE("a vocabulary can be cut to the most frequent tokens") {
  vocabulary const v = vocabulary::from_counts({{"a", 1}, {"b", 3}, {"c", 2}, {"d", 2}}, 2);
  CHECK(v.size() == 6);
  CHECK(v.knows("b"));
  CHECK(v.knows("c"));
}

TEST_CASE("a number out of range is refused") {
  CHECK_THROWS_AS(vocabulary().token(4), foal::error);
  CHECK_THROWS_AS(vocabulary().token(-1), foal::error);
}

TEST_CASE("a vocabulary is saved one token a line and read back") {
  vocabulary const v = vocabulary::from_counts({{"man ", 7}, {"\n", 2}, {"\\", 1}, {"<unk>", 1}});
  CHECK(saved(v) == file(4, "man\\_\t7\n\\n\t2\n<unk>\t1\n\\\\\t1\n"));
  vocabulary const again = loaded(saved(v));
  CHECK(saved(again) == saved(v));
  CHECK(again.id("\n") == v.id("\n"));
}

TEST_CASE("a token of any bytes is read back") {
  foal::text::word_counts counts;
  for (int b = 0; b < 256; ++b) counts[std::string(1, static_cast<char>(b))] = b;
  vocabulary const v = vocabulary::from_counts(counts);
  CHECK(saved(loaded(saved(v))) == saved(v));
  CHECK(loaded(saved(v)).id(std::string(1, '\0')) == v.id(std::string(1, '\0')));
}

TEST_CASE("a damaged vocabulary is refused with the place") {
  CHECK(message(file(1, "a\t1\n")).empty());
  CHECK(message(file(2, "a\t1\nb\n")).find("line 7 of the vocabulary tokens.txt") != std::string::npos);
  CHECK(message(file(1, "a\tmany\n")).find("line 6") != std::string::npos);
  CHECK(message(file(1, "a\t1x\n")).find("line 6") != std::string::npos);
  CHECK(message(file(1, "a\t-1\n")).find("line 6") != std::string::npos);
  CHECK(message(file(1, "\t1\n")).find("empty token") != std::string::npos);
  CHECK(message(file(2, "a\t1\na\t1\n")).find("second time") != std::string::npos);
  CHECK(message("foal vocabulary: 1 entries\na\t1\n").find("reserved '<pad>'") != std::string::npos);
}

TEST_CASE("a vocabulary that lost lines, or its line ends, is refused") {
  CHECK(message("").find("cannot read the vocabulary tokens.txt, because it is empty") == 0);
  CHECK(message(reserved).find("'foal vocabulary: N entries' is expected") != std::string::npos);
  CHECK(message(file(3, "a\t3\nb\t2\n")).find("it ends after 6 of 7 entries") != std::string::npos);
  CHECK(message(file(1, "a\t12")).find("the file was cut") != std::string::npos);  // a count of 123, perhaps
  CHECK(message(file(1, "a\t3\r\n")).find("carriage return") != std::string::npos);
  CHECK(message("foal vocabulary: 2 entries\n<pad>\t0\n<bos>\t0\n").find("has 2 entries where the 4 reserved") !=
        std::string::npos);
}
