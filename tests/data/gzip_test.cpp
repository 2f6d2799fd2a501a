// gzip-compressed IDX files: read like plain ones, refused when damaged.
#include <catch2/catch.hpp>

#include <foal/data/gzip.hpp>
#include <foal/data/idx.hpp>

#include "idx_support.hpp"

using namespace foal_test;

namespace {

void pack(std::string const& path, bytes const& content) {
  gzFile const to = gzopen((path + ".gz").c_str(), "wb9");
  REQUIRE(gzwrite(to, content.data(), static_cast<unsigned>(content.size())) == static_cast<int>(content.size()));
  REQUIRE(gzclose(to) == Z_OK);
}

void write_packed(temporary_directory const& dir) {
  write_idx(dir);
  for (char const* name : idx_names) {
    pack(dir / name, read(dir / name));
    std::filesystem::remove(dir / name);
  }
}

}  // namespace

TEST_CASE("gzip reads what raw reads") {
  temporary_directory const plain, packed;
  write_idx(plain);
  write_packed(packed);
  foal::data::dataset const a = foal::data::idx(plain.path()), b = foal::data::idx(packed.path(), foal::data::gzip{});
  REQUIRE(a.train.size() == b.train.size());
  for (long long i = 0; i < a.train.size(); ++i) {
    CHECK(a.train.label(i) == b.train.label(i));
    CHECK(std::equal(a.train.pixels(i).begin(), a.train.pixels(i).end(), b.train.pixels(i).begin()));
  }
  CHECK(foal::data::idx(plain.path(), foal::data::gzip{}).test.size() == 3);  // plain files need no unpacking
}

TEST_CASE("gzip reads files larger than one step") {
  temporary_directory const dir;
  bytes large;
  for (std::uint32_t const word : {0x803U, 3000U, 40U, 40U}) append(large, word);
  for (std::size_t i = 0; i < 3000 * 1600; ++i) large.push_back(static_cast<std::uint8_t>(i * i % 251));
  write_packed(dir);
  pack(dir / idx_names[0], large);
  pack(dir / idx_names[1], idx_labels(3000));
  bytes small(large.begin(), large.begin() + 16 + 3 * 1600);
  small[6] = 0;
  small[7] = 3;
  pack(dir / idx_names[2], small);
  foal::data::dataset const d = foal::data::idx(dir.path(), foal::data::gzip{});
  REQUIRE(d.train.size() == 3000);
  CHECK(std::equal(large.begin() + 16 + 2999 * 1600, large.end(), d.train.pixels(2999).begin()));
}

TEST_CASE("gzip says what is wrong") {
  temporary_directory const dir;
  write_packed(dir);
  auto const says = [&] { return complaint([&] { foal::data::idx(dir.path(), foal::data::gzip{}); }); };
  std::string const images = dir / idx_names[0];

  SECTION("a plain file with the suffix") {
    write(images + ".gz", idx_images(5));
    CHECK_THAT(says(), Catch::Contains(images + ".gz") && Catch::Contains("0 and 0 (") && Catch::Contains("31 and 139"));
  }
  SECTION("more content than the header says") {
    bytes file = idx_images(5);
    file.push_back(1);
    pack(images, file);
    CHECK_THAT(says(), Catch::Contains("more than 46 bytes where 16 + 5 x 3 x 2 are expected"));
  }
  SECTION("less content than the header says") {
    bytes file = idx_images(5);
    file.pop_back();
    pack(images, file);
    CHECK_THAT(says(), Catch::Contains("size is 45 bytes where 16 + 5 x 3 x 2 are expected"));
  }
  SECTION("a header that claims terabytes") {  // an attempt to allocate them would end the test
    bytes file;
    for (std::uint32_t const word : {0x803U, 0xFFFFFFFFU, 1000U, 1000U}) append(file, word);
    pack(images, file);
    CHECK_THAT(says(), Catch::Contains("at most"));
  }
  SECTION("a checksum that does not fit") {
    bytes file = read(images + ".gz");
    file[file.size() - 6] = static_cast<std::uint8_t>(file[file.size() - 6] + 1);
    write(images + ".gz", file);
    CHECK_THAT(says(), Catch::Contains("cannot unpack " + images + ".gz") && Catch::Contains("zlib says"));
  }
}

TEST_CASE("gzip refuses every truncation and survives mutations") {
  temporary_directory const dir;
  write_packed(dir);
  auto const load = [&] {
    foal::data::dataset const d = foal::data::idx(dir.path(), foal::data::gzip{});
    REQUIRE(d.train.size() == 5);  // the checksum protects the content
    REQUIRE(d.train.pixels(4)[5] == 235);
  };
  refuses_truncations(dir / std::string(idx_names[0]) + ".gz", load);
  refuses_truncations(dir / std::string(idx_names[1]) + ".gz", load);
  CHECK(survives_mutations(dir / std::string(idx_names[0]) + ".gz", 5000, load) > 2500);
  CHECK(survives_mutations(dir / std::string(idx_names[1]) + ".gz", 5000, load) > 2500);
}
