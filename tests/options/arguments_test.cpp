// Options of programs: numbers in their range, names that exist, files that can be written, defaults in the help.
#include "examples/options/arguments.hpp"

#include <catch2/catch.hpp>
#include <iostream>
#include <sstream>

#include "tests/support/files.hpp"

namespace {

struct all {
  int epochs = 3, unset = 0;
  double rate = 0.5;
  std::uint64_t seed = 1;
  std::vector<double> rates{0.1};
  std::vector<int> sizes{8, 16};
  std::string net = "small", method = "gpipe", json, load;
  std::vector<std::string> methods{"none"};

  bool parse(std::vector<char const*> words) {
    options::arguments a("A program.");
    a.whole("--epochs", epochs, 1, 100, "of a run");
    a.whole("--jobs", unset, 1, 8, "by default one a core");
    a.number("--rate,--lr", rate, options::share_below_1, "");
    a.number("--rates", rates, options::positive, "");
    a.whole("--sizes", sizes, 1, 64, "");
    a.seed(seed, "");
    a.choice("--net", net, {"small", "large"}, "");
    a.method("--method", method, {"gpipe", "none", "t1t2t3"}, "");
    a.method("--methods", methods, {"gpipe", "none", "t1t2t3"}, "");
    a.output("--json", json, "");
    a.input("--load", load, "");
    words.insert(words.begin(), "program");
    return a.parse(static_cast<int>(words.size()), words.data());
  }
};

std::string refusal(std::vector<char const*> const& words) {
  return foal_test::complaint([&] { all().parse(words); });
}

}  // namespace

TEST_CASE("numbers that cannot be are refused as they were written") {
  CHECK(refusal({"--epochs", "0"}) == "cannot use --epochs 0, because it takes a whole number from 1 to 100; change it");
  for (char const* const bad : {"-1", "101", "1.5", "3x", "", "nan", "99999999999999999999"})
    CHECK_THAT(refusal({"--epochs", bad}), Catch::StartsWith("cannot use --epochs "));
  for (char const* const bad : {"nan", "inf", "-inf", "1", "-0.1", "1e400", "0.5x", ""})
    CHECK_THAT(refusal({"--lr", bad}),
               Catch::StartsWith("cannot use --rate ") && Catch::Contains("it takes a number of 0 or more and below 1"));
  for (char const* const bad : {"-1", "18446744073709551616", "99999999999999999999", "1e3"})
    CHECK_THAT(refusal({"--seed", bad}), Catch::StartsWith(std::string("cannot use --seed ") + bad));
  CHECK_THAT(refusal({"--rates", "0.1,0"}), Catch::StartsWith("cannot use --rates 0, because it takes a number above 0"));
  CHECK_THAT(refusal({"--sizes", "4,65"}), Catch::StartsWith("cannot use --sizes 65"));
}

TEST_CASE("numbers that can be arrive") {
  all o;
  REQUIRE(
      o.parse({"--epochs", "010", "--lr", "0.25", "--seed", "18446744073709551615", "--rates", "1,2.5", "--sizes", "4"}));
  CHECK(o.epochs == 10);
  CHECK(o.rate == 0.25);
  CHECK(o.seed == 18446744073709551615U);
  CHECK(o.rates == std::vector<double>{1, 2.5});
  CHECK(o.sizes == std::vector<int>{4});
  CHECK(o.unset == 0);
}

TEST_CASE("names that do not exist are refused, and both names of PipeMare are one") {
  CHECK(refusal({"--net", "foo"}) == "cannot use --net foo, because it takes one of small, large; change it");
  CHECK_THAT(refusal({"--methods", "none,t9"}),
             Catch::StartsWith("cannot use --methods t9, because it takes one of gpipe,"));
  CHECK_THAT(refusal({"--nothing"}), Catch::Contains("--nothing"));
  for (char const* const name : {"pipemare", "t1t2t3"}) {
    all o;
    REQUIRE(o.parse({"--method", name, "--methods", name}));
    CHECK(o.method == "t1t2t3");
    CHECK(o.methods == std::vector<std::string>{"t1t2t3"});
  }
}

TEST_CASE("files are tried before the work") {
  foal_test::temporary_directory const folder;
  std::string const there = folder / "there.json", nowhere = folder / "nowhere/x.json";
  foal::write_file(there, "[]\n");
  all o;
  REQUIRE(o.parse({"--json", there.c_str(), "--load", there.c_str()}));
  CHECK(foal_test::text_of(there) == "[]\n");
  CHECK_THAT(refusal({"--json", nowhere.c_str()}), Catch::StartsWith("cannot write " + nowhere));
  CHECK_THAT(refusal({"--json", ""}), Catch::Contains("its name is empty"));
  CHECK_THAT(refusal({"--json", folder.path().c_str()}), Catch::Contains("folder"));
  CHECK_THAT(refusal({"--load", nowhere.c_str()}), Catch::Contains(nowhere));
  CHECK_THAT(refusal({"--load", ""}), Catch::Contains("its name is empty"));
}

TEST_CASE("the help shows what holds where nothing is said") {
  std::ostringstream to;
  std::streambuf* const before = std::cout.rdbuf(to.rdbuf());
  bool const goes_on = all().parse({"--help"});
  std::cout.rdbuf(before);
  CHECK_FALSE(goes_on);
  std::string const text = to.str();
  INFO(text);
  for (char const* const part : {"--epochs INT=3", "--jobs INT ", "--rate,--lr NUMBER=0.5", "--seed INT=1",
                                 "--net NAME=small", "small, large", "--sizes INT=[8,16]", "--method NAME=gpipe"})
    CHECK(text.find(part) != std::string::npos);
  CHECK(text.size() < 1500);  // no range of 309 digits
}
