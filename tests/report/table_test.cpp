#include <foal/report/table.hpp>

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace report = foal::report;

TEST_CASE("tables are aligned by characters, not bytes", "[report]") {
  report::table t{{{"method", report::align::left}, {"accuracy"}, {"note", report::align::left}}};
  t.add({"gpipe", "98.1 ± 0.2", "x"});
  t.add({"naïve", "9.1", ""});
  CHECK(t.text() ==
        "method    accuracy  note\n"
        "------------------------\n"
        "gpipe   98.1 ± 0.2  x\n"
        "naïve          9.1\n");
  CHECK_THROWS_WITH(t.add({"a"}), Catch::Contains("a row of 1 entries") && Catch::Contains("3 columns"));
}

TEST_CASE("the best of a column", "[report]") {
  using report::align;
  using report::better;
  report::table t{
      {{"a"}, {"b", align::right, better::higher}, {"c", align::right, better::lower}, {"d", align::right, better::higher}}};
  t.add({{"1", 1}, {"1", 1}, {"1", 1}, {"2", 2}});
  t.add({{"2", 2}, {"3", 3}, "-", {"2", 2}});
  t.add({{"3", 3}, {"3", 3}, {"2", 2}, {"2", 2}});
  CHECK(t.best(0) == std::vector<bool>{false, false, false});
  CHECK(t.best(1) == std::vector<bool>{false, true, true});
  CHECK(t.best(2) == std::vector<bool>{true, false, false});
  CHECK(t.best(3) == std::vector<bool>{false, false, false});
}

TEST_CASE("what controls a terminal does not leave its cell", "[report]") {
  report::table t{{{"name", report::align::left}, {"x"}}};
  t.add({"a\x1b[2J\n", "1"});
  t.add({"\xC3\xA9", "2"});
  CHECK(t.text() ==
        "name        x\n-------------\na\\x1b[2J\\n  1\n"
        "\xC3\xA9           2\n");
}
