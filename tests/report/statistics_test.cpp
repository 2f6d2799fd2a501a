#include <foal/report/statistics.hpp>

#include <catch2/catch.hpp>
#include <cmath>
#include <utility>
#include <vector>

namespace report = foal::report;

TEST_CASE("mean, spread and quantiles", "[report]") {
  std::vector<double> const v = {4, 1, 3, 2};
  CHECK(report::mean(v) == 2.5);
  CHECK(report::standard_deviation(v) == Approx(std::sqrt(5.0 / 3)));
  CHECK(report::median(v) == 2.5);
  CHECK(report::quantile(v, 0) == 1);
  CHECK(report::quantile(v, 1) == 4);
  CHECK(report::quantile(v, 0.25) == 1.75);
  CHECK(report::median(std::vector<double>{5, 7, 6}) == 6);
  CHECK(report::standard_deviation(std::vector<double>{5}) == 0);
  CHECK(std::isnan(report::mean({})));
  CHECK(std::isnan(report::median({})));
}

TEST_CASE("Student's t at 95 %, against the printed tables", "[report]") {
  std::vector<std::pair<int, double>> const table = {{1, 12.706205},  {2, 4.302653},   {3, 3.182446},   {4, 2.776445},
                                                     {5, 2.570582},   {9, 2.262157},   {10, 2.228139},  {30, 2.042272},
                                                     {100, 1.983972}, {200, 1.971896}, {1000, 1.962339}};
  for (auto const& [freedom, t] : table) CHECK(report::student_95(freedom) == Approx(t).margin(2e-6));
  for (int const freedom : {200, 201, 500, 5000})
    CHECK(report::student_within(report::student_95(freedom), freedom) == Approx(0.95).margin(1e-7));
  CHECK(report::student_within(1, 1) == Approx(0.5));
  CHECK_THROWS_AS(report::student_95(0), foal::error);
}

TEST_CASE("methods are compared in pairs", "[report]") {
  std::vector<double> const a = {11, 22, 33}, b = {10, 20, 30};
  report::interval const d = report::paired_difference(a, b);
  CHECK(d.mean == Approx(2));
  CHECK(d.half_width == Approx(4.302653 / std::sqrt(3.0)).epsilon(1e-6));
  CHECK(d.low() == Approx(d.mean - d.half_width));
  CHECK(report::paired_difference(a, a).half_width == 0);
  CHECK_THROWS_AS(report::paired_difference(a, std::vector<double>{1, 2}), foal::error);
  CHECK_THROWS_AS(report::paired_difference(std::vector<double>{1}, std::vector<double>{1}), foal::error);
}
