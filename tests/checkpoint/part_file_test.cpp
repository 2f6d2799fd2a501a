// A part of a checkpoint: what is put into one is read from it, and what is not there, or of another type, is said with the
// file's name.
#include <foal/checkpoint/part_file.hpp>

#include <catch2/catch.hpp>

#include "tests/support/files.hpp"

using namespace foal;
using Catch::Contains;
using checkpoint::part_content;
using checkpoint::part_view;
using foal_test::complaint;
using foal_test::temporary_directory;

TEST_CASE("what a part is given it has, in memory and in its file") {
  std::vector<std::int64_t> const whole{-1, 0, std::int64_t{1} << 62U, 4, 5, 6};
  std::vector<double> const real{0.5, -0.0};
  float const elsewhere[] = {1, 2, 3};
  part_content c;
  c.add_numbers("old", whole);
  c.clear();
  c.about["a"] = "b";
  c.add("nothing", "F32", {0, 3}, nullptr, 0);
  c.add("elsewhere", "F32", {3}, elsewhere, sizeof elsewhere);
  c.add_numbers("none", std::vector<double>{}, 3);
  {
    std::vector<std::int64_t> const gone = whole;  // numbers are kept
    c.add_numbers("whole", gone, 3);
  }
  c.add_numbers("real", real);
  CHECK(c.bytes() == 12 + 6 * 8 + 2 * 8);
  temporary_directory const folder;
  std::string const path = folder / "part";
  checkpoint::file_mark const mark = c.write(path);
  CHECK(mark.bytes == std::filesystem::file_size(path));
  for (checkpoint::safetensors_content const& of : {c.whole(), checkpoint::read_safetensors_file(path)}) {
    part_view const view(path, of);
    CHECK(view.tensors().size() == 5);
    CHECK(view.text("a") == "b");
    CHECK(view.find("old") == nullptr);
    CHECK(view.tensor("whole").shape == std::vector<std::uint64_t>{2, 3});
    CHECK(view.numbers<std::int64_t>("whole", 3) == whole);
    CHECK(view.numbers<double>("real") == real);
    CHECK(view.numbers<double>("none", 3).empty());
    CHECK(part_view::size(view.tensor("nothing")) == 0);
    CHECK(std::memcmp(view.at(view.tensor("elsewhere")), elsewhere, sizeof elsewhere) == 0);
  }
}

TEST_CASE("lines are names and values, and numbers are read whole or refused") {
  std::vector<std::pair<std::string, std::string>> const pairs{{"a", "1=2"}, {"", ""}, {"b", " x"}};
  checkpoint::safetensors_content c;
  c.about = {{"lines", checkpoint::lines_of(pairs)}, {"open", "a=1\nb"}, {"empty", ""}, {"n", "12"}, {"x", "12x"},
             {"far", "99999999999999999999"},        {"real", "-1.5e3"}};
  std::string const path = "p/run-000";
  part_view const view(path, c);
  CHECK(view.lines("lines") == pairs);
  CHECK(view.lines("empty").empty());
  CHECK(view.number<int>("n") == 12);
  CHECK(view.number<double>("real") == -1500);
  CHECK(complaint([&] { view.lines("open"); }) ==
        "cannot go on from p/run-000, because its 'open' has a line without a value: 'b'; use another checkpoint");
  for (char const* key : {"x", "far", "empty"})
    CHECK_THAT(complaint([&] { view.number<long long>(key); }), Contains(std::string("its '") + key + "' is '"));
  CHECK_THAT(complaint([&] { view.text("gone"); }), Contains("it has no 'gone'"));
}

TEST_CASE("numbers of another type, or not whole rows of them, are refused with both") {
  part_content c;
  c.add_numbers("six", std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
  c.add("bytes", "U8", {3}, "abc", 3);
  checkpoint::safetensors_content const of = c.whole();
  std::string const path = "p/run-000";
  part_view const view(path, of);
  CHECK_THAT(complaint([&] { view.numbers<double>("six"); }), Contains("is of type I64 and shape [6] where F64"));
  CHECK_THAT(complaint([&] { view.numbers<std::int64_t>("six", 4); }), Contains("where I64 and 4 in a row are expected"));
  CHECK_THAT(complaint([&] { view.numbers<std::int64_t>("bytes"); }), Contains("is of type U8"));
  CHECK_THAT(complaint([&] { view.numbers<double>("gone"); }), Contains("it has no tensor 'gone'"));
}
