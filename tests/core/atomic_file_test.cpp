// Files that appear whole or not at all: what was there stays until a commit, whatever goes wrong before it.
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstddef>
#include <string>

#include <foal/core/atomic_file.hpp>

#include "tests/support/files.hpp"

using foal::atomic_file;
using foal::write_file;
using foal_test::complaint;
using foal_test::temporary_directory;
using foal_test::text_of;
namespace fs = std::filesystem;

namespace {

std::ptrdiff_t files_in(temporary_directory const& folder) {
  return std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator());
}

mode_t permissions(std::string const& path) {
  struct stat s {};
  REQUIRE(stat(path.c_str(), &s) == 0);
  return s.st_mode & 07777U;
}

/// Writes beyond this size fail as on a full disk, for as long as this lives.
class small_disk {
 public:
  explicit small_disk(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
  }
  small_disk(small_disk const&) = delete;
  small_disk& operator=(small_disk const&) = delete;
  ~small_disk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int);
};

}  // namespace

TEST_CASE("a file is replaced in one step") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  write_file(path, "old");
  CHECK(text_of(path) == "old");
  {
    atomic_file to(path);
    to.write("new", 3);
    CHECK(text_of(path) == "old");
    CHECK(files_in(folder) == 2);
    to.write("er", 2);
    to.commit();
  }
  CHECK(text_of(path) == "newer");
  CHECK(files_in(folder) == 1);
  write_file(path, "");
  CHECK(text_of(path).empty());
}

TEST_CASE("without a commit what was there stays, and nothing else") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  write_file(path, "old");
  { atomic_file(path).write("half", 4); }
  CHECK(text_of(path) == "old");
  { atomic_file(folder / "other").write("half", 4); }
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a disk that fills up leaves what was there") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  write_file(path, "old");
  std::string text;
  {
    small_disk const full(1000);
    text = complaint([&] { write_file(path, std::string(5000, 'x')); });
  }
  CHECK(text.find("cannot write " + path + ", because the system says: File too large; make room") == 0);
  CHECK(text_of(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("a writer that is killed leaves what was there") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  write_file(path, "old");
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    atomic_file to(path);
    to.write("half", 4);
    std::raise(SIGKILL);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(text_of(path) == "old");
}

TEST_CASE("links are followed and permissions kept") {
  temporary_directory const folder;
  std::string const path = folder / "out", link = folder / "link";
  write_file(path, "old");
  REQUIRE(chmod(path.c_str(), 0640) == 0);
  fs::create_symlink("out", link);
  write_file(link, "through");
  CHECK(fs::is_symlink(link));
  CHECK(text_of(path) == "through");
  CHECK(permissions(path) == 0640);
  CHECK(files_in(folder) == 2);
}

TEST_CASE("pipes and devices are written to as they are") {
  write_file("/dev/null", "nothing");
  CHECK_FALSE(fs::is_regular_file("/dev/null"));
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  write_file("/dev/fd/" + std::to_string(ends[1]), "through the pipe");
  char got[32];
  CHECK(std::string(got, static_cast<std::size_t>(read(ends[0], got, sizeof got))) == "through the pipe");
  close(ends[0]);
  close(ends[1]);
}

TEST_CASE("what cannot be written is said in a sentence") {
  temporary_directory const folder;
  std::string const missing = folder / "no/such";
  CHECK(complaint([&] {
          write_file(missing, "x");
        }).find("cannot write " + missing + ", because the system says: No such file or directory; ") == 0);
  CHECK(complaint([&] { write_file(folder.path(), "x"); }).find("says: Is a directory; ") != std::string::npos);
  CHECK(complaint([&] { write_file("/dev/full", "x"); }).find("says: No space left on device; ") != std::string::npos);
  CHECK(files_in(folder) == 0);
}
