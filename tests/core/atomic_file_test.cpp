// Files that appear whole or not at all: what was there stays until a commit, whatever goes wrong before it.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

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

TEST_CASE("a file past the cache has every byte, however it was written") {
  temporary_directory const folder;
  constexpr std::size_t block = std::size_t{1} << 20U;
  for (std::size_t const bytes : {std::size_t{0}, std::size_t{5}, block - 1, block, block + 4096, 3 * block + 77})
    for (std::size_t const piece : {block / 3 + 1, 2 * block + 9}) {
      INFO(bytes << " bytes in pieces of " << piece);
      std::string content(bytes, ' ');
      for (std::size_t i = 0; i < bytes; ++i) content[i] = static_cast<char>('a' + (i ^ (i >> 9U)) % 26);
      std::string const path = folder / "large";
      atomic_file to(path);
      to.past_cache();
      for (std::size_t at = 0; at < bytes; at += piece) to.write(content.data() + at, std::min(piece, bytes - at));
      std::string const begin = content.substr(0, std::min<std::size_t>(bytes, 3000));
      if (piece > block) {
        content.replace(0, begin.size(), begin.size(), '-');
        to.write_over_begin(content.substr(0, begin.size()));
      }
      to.commit();
      CHECK(text_of(path) == content);
    }
}

TEST_CASE("past the cache a full disk is said, too, and what was there stays") {
  temporary_directory const folder;
  std::string const path = folder / "large", content(std::size_t{3} << 20U, 'x');
  write_file(path, "old");
  {
    small_disk const disk(1 << 20);
    atomic_file to(path);
    to.past_cache();
    CHECK(complaint([&] {
            to.write(content.data(), content.size());
            to.commit();
          }).find("cannot write " + path) == 0);
  }
  CHECK(text_of(path) == "old");
  CHECK(files_in(folder) == 1);
}

TEST_CASE("what is no file of a disk is written past no cache") {
  atomic_file to("/dev/null");
  to.past_cache();
  to.write("all", 3);
  CHECK_NOTHROW(to.commit());
}

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

TEST_CASE("many writers of one path: a reader sees one of them whole, and none fails") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  auto const write = [&path](int writer, int times) {
    for (int i = 0; i < times; ++i) {
      std::size_t const size = static_cast<std::size_t>(writer + 1) * 20'000;
      atomic_file to(path);
      std::string const half(size / 2, static_cast<char>('a' + writer));
      to.write(half.data(), half.size());
      to.write(half.data(), half.size());
      to.commit();
    }
  };
  auto const is_whole = [](std::string const& seen) {
    return !seen.empty() && seen.find_first_not_of(seen[0]) == std::string::npos &&
           seen.size() == static_cast<std::size_t>(seen[0] - 'a' + 1) * 20'000;
  };
  write(0, 1);
  SECTION("threads") {
    std::atomic<int> busy{3}, failed{0};
    std::vector<std::thread> all;
    for (int w = 0; w < 3; ++w)
      all.emplace_back([&, w] {
        try {
          write(w, 100);
        } catch (foal::error const&) {
          ++failed;
        }
        --busy;
      });
    int torn = 0;
    while (busy > 0) torn += is_whole(text_of(path)) ? 0 : 1;
    for (auto& thread : all) thread.join();
    CHECK(torn == 0);
    CHECK(failed == 0);
  }
  SECTION("processes") {
    std::vector<pid_t> all;
    for (int w = 0; w < 2; ++w) {
      all.push_back(fork());
      REQUIRE(all.back() >= 0);
      if (all.back() != 0) continue;
      try {
        write(w, 100);
        _exit(0);
      } catch (foal::error const&) {
        _exit(1);
      }
    }
    int torn = 0;
    for (pid_t const child : all) {
      int status = 0;
      while (waitpid(child, &status, WNOHANG) == 0) torn += is_whole(text_of(path)) ? 0 : 1;
      CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    }
    CHECK(torn == 0);
  }
  CHECK(is_whole(text_of(path)));
  CHECK(files_in(folder) == 1);
}

TEST_CASE("what killed writers leave is removed by the next one, what a living one writes is not") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  int left = 0;
  for (int round = 0; round < 40; ++round) {
    pid_t const child = fork();
    REQUIRE(child >= 0);
    if (child == 0)
      for (;;) write_file(path, std::string(300'000, 'x'));
    std::this_thread::sleep_for(std::chrono::microseconds(500 + 137 * round));
    REQUIRE(kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
    REQUIRE((!fs::exists(path) || text_of(path) == std::string(300'000, 'x')));
    left += files_in(folder) - (fs::exists(path) ? 1 : 0) > 0 ? 1 : 0;
  }
  INFO(left << " of 40 kills left a partial file");
  atomic_file living(path);
  living.write("alive", 5);
  write_file(path, "new");
  CHECK(files_in(folder) == 2);
  living.commit();
  CHECK(text_of(path) == "alive");
  CHECK(files_in(folder) == 1);

  // Neither what is not foal's, nor what belongs to another path.
  for (std::string const name :
       {"out.partial", "out.partial-notes", "out.partial-0123456789abcdeg", "other.partial-0123456789abcdef"})
    write_file(folder / name, "kept");
  write_file(folder / "out.partial-0123456789abcdef", "a dead writer's");
  write_file(path, "new");
  CHECK(files_in(folder) == 5);
  fs::create_directory(folder / "out.partial-0123456789abcdef");
  write_file(path, "newer");
  CHECK(text_of(path) == "newer");
}

TEST_CASE("a link that was prepared for the partial file is not followed") {
  temporary_directory const folder;
  std::string const path = folder / "out", victim = folder / "victim";
  write_file(victim, "precious");
  fs::create_symlink("victim", path + ".partial" + std::to_string(getpid()));
  fs::create_symlink("victim", path + ".partial-0123456789abcdef");
  write_file(path, "new");
  CHECK(text_of(victim) == "precious");
  CHECK(text_of(path) == "new");
}

TEST_CASE("a link to nothing yet is followed, a long name is cut, a circle is said") {
  temporary_directory const folder;
  fs::create_directory(folder / "in");
  fs::create_symlink("in/new", folder / "link");
  write_file(folder / "link", "through");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(text_of(folder / "in/new") == "through");
  std::string const longest = folder / std::string(255, 'n');
  write_file(longest, "x");
  CHECK(text_of(longest) == "x");
  fs::create_symlink("a", folder / "b");
  fs::create_symlink("b", folder / "a");
  CHECK(complaint([&] { write_file(folder / "a", "x"); }).find("says: Too many levels of symbolic links; ") !=
        std::string::npos);
  CHECK(complaint([&] { write_file("", "x"); }).find("because its name is empty") != std::string::npos);
}

TEST_CASE("a pipe that nobody reads is an error, neither a wait nor the end of the process") {
  temporary_directory const folder;
  std::string const path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  CHECK(complaint([&] { write_file(path, "x"); }).find("(nobody reads this pipe); ") != std::string::npos);
  int const reader = open(path.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  atomic_file to(path);
  to.write("x", 1);
  close(reader);
  CHECK(complaint([&] { to.write("y", 1); }).find("says: Broken pipe; ") != std::string::npos);
}

TEST_CASE("what is written to the name of an open file goes behind what it has") {
  temporary_directory const folder;
  std::string const path = folder / "out";
  write_file(path, "first ");
  int const handle = open(path.c_str(), O_WRONLY | O_APPEND);
  REQUIRE(handle >= 0);
  write_file("/proc/self/fd/" + std::to_string(handle), "second ");
  REQUIRE(write(handle, "third", 5) == 5);
  close(handle);
  CHECK(text_of(path) == "first second third");
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
