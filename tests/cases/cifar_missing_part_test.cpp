// CIFAR-10 with a part of its five files missing, or not to be read.
#include <catch2/catch.hpp>

#include <foal/data/cifar10.hpp>

#include "tests/support/files.hpp"

using namespace foal_test;

namespace {

/// Two records of that label.
bytes records(int label) {
  bytes file(2 * 3073, 100);
  file[0] = file[3073] = static_cast<std::uint8_t>(label);
  return file;
}

}  // namespace

TEST_CASE("cifar10 trains on no part of the data set without a word") {
  namespace fs = std::filesystem;
  temporary_directory const dir;
  fs::permissions(dir.path(), fs::perms::all);
  for (int part = 1; part <= 5; ++part) write(dir / foal::sentence("data_batch_", part, ".bin"), records(part));
  write(dir / "test_batch.bin", records(5));
  auto const says = [&] { return complaint([&] { foal::data::cifar10(dir.path()); }); };
  std::string const third = dir / "data_batch_3.bin";
  CHECK(foal::data::cifar10(dir.path()).train.size() == 10);
  CHECK(foal::data::cifar10(dir.path()).name == "cifar10");

  fs::remove(third);
  CHECK_THAT(says(), Catch::Contains(third + ", because no such file is there, and data_batch_5.bin is"));
  fs::create_directory(third);
  CHECK_THAT(says(), Catch::Contains(third + ", because it is a folder"));
  fs::remove(third);
  fs::create_symlink("nowhere", third);
  CHECK_THAT(says(), Catch::Contains(third + ", because it is a link to what is not there"));
  fs::remove(third);
  write(third, records(3));
  fs::permissions(third, fs::perms::none);
  CHECK_THAT(complaint_of_a_stranger([&] { foal::data::cifar10(dir.path()); }),
             Catch::Contains(third + ", because the system says: Permission denied"));
  fs::permissions(third, fs::perms::all);
  fs::permissions(dir.path(), fs::perms::owner_all);
  if (geteuid() == 0)
    CHECK_THAT(complaint_of_a_stranger([&] { foal::data::cifar10(dir.path()); }),
               Catch::Contains("data_batch_1.bin, because the system says: Permission denied"));

  fs::remove(dir / "data_batch_5.bin");
  CHECK(foal::data::cifar10(dir.path()).name == "cifar10, 4 of 5 training files");
  fs::remove(dir / "data_batch_1.bin");
  CHECK_THAT(says(), Catch::Contains("data_batch_1.bin, because no such file is there, and data_batch_4.bin is"));
  CHECK_THAT(complaint([&] { foal::data::cifar10(dir / "none"); }), Catch::Contains("no such folder is there"));
  CHECK_THAT(complaint([&] { foal::data::cifar10(dir / "test_batch.bin"); }), Catch::Contains("it is no folder"));
}
