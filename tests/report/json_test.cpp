#include <foal/report/json.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace report = foal::report;

namespace {

template <class T>
std::string one(T const& v) {
  std::string out;
  report::json_writer(out).value(v);
  return out;
}

}  // namespace

TEST_CASE("values are written as JSON", "[report]") {
  CHECK(one(true) == "true");
  CHECK(one(nullptr) == "null");
  CHECK(one(std::int64_t{-9007199254740993}) == "-9007199254740993");
  CHECK(one(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
  CHECK(one(0.1) == "0.1");
  CHECK(one(0.1F) == "0.1");
  CHECK(one(std::numeric_limits<double>::quiet_NaN()) == "null");
  CHECK(one(-std::numeric_limits<double>::infinity()) == "null");
  CHECK(one(std::optional<int>{}) == "null");
  CHECK(one(std::optional<int>{7}) == "7");
  CHECK(one("a \"b\" \\ \n \x01") == R"("a \"b\" \\ \n \u0001")");
}

TEST_CASE("numbers read back exactly", "[report]") {
  for (double const v : {1e-308, 5e-324, 1.7976931348623157e308, 1.0 / 3, 123456789.123456789, -0.0, 1e22}) {
    CHECK(nlohmann::json::parse(one(v)).get<double>() == v);
  }
}

TEST_CASE("strings that are not UTF-8 still give valid JSON", "[report]") {
  // overlong slash, surrogate, above U+10FFFF, cut sequences, a lone continuation
  for (std::string const bad :
       {"\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF0\x9F\x98", "\x80", "\xFF"}) {
    auto const text = nlohmann::json::parse(one("<" + bad + ">")).get<std::string>();
    CHECK(text.find(report::replacement) != std::string::npos);
    CHECK(text.front() == '<');
    CHECK(text.back() == '>');
  }
  for (std::string const good : {"é", "€", "😀", "\xED\x9F\xBF", "\xEE\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CHECK(nlohmann::json::parse(one(good)).get<std::string>() == good);
    CHECK(report::columns_of(good) == 1);
  }
}

TEST_CASE("documents nest, compact or over lines", "[report]") {
  for (int const lines : {0, 1, 2, 9}) {
    std::string out;
    report::json_writer json(out, lines);
    json.begin_object()
        .member("a", 1)
        .key("list")
        .begin_array()
        .value("x")
        .begin_object()
        .end_object()
        .value(2.5)
        .end_array();
    json.key("empty").begin_array().end_array().member("z", nullptr);
    CHECK_FALSE(json.complete());
    json.end_object();
    CHECK(json.complete());
    CHECK(nlohmann::json::parse(out) == nlohmann::json::parse(R"({"a":1,"list":["x",{},2.5],"empty":[],"z":null})"));
    if (lines == 0) CHECK(out == R"({"a":1,"list":["x",{},2.5],"empty":[],"z":null})");
    if (lines == 1) CHECK(out == "{\n  \"a\": 1,\n  \"list\": [\"x\",{},2.5],\n  \"empty\": [],\n  \"z\": null\n}");
  }
}

TEST_CASE("a document may leave piece by piece", "[report]") {
  std::string out, file;
  report::json_writer json(out);
  json.begin_array();
  for (int i = 0; i < 100; ++i) {
    json.value(i);
    file += out;
    out.clear();
  }
  json.end_array();
  CHECK(nlohmann::json::parse(file + out).size() == 100);
}

TEST_CASE("what would not be JSON is refused", "[report]") {
  std::string out;
  CHECK_THROWS_AS(report::json_writer(out).begin_object().value(1), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).begin_array().key("a"), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).key("a"), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).begin_array().end_object(), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).begin_object().key("a").end_object(), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).begin_object().key("a").key("b"), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).value(1).value(2), foal::error);
  CHECK_THROWS_AS(report::json_writer(out).end_array(), foal::error);
}
