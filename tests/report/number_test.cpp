#include <foal/report/number.hpp>

#include <catch2/catch.hpp>
#include <limits>

namespace report = foal::report;

TEST_CASE("numbers as people read them", "[report]") {
  CHECK(report::fixed(2.345, 1) == "2.3");
  CHECK(report::fixed(-0.001, 2) == "0.00");
  CHECK(report::fixed(-0.01, 2) == "-0.01");
  CHECK(report::fixed(1e300, 0).size() == 301);
  CHECK(report::trimmed(2.5, 3) == "2.5");
  CHECK(report::trimmed(300, 0) == "300");
  CHECK(report::trimmed(3, 2) == "3");
  CHECK(report::significant(1234.5678, 3) == "1235");
  CHECK(report::significant(0.012345, 3) == "0.0123");
  CHECK(report::significant(1.5e-9, 2) == "1.5e-09");
  CHECK(report::significant(-0.0, 3) == "0");
  CHECK(report::significant(std::numeric_limits<double>::quiet_NaN(), 3) == "nan");
  CHECK(report::grouped(0) == "0");
  CHECK(report::grouped(-123) == "-123");
  CHECK(report::grouped(-1234567) == "-1,234,567");
  CHECK(report::grouped(100000) == "100,000");
}

TEST_CASE("bytes, prefixes, durations", "[report]") {
  CHECK(report::bytes(0) == "0 B");
  CHECK(report::bytes(1000) == "1000 B");
  CHECK(report::bytes(1024) == "1.00 KiB");
  CHECK(report::bytes(1536) == "1.50 KiB");
  CHECK(report::bytes(1024 * 1024 - 1) == "1.00 MiB");
  CHECK(report::bytes(100LL << 30) == "100 GiB");
  CHECK(report::with_prefix(1.2e6, "FLOP") == "1.20 MFLOP");
  CHECK(report::with_prefix(999.9, "") == "1.00 k");
  CHECK(report::duration(0.4) == "0.40 s");
  CHECK(report::duration(12.34) == "12.3 s");
  CHECK(report::duration(59.97) == "1:00 min");
  CHECK(report::duration(125) == "2:05 min");
  CHECK(report::duration(3725) == "1:02:05 h");
  CHECK(report::duration(std::numeric_limits<double>::infinity()) == "-");
}
