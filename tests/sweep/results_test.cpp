// A sweep's results on disk: what was written is read, and what is damaged is passed over with a word.
#include "examples/sweep/results.cpp"

#include <clocale>

#include "tests/support/files.hpp"

namespace {

using foal_test::complaint;
using foal_test::temporary_directory;
using sweep::result;

/// The line of a run, as a sweep writes it.
std::string line_of(std::uint64_t seed, long long diverged_at = -1) {
  sweep::setting s;
  s.net = "mlp";
  s.data = "teacher";
  s.method = "t1";
  s.seed = seed;
  for (std::size_t v = 0; v < sweep::value_count; ++v) s.number[v] = sweep::values[v].usual;
  sweep::outcome const o{.accuracy = {0.5, 0.75},
                         .train_loss = {1.5},
                         .diverged_at = diverged_at,
                         .divergence = diverged_at < 0 ? "" : "a \"sentence\"",
                         .max_tau = 3.75,
                         .seconds = 1234.5};
  return sweep::line_of(s, o, {"mlp", "a net", 2, nullptr});
}

struct reading {
  std::map<std::string, result> all;
  std::vector<std::string> words;
};

reading read(std::string const& path, std::string const& content) {
  foal_test::write(path, {content.begin(), content.end()});
  reading r;
  r.all = sweep::read_results(path, r.words);
  return r;
}

/// One whole line, then this one: what is said of it.
std::string word_of(std::string const& line) {
  temporary_directory const folder;
  reading const r = read(folder / "r.jsonl", line_of(1) + "\n" + line + "\n" + line_of(2) + "\n");
  CHECK(r.all.size() == 2);
  REQUIRE(r.words.size() == 1);
  CHECK(r.words[0].find("line 2 of " + (folder / "r.jsonl")) != std::string::npos);
  return r.words[0];
}

}  // namespace

TEST_CASE("results are read as they were written", "[sweep]") {
  temporary_directory const folder;
  std::string const path = folder / "r.jsonl";
  reading const r = read(path, line_of(1) + "\n" + line_of(2, 40) + "\r\n\n");
  CHECK(r.words.empty());
  REQUIRE(r.all.size() == 2);
  result const& first = r.all.begin()->second;
  CHECK(first.run.find("seed=1") != std::string::npos);
  CHECK(first.build == sweep::build());
  CHECK(first.accuracy == std::vector<double>{0.5, 0.75});
  CHECK(first.diverged_at == -1);
  CHECK(first.max_tau == 3.75);
  CHECK(first.seconds == 1234.5);
  CHECK(r.all.rbegin()->second.diverged_at == 40);
  CHECK(read(path, "\xEF\xBB\xBF" + line_of(1)).all.size() == 1);
  CHECK(read(path, "").all.empty());
}

TEST_CASE("no results file is no results, one that cannot be read is a fault", "[sweep]") {
  temporary_directory const folder;
  std::vector<std::string> words;
  CHECK(sweep::read_results(folder / "none", words).empty());
  CHECK_THAT(complaint([&] { sweep::read_results(folder.path(), words); }), Catch::Contains("it is a folder"));
  std::filesystem::create_symlink("nowhere", folder / "link");
  CHECK_THAT(complaint([&] { sweep::read_results(folder / "link", words); }),
             Catch::Contains("a link to what is not there"));
}

TEST_CASE("one garbled row does not refuse the others", "[sweep]") {
  std::string const whole = line_of(3), other = line_of(4);
  for (std::size_t n = 1; n < whole.size(); n += 7) CHECK_FALSE(word_of(whole.substr(0, n)).empty());
  CHECK_FALSE(word_of(whole.substr(0, 100) + other).empty());  // two writers without whole rows
  CHECK_FALSE(word_of(whole + other).empty());
  CHECK_FALSE(word_of(std::string(50, '\0')).empty());  // what a power cut leaves
  CHECK_FALSE(word_of("{\"test_accuracy\":[]}").empty());
  CHECK_FALSE(word_of("{\"run\":\"a\"}").empty());
  CHECK_FALSE(word_of(std::string(1000000, '[')).empty());
  CHECK_FALSE(word_of("{\"run\":" + std::string(1000000, '[')).empty());
}

TEST_CASE("an update that is no number of an update is refused", "[sweep]") {
  for (char const* at : {"1e40", "-2", "0.5", "1e999", "\"4\"", "[]", "-1e40", "true"})
    CHECK_FALSE(word_of(std::string(R"({"run":"a","test_accuracy":[],"diverged_at":)") + at + "}").empty());
  CHECK_THAT(word_of(R"({"run":"a","test_accuracy":[],"diverged_at":1e40})"),
             Catch::Contains("its diverged_at is 1e+40 where the number of an update is expected"));
}

TEST_CASE("half a row alone is no other program's file, a file of another is", "[sweep]") {
  temporary_directory const folder;
  std::string const path = folder / "r.jsonl";
  for (std::size_t n : {1U, 5U, 8U, 40U}) {
    reading const r = read(path, line_of(1).substr(0, n));
    CHECK(r.all.empty());
    CHECK(r.words.size() == 1);
  }
  CHECK_THAT(
      complaint([&] { read(path, "a,b\n1,2\n"); }),
      Catch::Contains("line 1 of " + path + " is no result of a sweep, nor is any other; name another --results file"));
  CHECK_THAT(complaint([&] { read(path, line_of(1).substr(0, 40) + "\nkey: value\n"); }), Catch::Contains("line 2 of"));
}

TEST_CASE("numbers are read alike in every locale", "[sweep]") {
  temporary_directory const folder;
  for (char const* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"}) static_cast<void>(std::setlocale(LC_NUMERIC, name));
  reading const r = read(folder / "r.jsonl", line_of(1) + "\n");
  std::setlocale(LC_NUMERIC, "C");
  REQUIRE(r.all.size() == 1);
  CHECK(r.all.begin()->second.accuracy == std::vector<double>{0.5, 0.75});
}
