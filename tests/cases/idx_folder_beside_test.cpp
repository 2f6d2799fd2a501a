// An IDX data set beside a folder of one of its names, or with a file that is there and cannot be read.
#include <catch2/catch.hpp>

#include <foal/data/idx.hpp>

#include "tests/data/idx_support.hpp"

using namespace foal_test;

TEST_CASE("a folder of one spelling does not hide a file of another") {
  namespace fs = std::filesystem;
  temporary_directory const dir;
  write_idx(dir);
  std::string const images = dir / idx_names[0], dotted = dir / "train-images.idx3-ubyte";
  fs::rename(images, dotted);
  fs::create_directory(images);
  CHECK(foal::data::idx(dir.path()).train.size() == 5);
  fs::remove(dotted);
  auto const says = [&] { return complaint([&] { foal::data::idx(dir.path()); }); };
  CHECK_THAT(says(), Catch::Contains(images + ", because it is a folder"));
  write(images + ".gz", {1});
  CHECK_THAT(says(), Catch::Contains("which is compressed"));
}

TEST_CASE("idx passes over no file that is there and cannot be read") {
  namespace fs = std::filesystem;
  temporary_directory const dir;
  write_idx(dir);
  fs::permissions(dir.path(), fs::perms::all);
  std::string const images = dir / idx_names[0];
  fs::copy_file(images, dir / "train-images.idx3-ubyte");  // it is not what the user thinks is read
  fs::permissions(images, fs::perms::none);
  auto const load = [&] { foal::data::idx(dir.path()); };
  CHECK_THAT(complaint_of_a_stranger(load), Catch::Contains(images + ", because the system says: Permission denied"));
  fs::remove(images);
  fs::create_symlink(images, images);
  CHECK_THAT(complaint(load), Catch::Contains(images + ", because the system says: Too many levels of symbolic links"));
  fs::remove(images);
  fs::create_symlink("nowhere", images);
  CHECK_THAT(complaint(load), Catch::Contains(images + ", because it is a link to what is not there"));
  CHECK_THAT(complaint([&] { foal::data::idx(dir / "none"); }), Catch::Contains("no such folder is there"));
}
