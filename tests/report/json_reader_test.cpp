// The JSON of headers: what is read, and the sentences of what is not.
#include <foal/report/json_reader.hpp>

#include <catch2/catch.hpp>

#include <vector>

namespace {

using foal::report::json_reader;

std::string string_of(std::string const& text) {
  json_reader json("f", text);
  std::string const s = json.string();
  json.end();
  return s;
}
std::uint64_t number_of(std::string const& text) {
  json_reader json("f", text);
  std::uint64_t const n = json.number();
  json.end();
  return n;
}

}  // namespace

TEST_CASE("objects, arrays, strings and numbers") {
  json_reader json("f", " { \"a\" : [ 1 , 20,18446744073709551615 ] ,\"b\":{}, \"c\":[] , \"b\":{\"d\":0} }\n ");
  std::vector<std::uint64_t> numbers;
  std::string keys;
  json.object([&](std::string const& key) {
    keys += key;
    if (key == "b")
      json.object([&](std::string const& inner) {
        keys += inner;
        numbers.push_back(json.number());
      });
    else
      json.array([&] { numbers.push_back(json.number()); });
  });
  json.end();
  CHECK(keys == "abcbd");
  CHECK(numbers == std::vector<std::uint64_t>{1, 20, 18446744073709551615U, 0});
  CHECK(string_of(R"("a\"\\\/\b\f\n\r\tz")") == "a\"\\/\b\f\n\r\tz");
  CHECK(string_of(R"("\u0041\u00e9\u20AC\ud83d\uDE00")") == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
}

TEST_CASE("what is not JSON gives a sentence with its place") {
  using Catch::Equals;
  auto const refused = [](std::string const& place, std::string const& found, std::string const& expected) {
    return Equals("cannot read f, because byte " + place + " of its header is " + found + " where " + expected +
                  " is expected; fetch the file again");
  };
  CHECK_THROWS_WITH(string_of("x"), refused("0", "'x'", "'\"'"));
  CHECK_THROWS_WITH(string_of("\"ab"), refused("3", "its end", "the end of a string"));
  CHECK_THROWS_WITH(string_of("\"a\nb\""), refused("2", "byte 10", "a character of a string"));
  CHECK_THROWS_WITH(string_of("\"\\x\""), refused("2", "'x'", "an escaped character"));
  CHECK_THROWS_WITH(string_of("\"\\u12g4\""), refused("5", "'g'", "four hexadecimal digits"));
  CHECK_THROWS_WITH(string_of("\"\\ud83dx\""), refused("7", "'x'", "the second half of a pair of UTF-16"));
  CHECK_THROWS_WITH(string_of("\"\\ude00\""), refused("7", "'\"'", "the first half of a pair of UTF-16"));
  CHECK_THROWS_WITH(string_of("\"a\" b"), refused("4", "'b'", "the end of the header"));
  CHECK_THROWS_WITH(number_of("-1"), refused("0", "'-'", "a whole number"));
  CHECK_THROWS_WITH(number_of("01"), refused("2", "its end", "a whole number"));
  CHECK_THROWS_WITH(number_of("1.5"), refused("1", "'.'", "the end of the header"));
  CHECK_THROWS_WITH(number_of("18446744073709551616"), refused("19", "'6'", "a number that fits 64 bits"));
  json_reader comma("f", "[1,]");
  CHECK_THROWS_WITH(comma.array([&] { comma.number(); }), refused("3", "']'", "a whole number"));
  json_reader open("f", "{\"a\":1");
  CHECK_THROWS_WITH(open.object([&](std::string const&) { open.number(); }), refused("6", "its end", "'}'"));
}

TEST_CASE("numbers with fractions, nulls, and values that nobody wants") {
  auto const real_of = [](std::string const& text) {
    json_reader json("f", text);
    double const x = json.real();
    json.end();
    return x;
  };
  CHECK(real_of(" -0.25e+2 ") == -25);
  CHECK(real_of("0") == 0);
  CHECK(real_of("1e40") == 1e40);
  for (char const* text : {"", "-", "01", "+1", ".5", "1.", "1e", "1e999", "nan", "inf", "0x1", "1 2"})
    CHECK_THROWS_AS(real_of(text), foal::error);
  json_reader json("f", R"([null, 1, {"a": [true, false, {"b": "c"}], "d": -1.5e3}, "last"])");
  std::string kinds;
  json.array([&] {
    if (json.null()) {
      kinds += '0';
    } else {
      json.pass_over();
      kinds += 'v';
    }
  });
  json.end();
  CHECK(kinds == "0vvv");
  std::string const deep(100000, '[');
  json_reader endless("f", deep, "text", "cut it");
  CHECK_THROWS_WITH(endless.pass_over(),
                    Catch::Contains("of its text") && Catch::Contains("64") && Catch::Contains("; cut it"));
}
