// One writer at a time, and the next one when it has gone, whichever way.
#include <foal/checkpoint/directory_lock.hpp>

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>

#include "tests/support/files.hpp"

using Catch::Contains;
using foal::checkpoint::directory_lock;

TEST_CASE("a directory has one writer, and another one when that has gone") {
  foal_test::temporary_directory const folder;
  std::string const path = folder / "run";
  {
    directory_lock const mine(path);
    CHECK_THROWS_WITH(directory_lock(path), Contains(path) && Contains("another process that lives writes there"));
  }
  CHECK_NOTHROW(directory_lock(path));
}

TEST_CASE("what a killed writer held is free") {
  foal_test::temporary_directory const folder;
  int ready[2] = {};
  REQUIRE(::pipe(ready) == 0);
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    directory_lock const mine(folder.path());
    static_cast<void>(::write(ready[1], "x", 1));
    for (;;) ::pause();
  }
  char said = 0;
  REQUIRE(::read(ready[0], &said, 1) == 1);
  CHECK_THROWS_WITH(directory_lock(folder.path()), Contains("another process"));
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK_NOTHROW(directory_lock(folder.path()));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("a directory that cannot be made is refused by its name") {
  CHECK_THROWS_WITH(directory_lock("/proc/nowhere"), Contains("/proc/nowhere"));
}
