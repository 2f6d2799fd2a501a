// Every call to the system in a save fails once, is cut short once, and is the last of its process once: afterwards the
// newest whole checkpoint is the one before or the new one. The calls of this program go through the functions below.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <foal/checkpoint/directory.hpp>
#include <foal/checkpoint/shared_save.hpp>

#include "tests/support/checkpoints.hpp"
#include "tests/support/sanitized.hpp"

namespace {

enum class fault {
  fails,        ///< with `reason`
  interrupted,  ///< EINTR, of a call that may be
  shortened,    ///< of a write: half of it is done
  kills,        ///< before it is done
  kills_half,   ///< of a write: when half of it is done
};

/// What happens to the n-th call; 0: to none.
struct {
  fault how = fault::fails;
  long at = 0, calls = 0;
  int reason = 0;
  std::string failed;  ///< the call that did
  bool armed = false, recorded = false;
  std::vector<std::string> record;  ///< "rename manifest.json": the calls that change something
  std::map<int, std::string> opened;

  void arm(long n, fault h, int r = 0) {
    how = h, at = n, reason = r;
    calls = 0;
    failed.clear();
    armed = true;
  }
} injected;

constexpr int killed = 42;

/// Whether this call is the n-th; of those that kill it does not return.
bool hit() {
  if (!injected.armed || ++injected.calls != injected.at) return false;
  if (injected.how == fault::kills) _exit(killed);
  return true;
}
bool fails(char const* call) {
  if (!hit() || injected.how != fault::fails) return false;
  injected.failed = call;
  errno = injected.reason;
  return true;
}
/// Of a call that may be interrupted.
bool fails_for_now(char const* call) {
  if (!hit() || (injected.how != fault::fails && injected.how != fault::interrupted)) return false;
  injected.failed = call;
  errno = injected.how == fault::fails ? injected.reason : EINTR;
  return true;
}

/// The last name of a path, without what makes a partial file's.
std::string last_name(std::string path) {
  while (path.ends_with('/')) path.pop_back();
  path.erase(0, path.rfind('/') + 1);
  return path.substr(0, path.find(".partial-"));
}
void note(char const* verb, std::string const& path) {
  if (injected.recorded) injected.record.push_back(std::string(verb) + " " + last_name(path));
}

template <class F>
F* real(F*, char const* name) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int open(char const* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list more;
    va_start(more, flags);
    mode = va_arg(more, mode_t);
    va_end(more);
  }
  if (fails("open")) return -1;
  int const handle = real(&open, "open")(path, flags, mode);
  if (injected.recorded) injected.opened[handle] = path;
  return handle;
}
ssize_t write(int handle, void const* from, size_t bytes) {
  auto const really = [&](size_t n) { return real(&write, "write")(handle, from, n); };
  if (injected.armed && injected.calls + 1 == injected.at && bytes > 1 &&
      (injected.how == fault::shortened || injected.how == fault::kills_half)) {
    ++injected.calls;
    ssize_t const n = really(bytes / 2);
    if (injected.how == fault::kills_half) _exit(killed);
    return n;
  }
  return fails_for_now("write") ? -1 : really(bytes);
}
/// Nobody cuts the power here.
int fsync(int handle) {
  if (fails_for_now("fsync")) return -1;
  note("fsync", injected.opened[handle]);
  return 0;
}
int close(int handle) {
  bool const failed = fails_for_now("close");
  int const reason = errno, result = real(&close, "close")(handle);  // a handle is gone, whatever is said
  if (!failed) return result;
  errno = reason;
  return -1;
}
int rename(char const* from, char const* to) noexcept {
  if (fails("rename")) return -1;
  note("rename", to);
  return real(&rename, "rename")(from, to);
}
int unlink(char const* path) noexcept {
  if (fails("unlink")) return -1;
  note("unlink", path);
  return real(&unlink, "unlink")(path);
}
int mkdir(char const* path, mode_t mode) noexcept {
  if (fails("mkdir")) return -1;
  note("mkdir", path);
  return real(&mkdir, "mkdir")(path, mode);
}
int rmdir(char const* path) noexcept {
  if (fails("rmdir")) return -1;
  note("rmdir", path);
  return real(&rmdir, "rmdir")(path);
}
DIR* opendir(char const* path) {
  if (fails("opendir")) return nullptr;
  return real(&opendir, "opendir")(path);
}

}  // extern "C"

namespace {

using foal_test::newest_update;
using foal_test::save_checkpoint;

/// Two processes save.
bool by_two = false;

/// What a run does at a cut.
void save(std::string const& directory, std::uint64_t update) {
  namespace checkpoint = foal::checkpoint;
  if (!by_two) {
    save_checkpoint(directory, update);
    return checkpoint::keep_newest(directory, 1);
  }
  std::string const folder = checkpoint::begin_checkpoint(directory, update);
  auto const written = [&](int process) {
    auto m = foal_test::checkpoint_manifest(update);
    checkpoint::share_names const name(process);
    for (std::string const& part : {name.run, name.weights})
      m.parts.push_back(
          {part, checkpoint::write_safetensors_file(folder + "/" + part, foal_test::checkpoint_content(update, part))});
    return m;
  };
  checkpoint::write_mark(folder, 1, written(1));
  checkpoint::finish_shared(folder, written(0), 2, {});
  checkpoint::keep_newest(directory, 1);
}

/// The sentence of the save, or "": it is done.
std::string try_to_save(std::string const& directory, std::uint64_t update) {
  try {
    save(directory, update);
    return "";
  } catch (foal::error const& e) {
    return e.what();
  }
}

std::size_t handles_open() { return foal_test::listed("/proc/self/fd").size(); }

/// A directory with a checkpoint of update 10, or without, in which one of update 20 was saved while something happened.
void check_what_is_left(std::string const& directory, bool had_one, bool done) {
  std::uint64_t const newest = newest_update(directory);
  REQUIRE((newest == 20 || (!done && newest == (had_one ? 10U : 0U))));
  // The next save is as any other, and nothing is left of this one.
  save(directory, 30);
  REQUIRE(newest_update(directory) == 30);
  REQUIRE(foal_test::listed(directory) == std::vector<std::string>{foal::checkpoint::step_folder(30)});
  REQUIRE(foal_test::listed(foal_test::step(directory, 30)).size() == (by_two ? 5 : 3));
}

/// What a directory has before the save; the damaged one is of the update that is saved.
enum class found { nothing, one, one_and_a_damaged };

/// How many calls are passed over; under a sanitizer some are left to the builds without one.
constexpr long stride = foal_test::repeats(1L, 11L);

/// happen(n, directory): saves while it happens at call n; gives whether the save is done.
template <class Happen>
long at_every_call(Happen happen) {
  long all = 0;
  for (auto const before : {found::nothing, found::one, found::one_and_a_damaged}) {
    for (long n = 1 + static_cast<long>(before) * (stride / 3);; n += stride, ++all) {
      foal_test::temporary_directory const folder;
      std::string const directory = folder / "run";
      if (before != found::nothing) save(directory, 10);
      if (before == found::one_and_a_damaged) {
        save_checkpoint(directory, 20);
        std::filesystem::resize_file(foal_test::step(directory, 20) + "/" + foal_test::part_names[1], 9);
      }
      INFO("call " << n << ", before: " << static_cast<int>(before));
      bool const done = happen(n, directory);
      bool const over = injected.calls < n;
      check_what_is_left(directory, before != found::nothing, done);
      if (over) break;
      REQUIRE(n < 1000);
    }
  }
  return all;
}

}  // namespace

TEST_CASE("whichever call of a save fails, the checkpoint before or the new one is whole") {
  int const reason = GENERATE(ENOSPC, EIO, EACCES);
  by_two = GENERATE(false, true);
  std::size_t const open_before = handles_open();
  long refused = 0;
  long const calls = at_every_call([&](long n, std::string const& directory) {
    injected.arm(n, fault::fails, reason);
    std::string const why = try_to_save(directory, 20);
    injected.armed = false;
    REQUIRE(handles_open() == open_before);
    if (why.empty()) {
      // What a save does without: a look for what killed writers left, a folder that cannot be asked to reach the disk, and
      // what a file that was read, or is on the disk, has to say at its end.
      INFO(injected.failed);
      bool const needed =
          std::string_view("write rename unlink mkdir rmdir").find(injected.failed) != std::string_view::npos;
      REQUIRE((injected.calls < n || !needed));
      REQUIRE((injected.failed != "fsync" || reason == EACCES));
      return true;
    }
    ++refused;
    INFO(why);
    REQUIRE((why.rfind("cannot ", 0) == 0 && why.find(", because ") != std::string::npos));
    return false;
  });
  INFO(calls << " calls, " << refused << " of which end the save when they fail");
  CHECK(calls * stride > 60);
  CHECK(refused > calls / 3);
}

TEST_CASE("a save that is interrupted, or whose writes are cut short, goes on") {
  auto const how = GENERATE(fault::interrupted, fault::shortened);
  by_two = GENERATE(false, true);
  at_every_call([&](long n, std::string const& directory) {
    injected.arm(n, how);
    std::string const why = try_to_save(directory, 20);
    injected.armed = false;
    INFO(why);
    REQUIRE(why.empty());
    return true;
  });
}

TEST_CASE("at whichever call of a save the process is killed, the checkpoint before or the new one is whole") {
  auto const how = GENERATE(fault::kills, fault::kills_half);
  by_two = GENERATE(false, true);
  long const calls = at_every_call([&](long n, std::string const& directory) {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    pid_t const child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      injected.arm(n, how);
      std::string const why = try_to_save(directory, 20);
      injected.armed = false;
      bool const told = why.empty() && ::write(ends[1], &injected.calls, sizeof injected.calls) == sizeof injected.calls;
      _exit(told ? 0 : 1);
    }
    ::close(ends[1]);
    injected.calls = n;
    bool const done = ::read(ends[0], &injected.calls, sizeof injected.calls) == sizeof injected.calls;
    ::close(ends[0]);
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    REQUIRE(WEXITSTATUS(status) == (done ? 0 : killed));
    return done;
  });
  CHECK(calls * stride > 60);
}

TEST_CASE("what a save does reaches the disk in an order that no power cut undoes") {
  by_two = false;
  foal_test::temporary_directory const folder;
  std::string const directory = folder / "run";
  save(directory, 10);
  injected.record.clear();
  injected.recorded = true;
  save(directory, 20);
  injected.recorded = false;
  std::string const old_step = foal::checkpoint::step_folder(10), new_step = foal::checkpoint::step_folder(20);
  auto at = injected.record.begin();
  auto const then = [&](std::string const& call) {
    INFO("after " << (at == injected.record.begin() ? "the start" : *(at - 1)));
    at = std::find(at, injected.record.end(), call);
    INFO(call);
    REQUIRE(at != injected.record.end());
    ++at;
  };
  then("mkdir " + new_step);
  then("fsync run");
  for (std::string const part : foal_test::part_names)
    then("fsync " + part), then("rename " + part), then("fsync " + new_step);
  then("fsync manifest.json");
  then("rename manifest.json");
  then("fsync " + new_step);
  then("unlink manifest.json");
  then("fsync " + old_step);
  for (int i = 0; i < 2; ++i) {
    REQUIRE(at != injected.record.end());
    CHECK(at->rfind("unlink ", 0) == 0);
    ++at;
  }
  then("rmdir " + old_step);
  then("fsync run");
  CHECK(at == injected.record.end());
}
