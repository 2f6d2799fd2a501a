// IDX files: what is read, and that nothing damaged is.
#include <catch2/catch.hpp>

#include <foal/data/idx.hpp>

#include "idx_support.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal_test;

namespace {

// A damaged file may still be a valid one; then sizes must be what its header says.
void load(std::string const& directory) {
  foal::data::dataset const d = foal::data::idx(directory);
  REQUIRE(d.train.size() * d.train.sample().size() ==
          static_cast<long long>(std::filesystem::file_size(directory + "/train-images-idx3-ubyte")) - 16);
  REQUIRE(d.train.sample() == d.test.sample());
  for (long long i = 0; i < d.train.size(); ++i) REQUIRE(d.train.label(i) < d.train.classes());
}

}  // namespace

TEST_CASE("idx reads images and labels") {
  temporary_directory const dir;
  write_idx(dir);
  foal::data::dataset const d = foal::data::idx(dir.path());
  CHECK(d.train.size() == 5);
  CHECK(d.test.size() == 3);
  CHECK(d.train.sample() == foal::image(1, 3, 2));
  CHECK(d.train.classes() == 3);
  CHECK(d.test.classes() == 3);
  CHECK(d.train.label(4) == 1);
  for (int i = 0; i < 6; ++i) CHECK(d.train.pixels(4)[static_cast<std::size_t>(i)] == 200 + 7 * i);
  CHECK(d.test.scale().mean == d.train.scale().mean);
}

TEST_CASE("idx accepts the names with a dot") {
  temporary_directory const dir;
  write_idx(dir);
  for (std::string const name : idx_names) {
    std::string dotted = name;
    dotted[name.rfind("-idx")] = '.';
    std::filesystem::rename(dir / name, dir / dotted);
  }
  CHECK(foal::data::idx(dir.path()).train.size() == 5);
}

TEST_CASE("idx says what is wrong") {
  temporary_directory const dir;
  write_idx(dir);
  auto const says = [&] { return complaint([&] { foal::data::idx(dir.path()); }); };
  std::string const images = dir / idx_names[0];

  SECTION("a missing file") {
    std::filesystem::remove(images);
    CHECK_THAT(says(), Catch::Contains("cannot load " + images) && Catch::Contains("no such file"));
  }
  SECTION("a compressed file") {
    std::filesystem::rename(images, images + ".gz");
    CHECK_THAT(says(), Catch::Contains("gunzip") && Catch::Contains("idx(directory, gzip{})"));
  }
  SECTION("a directory in place of a file") {
    std::filesystem::remove(images);
    std::filesystem::create_directory(images);
    CHECK_THAT(says(), Catch::Contains(images) && Catch::Contains("not a regular file"));
  }
  SECTION("a foreign file") {
    std::filesystem::copy_file(dir / idx_names[1], images, std::filesystem::copy_options::overwrite_existing);
    CHECK_THAT(says(),
               Catch::Contains(images) && Catch::Contains("magic number is 0x00000801") && Catch::Contains("0x00000803"));
  }
  SECTION("an oversized file") {
    bytes file = idx_images(5);
    file.push_back(0);
    write(images, file);
    CHECK_THAT(says(), Catch::Contains("size is 47 bytes where 16 + 5 x 3 x 2 are expected"));
  }
  SECTION("a truncated file") {
    bytes file = idx_images(5);
    file.pop_back();
    write(images, file);
    CHECK_THAT(says(), Catch::Contains("size is 45 bytes where 16 + 5 x 3 x 2 are expected"));
  }
  SECTION("no samples") {
    write(images, idx_images(0));
    CHECK_THAT(says(), Catch::Contains("number of samples is 0"));
  }
  SECTION("images and labels that do not belong together") {
    write(images, idx_images(4));
    CHECK_THAT(says(), Catch::Contains("holds 4 images") && Catch::Contains("holds 5 labels"));
  }
  SECTION("splits that do not belong together") {
    bytes file = idx_images(3);
    std::swap(file[11], file[15]);  // 2 x 3 pixels
    write(dir / idx_names[2], file);
    CHECK_THAT(says(), Catch::Contains("2 x 3") && Catch::Contains("3 x 2"));
  }
  SECTION("extents whose product does not fit") {
    bytes file;
    for (std::uint32_t const word : {0x803U, 0xFFFFFFFFU, 0xFFFFFFFFU, 0xFFFFFFFFU}) append(file, word);
    write(images, file);
    CHECK_THAT(says(), Catch::Contains("size is 16 bytes where 16 + 4294967295 x 4294967295 x 4294967295 are expected"));
  }
  SECTION("a header that claims terabytes") {  // an attempt to allocate them would end the test
    bytes file;
    for (std::uint32_t const word : {0x803U, 0xFFFFFFFFU, 1000U, 1000U}) append(file, word);
    write(images, file);
    CHECK_THAT(says(), Catch::Contains("size is 16 bytes"));
  }
}

TEST_CASE("idx refuses every truncation") {
  temporary_directory const dir;
  write_idx(dir);
  for (char const* name : idx_names) refuses_truncations(dir / name, [&] { load(dir.path()); });
}

TEST_CASE("idx survives mutations") {
  temporary_directory const dir;
  write_idx(dir);
  for (char const* name : idx_names) {
    constexpr int times = foal_test::repeats(2500, 500);
    int const refused = survives_mutations(dir / name, times, [&] { load(dir.path()); });
    CHECK(refused > times / 5);
    CHECK(refused < times);
  }
}

TEST_CASE("idx loads a part, with the sizes and classes of the whole") {
  using foal::data::part;
  temporary_directory const dir;
  write_idx(dir);
  foal::data::dataset const whole = foal::data::idx(dir.path());
  float x[6], wanted[6];
  std::int32_t label = 0;
  for (part const which : {part::none, part::inputs, part::targets, part::both}) {
    foal::data::dataset const d = foal::data::idx(dir.path(), which);
    CHECK(d.train.loaded() == which);
    CHECK(d.train.size() == 5);
    CHECK(d.test.size() == 3);
    CHECK(d.test.sample() == whole.test.sample());
    CHECK(d.train.classes() == 3);
    auto const give_inputs = [&] { d.test.write_sample(2, x); };
    auto const give_target = [&] { d.train.write_target(4, &label); };
    if (has_inputs(which)) {
      give_inputs();
      whole.test.write_sample(2, wanted);
      CHECK(std::equal(x, x + 6, wanted));
    } else {
      CHECK_THAT(complaint(give_inputs), Catch::Contains("cannot give the inputs of sample 2") &&
                                             Catch::Contains("load them where trainer::wants_inputs()"));
      CHECK_THAT(complaint([&] { static_cast<void>(d.train.pixels(1)); }), Catch::Contains("inputs of sample 1"));
    }
    if (has_targets(which)) {
      give_target();
      CHECK(label == whole.train.label(4));
    } else {
      CHECK_THAT(complaint(give_target), Catch::Contains("cannot give the targets of sample 4"));
    }
  }
}
