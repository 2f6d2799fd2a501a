// No file depends on the locale of the program: what is written under one that groups digits is what is written without,
// and is read back.
#include <catch2/catch.hpp>
#include <clocale>
#include <locale>
#include <map>
#include <string>
#include <vector>

#include <foal/checkpoint/safetensors_file.hpp>
#include <foal/data/npy.hpp>
#include <foal/data/text_files.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/metrics.hpp>
#include <foal/report/trace_json.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/draw/text.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/gpipe.hpp>

#include "tests/support/files.hpp"

namespace {

/// As in German: 1.500,25.
struct grouped : std::numpunct<char> {
  char do_thousands_sep() const override { return '.'; }
  char do_decimal_point() const override { return ','; }
  std::string do_grouping() const override { return "\3"; }
};

/// The program's locale, of streams and of C as far as the system has one, until it goes.
class german {
 public:
  german() : before_(std::locale::global(std::locale(std::locale::classic(), new grouped))) {
    for (char const* name : {"de_DE.UTF-8", "de_DE", "fr_FR.UTF-8"})
      if (std::setlocale(LC_NUMERIC, name) != nullptr) break;
  }
  german(german const&) = delete;
  german& operator=(german const&) = delete;
  ~german() {
    std::locale::global(before_);
    std::setlocale(LC_NUMERIC, "C");
  }

 private:
  std::locale before_;
};

foal::text::word_counts words() { return {{"haus", 1500}, {"maus", 1234567}, {"laus", 3}}; }

std::vector<double> numbers() { return {1500.25, -1e-7, 123456789}; }

foal::checkpoint::safetensors_content tensors() {
  foal::checkpoint::safetensors_content c;
  c.about = {{"epoch", "1500"}};
  c.buffer = foal_test::bytes(6000, 7);
  c.tensors = {{.name = "w", .dtype = "F32", .shape = {1500}, .begin = 0, .end = 6000}};
  return c;
}

/// Every kind of file that foal writes, by name.
std::map<std::string, std::string> files() {
  foal_test::temporary_directory const to;
  foal::data::save_subwords(to / "code", foal::text::subwords::learn(words(), 3));
  foal::data::write_npy(to / "a.npy", {1500, 1}, std::vector<float>(1500, 0.5F).data());
  foal::checkpoint::write_safetensors_file(to / "w.safetensors", tensors());
  foal::report::metrics(to / "m.jsonl").write({{"update", 1500}, {"loss", 1234.5}});
  std::map<std::string, std::string> all;
  for (char const* name : {"code.merges", "code.vocabulary", "a.npy", "w.safetensors", "m.jsonl"})
    all[name] = foal_test::text_of(to / name);

  foal::schedule::program p = foal::schedule::generate(foal::schedule::gpipe{}, {2, 2, 4});
  all["schedule.svg"] = foal::schedule::svg(p.view(), 600, "many slots");
  all["schedule.txt"] = foal::schedule::lists(p.view(), 300) + foal::schedule::grid(p.view(), 300);
  all["chart.svg"] = foal::report::line_chart{.title = "a chart", .curves = {{"c", {0, 1500, 123456}, numbers()}}}.svg();
  foal::report::span const spans[] = {{.stage = 1, .kind = "F", .microbatch = 1500, .begin_ns = 0, .end_ns = 123456789}};
  all["trace.json"] = foal::report::trace_json(spans);
  all["sentence"] = foal::sentence(1500, ' ', 1234.5, ' ', 1e20, ' ', 123456789012345LL);
  return all;
}

}  // namespace

TEST_CASE("files are the same bytes in every locale") {
  auto const plain = files();
  std::map<std::string, std::string> grouped_files;
  {
    german const here;
    grouped_files = files();
  }
  for (auto const& [name, content] : plain) {
    INFO(name);
    CHECK(grouped_files[name] == content);
  }
  CHECK(plain.at("code.vocabulary").find("1234567\n") != std::string::npos);
  CHECK(plain.at("schedule.svg").find(">\n<") != std::string::npos);
  CHECK(plain.at("schedule.svg").find("1500") != std::string::npos);
}

TEST_CASE("files are read back in every locale") {
  foal_test::temporary_directory const to;
  german const here;
  foal::text::subwords const code = foal::text::subwords::learn(words(), 3);
  foal::data::save_subwords(to / "code", code);
  foal::text::subwords const again = foal::data::load_subwords(to / "code");
  CHECK(again.vocabulary().saved() == code.vocabulary().saved());
  CHECK(again.merges().merges() == code.merges().merges());
  foal::data::write_npy(to / "a.npy", {1500}, std::vector<double>(1500, 0.25).data());
  CHECK(foal::data::read_npy<double>(to / "a.npy").values == std::vector<double>(1500, 0.25));
  foal::checkpoint::write_safetensors_file(to / "w.safetensors", tensors());
  CHECK(foal::checkpoint::read_safetensors_file(to / "w.safetensors").buffer == tensors().buffer);
  std::string const row = R"({"loss":1234.5})";
  foal::report::json_reader json("a row", row);
  json.object([&](std::string const&) { CHECK(json.real() == 1234.5); });
}
