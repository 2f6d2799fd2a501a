// JSON lines: whole lines at any moment, behind those of an earlier run, and never joined to half a one.
#include <foal/report/json_lines.hpp>

#include <string>

#include "tests/support/files.hpp"

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

TEST_CASE("a log that cannot be written says so", "[report]") {
  temporary_directory const folder;
  CHECK(complaint([&] { json_lines(folder / "no/log"); }).find("cannot write") == 0);
  CHECK(complaint([&] { json_lines("/dev/full").write_line("[1]"); }).find("No space left") != std::string::npos);
  json_lines("/dev/null", true).write_line("[1]");
}
