// CIFAR-10 binary files: what is read, and that nothing damaged is.
#include <catch2/catch.hpp>

#include <foal/data/cifar10.hpp>

#include "tests/support/files.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal_test;

namespace {

/// Record r: label (first + r) mod 10; channel c, pixel i is (r + 60 c + i) mod 256.
bytes records(int count, int first) {
  bytes file;
  for (int r = 0; r < count; ++r) {
    file.push_back(static_cast<std::uint8_t>((first + r) % 10));
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < 1024; ++i) file.push_back(static_cast<std::uint8_t>(r + 60 * c + i));
  }
  return file;
}

void load(std::string const& directory) {
  foal::data::dataset const d = foal::data::cifar10(directory);
  for (long long i = 0; i < d.train.size(); ++i) REQUIRE(d.train.label(i) < 10);
}

}  // namespace

TEST_CASE("cifar10 reads all batches, channels last") {
  temporary_directory const dir;
  write(dir / "data_batch_1.bin", records(2, 3));
  write(dir / "data_batch_2.bin", records(1, 9));
  write(dir / "test_batch.bin", records(2, 5));
  foal::data::dataset const d = foal::data::cifar10(dir.path());
  CHECK(d.train.size() == 3);
  CHECK(d.test.size() == 2);
  CHECK(d.train.sample() == foal::image(3, 32, 32));
  CHECK(d.train.classes() == 10);
  CHECK(d.train.label(0) == 3);
  CHECK(d.train.label(2) == 9);
  CHECK(d.test.label(1) == 6);
  for (int i : {0, 1, 31, 32, 1023})
    for (int c = 0; c < 3; ++c)
      CHECK(d.train.pixels(1)[static_cast<std::size_t>(3 * i + c)] == static_cast<std::uint8_t>(1 + 60 * c + i));
}

TEST_CASE("cifar10 says what is wrong") {
  temporary_directory const dir;
  auto const says = [&] { return complaint([&] { load(dir.path()); }); };
  CHECK_THAT(says(), Catch::Contains("data_batch_1.bin") && Catch::Contains("no such file"));
  bytes file = records(2, 0);
  write(dir / "data_batch_1.bin", file);
  CHECK_THAT(says(), Catch::Contains("test_batch.bin"));
  write(dir / "test_batch.bin", file);
  CHECK(says().empty());
  file[3073] = 10;
  write(dir / "data_batch_1.bin", file);
  CHECK_THAT(says(), Catch::Contains("data_batch_1.bin") && Catch::Contains("label of record 1 is 10"));
  write(dir / "data_batch_1.bin", bytes(6147));
  CHECK_THAT(says(), Catch::Contains("6147 bytes where a multiple of 3073"));
  write(dir / "data_batch_1.bin", {});
  CHECK_THAT(says(), Catch::Contains("0 bytes where a multiple of 3073"));
}

TEST_CASE("cifar10 refuses truncations and survives mutations") {
  temporary_directory const dir;
  write(dir / "data_batch_1.bin", records(1, 0));
  write(dir / "test_batch.bin", records(1, 1));
  refuses_truncations(dir / "data_batch_1.bin", [&] { load(dir.path()); });
  refuses_truncations(dir / "test_batch.bin", [&] { load(dir.path()); });
  constexpr int times = foal_test::repeats(10000, 1000);
  int const refused = survives_mutations(dir / "data_batch_1.bin", times, [&] { load(dir.path()); });
  CHECK(refused > times / 10);
  CHECK(refused < times);
}

TEST_CASE("cifar10 finds a directory whatever the bytes of its name") {
  temporary_directory const dir;
  std::string const odd = dir / "l\xE4uft\x1b";
  std::filesystem::create_directory(odd);
  write(odd + "/data_batch_1.bin", records(2, 3));
  write(odd + "/test_batch.bin", records(2, 5));
  CHECK(foal::data::cifar10(odd).train.size() == 2);
}

TEST_CASE("cifar10 keeps a part, with the sizes of the whole") {
  using foal::data::part;
  temporary_directory const dir;
  write(dir / "data_batch_1.bin", records(2, 3));
  write(dir / "data_batch_2.bin", records(1, 9));
  write(dir / "test_batch.bin", records(2, 5));
  for (part const which : {part::none, part::inputs, part::targets, part::both}) {
    foal::data::dataset const d = foal::data::cifar10(dir.path(), which);
    CHECK(d.train.loaded() == which);
    CHECK(d.train.size() == 3);
    CHECK(d.test.size() == 2);
    auto const pixel = [&] { return int{d.train.pixels(2)[5]}; };
    auto const label = [&] { return d.train.label(2); };
    if (has_inputs(which))
      CHECK(pixel() == 121);
    else
      CHECK_THAT(complaint([&] { static_cast<void>(pixel()); }), Catch::Contains("inputs of sample 2"));
    if (has_targets(which))
      CHECK(label() == 9);
    else
      CHECK_THAT(complaint([&] { static_cast<void>(label()); }), Catch::Contains("targets of sample 2"));
  }
}
