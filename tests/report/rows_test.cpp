#include <foal/report/rows.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

#include <foal/report/metrics.hpp>

namespace report = foal::report;
namespace fs = std::filesystem;

namespace {

struct folder {
  fs::path path = fs::temp_directory_path() / ("foal_rows_test_" + std::to_string(getpid()));
  folder() { fs::create_directories(path); }
  ~folder() { fs::remove_all(path); }
  std::string file(char const* name) const { return (path / name).string(); }
};

std::string content(std::string const& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

std::string message(auto f) {
  try {
    f();
  } catch (foal::error const& e) {
    return e.what();
  }
  return "";
}

}  // namespace

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

TEST_CASE("a file is replaced in one step", "[report]") {
  folder const f;
  std::string const path = f.file("out.json");
  report::write_file(path, "old");
  report::rows rows;
  rows.add({{"a", 1}});
  rows.write(path);
  CHECK(nlohmann::json::parse(content(path))[0]["a"] == 1);
  CHECK(std::distance(fs::directory_iterator(f.path), fs::directory_iterator()) == 1);

  fs::create_symlink(path, f.file("link"));
  report::write_file(f.file("link"), "through");
  CHECK(fs::is_symlink(f.file("link")));
  CHECK(content(path) == "through");

  report::write_file("/dev/null", "nothing");
  CHECK_FALSE(fs::is_regular_file("/dev/null"));
}

TEST_CASE("what cannot be written is said in a sentence", "[report]") {
  folder const f;
  std::string const missing = f.file("no/such.json");
  std::string const text = message([&] { report::write_file(missing, "x"); });
  CHECK(text.find("cannot write '" + missing + "', because No such file or directory; ") == 0);
  CHECK(message([&] { report::write_file(f.path.string(), "x"); }).find("because Is a directory") != std::string::npos);
  CHECK(message([&] { report::write_file("/dev/full", std::string(100000, 'x')); }).find("No space left") !=
        std::string::npos);
  CHECK(message([&] { report::metrics log(missing); }).find("cannot write '" + missing) == 0);
  CHECK(message([&] { report::metrics("/dev/full").write({{"a", 1}}); }).find("cannot write a line of metrics") == 0);
  report::write_file(f.file("plain"), "x");
  CHECK(message([&] { report::make_directory(f.file("plain")); }).find("cannot make the directory") == 0);
  report::make_directory(f.file("a/b/c"));
  CHECK(fs::is_directory(f.file("a/b/c")));
  report::make_directory(f.file("a/b/c"));
}

TEST_CASE("metrics are complete lines at any moment", "[report]") {
  folder const f;
  std::string const path = f.file("metrics.jsonl");
  {
    report::metrics log(path);
    for (int i = 0; i < 3; ++i) {
      log.write({{"update", i}, {"loss", 1.0 / (i + 1)}, {"text", "two\nlines"}});
      std::string const so_far = content(path);
      CHECK(std::count(so_far.begin(), so_far.end(), '\n') == i + 1);
      CHECK(so_far.back() == '\n');
    }
  }
  report::metrics(path, true).write({{"update", 3}});
  std::istringstream lines(content(path));
  std::string line;
  int n = 0;
  while (std::getline(lines, line)) CHECK(nlohmann::json::parse(line)["update"] == n++);
  CHECK(n == 4);
  report::metrics(path).write({{"update", 0}});
  CHECK(content(path) == "{\"update\":0}\n");
}
