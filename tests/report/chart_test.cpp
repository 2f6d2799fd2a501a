#include <foal/report/chart.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include <foal/report/bar_chart.hpp>

#include "markup.hpp"
#include "sample.hpp"

namespace report = foal::report;

namespace {

double constexpr missing = std::numeric_limits<double>::quiet_NaN();

markup::document parsed(std::string const& text) {
  auto d = markup::parse(text);
  INFO(d.problem);
  CHECK(d.well_formed);
  CHECK(text.find("nan") == std::string::npos);
  CHECK(text.find("inf") == std::string::npos);
  return d;
}

}  // namespace

TEST_CASE("ticks are round numbers inside the axis", "[report]") {
  auto const t = report::linear_ticks(0.43, 1.02, 6);
  CHECK(t.label == std::vector<std::string>{"0.5", "0.6", "0.7", "0.8", "0.9", "1.0"});
  CHECK(report::linear_ticks(0, 2300, 5).label == std::vector<std::string>{"0", "500", "1,000", "1,500", "2,000"});
  CHECK(report::linear_ticks(-1, 1, 4).label == std::vector<std::string>{"-1.0", "-0.5", "0.0", "0.5", "1.0"});
  CHECK(report::linear_ticks(0.9811, 0.9839, 5).at.size() >= 4);
  CHECK(report::linear_ticks(1, 1, 5).at.empty());
  CHECK(report::linear_ticks(0, std::numeric_limits<double>::infinity(), 5).at.empty());
  CHECK(report::logarithmic_ticks(0.01, 10).label ==
        std::vector<std::string>{"0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2", "5", "10"});
  CHECK(report::logarithmic_ticks(1e-20, 1e20).at.size() < 12);
}

TEST_CASE("the mean of runs, some of which diverge", "[report]") {
  auto const c = report::mean_curve("a", {1, 2, 3, 4}, {{1, 2, 3, 4}, {3, 4, missing, 9}, {2, 3}});
  CHECK(c.y == std::vector<double>{2, 3, 3, 4});
  CHECK(c.spread == std::vector<double>{1, 1, 0, 0});
  CHECK(c.crosses == std::vector<std::pair<double, double>>{{2, 4}, {2, 3}});
  auto const all_gone = report::mean_curve("b", {1, 2, 3}, {{5, missing, missing}});
  CHECK(all_gone.y == std::vector<double>{5});
  CHECK(all_gone.x == std::vector<double>{1});
  CHECK(all_gone.spread.empty());
}

TEST_CASE("a chart shows lines, bands and crosses of its curves", "[report]") {
  auto const d = parsed(sample::chart(sample::accuracy, "Accuracy & more", "accuracy").svg());
  int lines = 0;
  for (auto const& e : d.elements) lines += e.name == "path" && e.attributes.at("class").find("curve") == 0;
  CHECK(lines == 6);
  CHECK(d.count("path", "band") == 6);
  CHECK(d.count("path", "cross") == 5);
  auto loss = sample::chart(sample::loss, "Loss", "loss");
  loss.logarithmic = true;
  parsed(loss.svg());
}

TEST_CASE("a diverging curve does not squash the others", "[report]") {
  report::line_chart c;
  c.curves = {{.label = "good", .x = {0, 1, 2}, .y = {3, 2, 1}},
              {.label = "bad", .x = {0, 1}, .y = {3, 1e30}, .crosses = {{1, 1e30}}}};
  std::string const text = c.svg();
  auto const d = parsed(text);
  for (auto const& e : d.elements) {
    if (e.name != "path" || e.attributes.at("class") != "cross s1") continue;
    std::istringstream in(e.attributes.at("d").substr(1));
    double x = 0, y = 0;
    in >> x >> y;
    CHECK((y > -5 && y < 100));  // at the upper edge
  }
  CHECK(text.find("e+") == std::string::npos);
  c.curves.erase(c.curves.begin());
  parsed(c.svg());  // alone it has the axis for itself
}

TEST_CASE("charts of nothing, of one point, of a flat line are charts", "[report]") {
  parsed(report::line_chart{}.svg());
  parsed(report::line_chart{.curves = {{.label = "p", .x = {5}, .y = {2}}}}.svg());
  parsed(report::line_chart{.curves = {{.label = "flat", .x = {1, 2}, .y = {0, 0}}}, .logarithmic = true}.svg());
  parsed(report::line_chart{.curves = {{.label = "hole", .x = {1, 2, 3}, .y = {1, missing, 2}}}}.svg());
  for (double const width : {-5.0, 0.0, missing})
    CHECK_THROWS_WITH(report::line_chart{.width = width}.svg(), Catch::Contains("cannot draw a picture of "));
  CHECK_THROWS_WITH((report::line_chart{.curves = {{.label = "odd", .x = {1, 2}, .y = {1}}}}.svg()),
                    Catch::Contains("'odd'") && Catch::Contains("2 x, 1 y"));
}

TEST_CASE("bars are as long as their values", "[report]") {
  report::bar_chart c{.title = "bytes", .groups = {"a", "b"}};
  c.parts = {{"weights", {1, 2}}, {"saved", {3, 0}, {0.5, 0}}};
  auto const d = parsed(c.svg());
  std::vector<double> widths;
  for (auto const& e : d.elements) {
    if (e.name == "rect" && e.attributes.at("height") == "22") widths.push_back(std::stod(e.attributes.at("width")));
  }
  REQUIRE(widths.size() == 3);  // the empty part is not drawn
  CHECK(widths[1] / widths[0] == Approx(3).epsilon(1e-3));
  CHECK(widths[2] / widths[0] == Approx(2).epsilon(1e-3));
  CHECK(d.count("rect", "f0") == 3);  // two bars and the legend
  parsed(report::bar_chart{}.svg());
  c.parts[0].values = {1};
  CHECK_THROWS_WITH(c.svg(), Catch::Contains("'weights'") && Catch::Contains("1 values"));
}

TEST_CASE("an axis of whole numbers has no fractions", "[report]") {
  report::line_chart c{.x_label = "epoch"};
  c.curves.push_back({.label = "a", .x = {1, 2, 3}, .y = {0.5, 0.25, 0.125}});
  std::string const whole = c.svg();
  for (char const* mark : {">1</text>", ">2</text>", ">3</text>"}) CHECK(whole.find(mark) != std::string::npos);
  CHECK(whole.find(">1.2</text>") == std::string::npos);
  c.curves[0].x[1] = 1.5;
  CHECK(c.svg().find(">1.2</text>") != std::string::npos);
  CHECK(report::linear_ticks(0, 2, 10, true).label == std::vector<std::string>{"0", "1", "2"});
  CHECK(report::linear_ticks(0, 100, 5, true).label == report::linear_ticks(0, 100, 5).label);
}
