// JSON lines: whole lines at any moment, behind those of an earlier run, and never joined to half a one.
#include <foal/report/json_lines.hpp>

#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include <string>

#include "tests/support/files.hpp"
#include "tests/support/sanitized.hpp"

using foal::report::json_lines;
using foal_test::complaint;
using foal_test::temporary_directory;
using foal_test::text_of;

TEST_CASE("lines are on disk as soon as they are written", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  json_lines log(path);
  log.write([](foal::report::json_writer& json) { json.begin_object().member("a", 1).end_object(); });
  CHECK(text_of(path) == "{\"a\":1}\n");
  log.write_line("{\"a\":2}");
  CHECK(text_of(path) == "{\"a\":1}\n{\"a\":2}\n");
}

TEST_CASE("a log goes on behind the lines of an earlier run, or starts anew", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  json_lines(path, true).write_line("[1]");
  json_lines(path, true).write_line("[2]");
  CHECK(text_of(path) == "[1]\n[2]\n");
  json_lines(path).write_line("[3]");
  CHECK(text_of(path) == "[3]\n");
}

TEST_CASE("half a line that a killed run left is ended first", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  foal_test::write(path, {'[', '1', ']', '\n', '[', '2'});
  json_lines(path, true).write_line("[3]");
  CHECK(text_of(path) == "[1]\n[2\n[3]\n");
}

TEST_CASE("rows of several processes do not mix, whatever their length", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  constexpr int writers = 3, rows = foal_test::repeats(2000, 150);  // rows longer than a buffer of stdio
  int start[2];
  REQUIRE(pipe(start) == 0);
  pid_t children[writers];
  for (int w = 0; w < writers; ++w) {
    children[w] = fork();
    REQUIRE(children[w] >= 0);
    if (children[w] != 0) continue;
    try {
      json_lines log(path, true);
      close(start[1]);
      char never = 0;
      if (::read(start[0], &never, 1) != 0) _exit(1);  // until all are there
      for (int r = 0; r < rows; ++r)
        log.write_line("[" + std::string(static_cast<std::size_t>(4097 + 97 * r % 2000), static_cast<char>('a' + w)) + "]");
      _exit(0);
    } catch (...) {
      _exit(1);
    }
  }
  close(start[0]);
  close(start[1]);
  for (pid_t const child : children) {
    int status = 1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
  int whole = 0, torn = 0;
  std::string const text = text_of(path);
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const end = text.find('\n', at);
    if (end == std::string::npos) FAIL("half a row at the end");
    std::string const line = text.substr(at, end - at);
    at = end + 1;
    if (line.empty()) continue;
    bool const good = line.size() > 2 && line.front() == '[' && line.back() == ']' &&
                      line.find_first_not_of(line[1], 1) == line.size() - 1;
    ++(good ? whole : torn);
  }
  CHECK(whole == writers * rows);
  CHECK(torn == 0);
}

TEST_CASE("a row is one write, and half a row of another process is ended before it", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  json_lines log(path, true);
  log.write_line("[1]");
  std::ofstream(path, std::ios::app) << "[2";  // killed in the middle of a row, while the log is open
  log.write_line("[3]");
  CHECK(text_of(path) == "[1]\n[2\n[3]\n");
}

TEST_CASE("a disk that is full is noticed, and what came before stays whole", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "log.jsonl";
  pid_t const child = fork();  // the limit is the process's
  REQUIRE(child >= 0);
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    json_lines log(path);
    log.write_line("[1]");
    rlimit const small{10, RLIM_INFINITY}, large{RLIM_INFINITY, RLIM_INFINITY};
    if (setrlimit(RLIMIT_FSIZE, &small) != 0) _exit(1);
    int said = 0;
    for (int i = 0; i < 2; ++i) try {
        log.write_line("[2, 2, 2, 2]");
      } catch (foal::error const& e) {
        said += std::string(e.what()).find("File too large; make room") != std::string::npos ? 1 : 0;
      }
    if (setrlimit(RLIMIT_FSIZE, &large) != 0) _exit(1);
    log.write_line("[3]");
    _exit(said == 2 ? 0 : 2);
  }
  int status = 1;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(text_of(path) == "[1]\n[2, 2,\n[3]\n");
}

TEST_CASE("a pipe that nobody reads does not hang a log", "[report]") {
  temporary_directory const folder;
  std::string const path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(complaint([&] { json_lines log(path); }).find("cannot write " + path) == 0);
}

TEST_CASE("a log that cannot be written says so", "[report]") {
  CHECK(complaint([&] { json_lines log(""); }).find("because its name is empty") != std::string::npos);
  CHECK(complaint([&] { json_lines log("/"); }).find("Is a directory") != std::string::npos);

  temporary_directory const folder;
  CHECK(complaint([&] { json_lines(folder / "no/log"); }).find("cannot write") == 0);
  CHECK(complaint([&] { json_lines("/dev/full").write_line("[1]"); }).find("No space left") != std::string::npos);
  json_lines("/dev/null", true).write_line("[1]");
}
