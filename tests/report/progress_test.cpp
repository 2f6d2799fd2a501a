#include <foal/report/progress.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace report = foal::report;

namespace {

struct paper {
  std::FILE* file = std::tmpfile();
  ~paper() { std::fclose(file); }
  std::string text() const {
    std::string out(static_cast<std::size_t>(std::ftell(file)), ' ');
    std::rewind(file);
    std::size_t const n = std::fread(out.data(), 1, out.size(), file);
    std::fseek(file, 0, SEEK_END);
    return out.substr(0, n);
  }
};

std::vector<std::string> split(std::string const& text, char at) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, at);) parts.push_back(part);
  return parts;
}

}  // namespace

TEST_CASE("a file gets plain lines every few seconds", "[report]") {
  paper p;
  double now = 100;
  {
    report::progress bar(2000, {.label = "t1", .out = p.file, .every = 5, .clock = [&] { return now; }});
    for (int i = 1; i <= 20; ++i) {
      now += 1;
      bar.update(100 * i, "loss 0.5");
    }
    bar.finish("done");
    bar.finish("done");
  }
  std::string const text = p.text();
  CHECK(text.find('\r') == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  auto const lines = split(text, '\n');
  REQUIRE(lines.size() == 5);
  CHECK(lines[0] == "t1   25 %  500/2,000 samples  100.0/s  left 15.0 s  loss 0.5");
  CHECK(lines[3].find("100 %") != std::string::npos);
  CHECK(lines[4] == "t1  2,000/2,000 samples in 20.0 s, 100.0 samples/s, done");
}

TEST_CASE("a terminal gets one line that redraws at most ten times a second", "[report]") {
  paper p;
  double now = 0;
  {
    report::progress bar(1000, {.out = p.file, .terminal = true, .columns = 100, .clock = [&] { return now; }});
    for (int i = 1; i <= 1000; ++i) {
      now += 0.01;
      bar.update(i, i < 500 ? "a long detail" : "");
    }
    bar.line("epoch 1: 97.0 %");
    bar.finish();
  }
  std::string const text = p.text();
  auto const draws = std::count(text.begin(), text.end(), '\r');
  CHECK(draws >= 90);
  CHECK(draws <= 105);
  CHECK(std::count(text.begin(), text.end(), '\n') == 2);
  auto const lines = split(text, '\n');
  CHECK(split(lines[0], '\r').back() == "epoch 1: 97.0 %");
  CHECK(lines[1] == "1,000/1,000 samples in 10.0 s, 100.0 samples/s");
  std::size_t before = 0;
  int bars = 0;
  for (std::string const& draw : split(lines[0], '\r')) {
    if (draw.empty() || draw[0] != '[') continue;
    ++bars;
    std::string plain = draw;
    for (std::size_t at = 0; (at = plain.find('\x1b')) != std::string::npos;) plain.erase(at, plain.find('m', at) - at + 1);
    CHECK(plain.size() < 100);
    CHECK(plain.size() >= before);  // nothing of the line before is left
    before = plain.find_last_not_of(' ') + 1;
  }
  CHECK(bars >= 90);
}

TEST_CASE("a narrow terminal gets a line that fits", "[report]") {
  for (int const columns : {1, 10, 40, 59, 60, 61}) {
    paper p;
    double now = 0;
    {
      report::progress bar(
          10, {.label = "ÄÖÜ", .out = p.file, .terminal = true, .columns = columns, .clock = [&] { return now; }});
      now = 1;
      bar.update(5, "with a detail that is far too long for the line of any such terminal");
      std::string const text = p.text();
      std::string plain = text.substr(1);
      for (std::size_t at = 0; (at = plain.find('\x1b')) != std::string::npos;)
        plain.erase(at, plain.find('m', at) - at + 1);
      CHECK(report::columns_of(plain) == static_cast<std::size_t>(columns - 1));
    }
    if (columns > 1) CHECK(p.text().back() == '\n');  // unfinished, as after an exception: the next line starts fresh
  }
}

TEST_CASE("where there is no room for both, the words stay and the bar goes", "[report]") {
  paper p;
  double now = 0;
  report::progress bar(
      2000, {.label = "t1t2t3 seed 1", .out = p.file, .terminal = true, .columns = 80, .clock = [&] { return now; }});
  now = 1;
  bar.update(200, "loss 0.31");
  CHECK(p.text() == "\rt1t2t3 seed 1   10 %  200/2,000 samples  200.0/s  left 9.00 s  loss 0.31");
}

TEST_CASE("NO_COLOR and quiet are honoured", "[report]") {
  double now = 0;
  report::progress_options options{.terminal = true, .columns = 100, .clock = [&] { return now; }};
  auto const run = [&] {
    paper p;
    options.out = p.file;
    {
      report::progress bar(10, options);
      now += 1;
      bar.update(5);
      bar.line("text");
      bar.finish();
    }
    return p.text();
  };
  unsetenv("NO_COLOR");
  CHECK(run().find('\x1b') != std::string::npos);
  setenv("NO_COLOR", "1", 1);
  std::string const plain = run();
  CHECK(plain.find('\x1b') == std::string::npos);
  CHECK(plain.find("[##########----------]") != std::string::npos);
  unsetenv("NO_COLOR");
  options.quiet = true;
  CHECK(run().empty());
}

TEST_CASE("the rate is the recent one, and a resumed run does not count what was done before", "[report]") {
  paper p;
  double now = 0;
  report::progress bar(10'000, {.out = p.file, .every = 100, .clock = [&] { return now; }}, 5000);
  for (int i = 1; i <= 100; ++i) {
    now += 1;
    bar.update(5000 + (i <= 50 ? 1 : 10) * i);  // slow at first
  }
  CHECK(p.text().find("  10.00/s  ") != std::string::npos);
  CHECK(p.text().find("left 6:40 min") != std::string::npos);
}

TEST_CASE("a terminal shows at once what must not wait, a file does not", "[report]") {
  for (bool const terminal : {true, false}) {
    paper p;
    report::progress bar(2000,
                         {.out = p.file, .every = 5, .terminal = terminal, .columns = 120, .clock = [] { return 1.0; }});
    bar.update(100, "soon");
    CHECK(p.text().find("soon") == std::string::npos);
    bar.update(100, "evaluating", true);
    CHECK((p.text().find("evaluating") != std::string::npos) == terminal);
  }
}

TEST_CASE("seconds between lines that cannot be are refused", "[report]") {
  for (double const every : {-1.0, std::nan("")})
    CHECK_THROWS_WITH(report::progress(1, {.every = every}),
                      Catch::Contains("cannot use progress_options, because its every is "));
}
