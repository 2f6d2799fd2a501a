#include <foal/report/rows.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include <foal/report/metrics.hpp>

#include "tests/support/files.hpp"

namespace report = foal::report;

using foal_test::complaint;
using foal_test::temporary_directory;
using foal_test::text_of;

TEST_CASE("rows are an array of flat objects", "[report]") {
  report::rows rows;
  rows.add({{"method", "gpipe"}, {"seed", 1}, {"accuracy", 0.98}, {"diverged_at", nullptr}});
  rows.add({{"method", "none"}, {"seed", std::uint64_t{18446744073709551615U}}, {"accuracy", std::nan("")}})
      .set("diverged_at", 140L)
      .set("method", std::string("t1"));
  auto const json = nlohmann::json::parse(rows.json());
  REQUIRE(json.size() == 2);
  CHECK(json[0] == nlohmann::json::parse(R"({"method":"gpipe","seed":1,"accuracy":0.98,"diverged_at":null})"));
  CHECK(json[1]["method"] == "t1");
  CHECK(json[1]["seed"].get<std::uint64_t>() == 18446744073709551615U);
  CHECK(json[1]["accuracy"].is_null());
  CHECK(json[1]["diverged_at"] == 140);
  CHECK(json[1].size() == 4);
  CHECK(report::rows{}.json() == "[]\n");
}

TEST_CASE("cells know their kind", "[report]") {
  CHECK(report::cell(true).text() == "yes");
  CHECK_FALSE(report::cell(true).is_number());
  CHECK(report::cell(0.1F).number() == 0.1);
  CHECK(report::cell(std::numeric_limits<float>::max()).number() == Approx(3.4028235e38));
  CHECK(report::cell(std::optional<int>{}).text() == "-");
  CHECK(report::cell(std::optional<int>{4}).number() == 4);
  CHECK(std::isnan(report::cell("4").number()));
  CHECK(report::cell(12.3456789).text(3) == "12.3");
}

TEST_CASE("rows print as a table of every name that occurs", "[report]") {
  report::rows rows;
  rows.add({{"name", "a"}, {"x", 1}});
  rows.add({{"name", "bb"}, {"y", 2.5}});
  CHECK(rows.table().text() == "name  x    y\n------------\na     1    -\nbb    -  2.5\n");
}

TEST_CASE("rows and metrics that cannot be written say so", "[report]") {
  temporary_directory const folder;
  report::rows rows;
  rows.add({{"a", 1}});
  rows.write(folder / "out.json");
  CHECK(nlohmann::json::parse(text_of(folder / "out.json"))[0]["a"] == 1);
  std::string const missing = folder / "no/such.json";
  CHECK(complaint([&] { rows.write(missing); }).find("cannot write " + missing) == 0);
  CHECK(complaint([&] { report::metrics log(missing); }).find("cannot write " + missing) == 0);
  CHECK(complaint([&] { report::metrics("/dev/full").write({{"a", 1}}); }).find("cannot write a line to /dev/full") == 0);
}

TEST_CASE("metrics are complete lines at any moment", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "metrics.jsonl";
  {
    report::metrics log(path);
    for (int i = 0; i < 3; ++i) {
      log.write({{"update", i}, {"loss", 1.0 / (i + 1)}, {"text", "two\nlines"}});
      std::string const so_far = text_of(path);
      CHECK(std::count(so_far.begin(), so_far.end(), '\n') == i + 1);
      CHECK(so_far.back() == '\n');
    }
  }
  report::metrics(path, true).write({{"update", 3}});
  std::istringstream lines(text_of(path));
  std::string line;
  int n = 0;
  while (std::getline(lines, line)) CHECK(nlohmann::json::parse(line)["update"] == n++);
  CHECK(n == 4);
  report::metrics(path).write({{"update", 0}});
  CHECK(text_of(path) == "{\"update\":0}\n");
}
