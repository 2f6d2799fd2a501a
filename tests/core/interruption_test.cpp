// The first signal is kept, a second one ends the process at once, and the handlers of before come back.
#include <foal/core/interruption.hpp>

#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <csignal>

namespace {

volatile std::sig_atomic_t seen = 0;

/// What a process ends with that keeps a signal and gets it twice.
int status_of_two(int signal) {
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    foal::interruption const kept;
    ::raise(signal);
    if (kept.signal() != signal) ::_exit(1);
    ::raise(signal == SIGINT ? SIGTERM : signal);
    ::pause();
    ::_exit(2);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("the first signal is kept while that is wanted, and the program's own handler is there again then") {
  struct sigaction own {
  }, before{};
  own.sa_handler = [](int signal) { seen = signal; };
  sigemptyset(&own.sa_mask);
  REQUIRE(::sigaction(SIGINT, &own, &before) == 0);
  for (int const signal : {SIGINT, SIGTERM}) {
    foal::interruption const kept;
    CHECK(kept.signal() == 0);
    CHECK(kept.status() == 0);
    ::raise(signal);
    CHECK(kept.signal() == signal);
    CHECK(kept.status() == 128 + signal);
  }
  CHECK(seen == 0);
  ::raise(SIGINT);
  CHECK(seen == SIGINT);
  REQUIRE(::sigaction(SIGINT, &before, nullptr) == 0);
}

TEST_CASE("a second signal ends the process at once") {
  CHECK(status_of_two(SIGINT) == 143);
  CHECK(status_of_two(SIGTERM) == 143);
}
