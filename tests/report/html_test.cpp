#include <foal/report/html.hpp>

#include <catch2/catch.hpp>
#include <string>

#include "markup.hpp"
#include "sample.hpp"

namespace report = foal::report;

TEST_CASE("the page is well formed and asks nobody for anything", "[report]") {
  std::string const text = sample::page().text();
  auto const d = markup::parse(text);
  INFO(d.problem);
  REQUIRE(d.well_formed);
  for (auto const& e : d.elements) {
    for (char const* refused : {"script", "link", "img", "iframe", "object", "embed"}) CHECK(e.name != refused);
    for (char const* refused : {"src", "onclick", "onload", "style"}) CHECK_FALSE(e.attributes.contains(refused));
    if (e.name == "a") CHECK(e.attributes.at("href")[0] == '#');
  }
  CHECK(text.find("@import") == std::string::npos);
  CHECK(text.find("url(") == std::string::npos);
  CHECK(text.find("prefers-color-scheme") != std::string::npos);
  CHECK(text.find("@media print") != std::string::npos);
  CHECK(text == sample::page().text());
}

TEST_CASE("sections are linked from the top", "[report]") {
  auto const d = markup::parse(sample::page().text());
  CHECK(d.count("section") == 6);
  CHECK(d.count("a") == 6);
  int named = 0;
  for (auto const& e : d.elements) named += e.name == "section" && e.attributes.at("id") == "s" + std::to_string(named + 1);
  CHECK(named == 6);
}

TEST_CASE("tables: numbers to the right, the best marked", "[report]") {
  report::table t{{{"name", report::align::left}, {"x", report::align::right, report::better::lower}}};
  t.add({"a", {"1.0", 1}});
  t.add({"b", {"2.0", 2}});
  std::string const text = report::html_page("t").add(t, "caption").text();
  CHECK(text.find("<td>a</td><td class=\"num best\">1.0</td>") != std::string::npos);
  CHECK(text.find("<td>b</td><td class=\"num\">2.0</td>") != std::string::npos);
  CHECK(text.find("<caption>caption</caption>") != std::string::npos);
}

TEST_CASE("whatever the texts are, they are only text", "[report]") {
  std::string const evil = "</pre><script>alert(\"1\")</script> & 'x' \xFF \x01";
  report::table t{{{evil}}};
  t.add({evil});
  report::facts f;
  f.model = evil;
  report::html_page page(evil, evil);
  page.section(evil)
      .subheading(evil)
      .paragraph(evil)
      .note(evil)
      .warning(evil)
      .preformatted(evil)
      .folded(evil, evil)
      .add(t, evil);
  page.add(f, evil)
      .add(report::figure{report::svg(10, 10, evil).text(1, 1, evil, "ink").finish(), evil})
      .how_run(evil, {{evil, evil}});
  auto const d = markup::parse(page.text());
  INFO(d.problem);
  REQUIRE(d.well_formed);
  CHECK(d.count("script") == 0);
  CHECK(page.text().find('\xFF') == std::string::npos);
  CHECK(page.text().find('\x01') == std::string::npos);
}

TEST_CASE("a picture of broken bytes does not break its page", "[report]") {
  std::string picture = "<svg><text>\xC3 \x1b[1m \xED\xA0\x80 \xEF\xBF\xBE ok \xE2\x82\xAC</text></svg>";
  std::string const text = report::html_page("t").add(report::figure{picture, "c"}).text();
  CHECK(markup::characters(text) == "");
  CHECK(markup::parse(text).well_formed);
  CHECK(text.find("ok \xE2\x82\xAC</text></svg>") != std::string::npos);
}
