// Runs a function in a process of its own, for what ends the process that it happens in.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string>

#include <catch2/catch.hpp>

namespace foal::test {

struct child_result {
  int status = -1;   ///< of its exit; -1: a signal has ended it
  std::string text;  ///< what it has written on stderr
};

/// f() is called there; status 0: it came back, 3: it threw, and the text has why. Needs that no thread is at work.
template <class F>
child_result in_child(F const& f) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  pid_t const child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    close(ends[0]);
    dup2(ends[1], 2);
    for (int const signal : {SIGABRT, SIGSEGV, SIGTERM}) std::signal(signal, SIG_DFL);  // which Catch has taken
    try {
      f();
    } catch (std::exception const& e) {
      std::string const what = e.what();
      if (write(2, what.data(), what.size()) < 0) std::_Exit(4);
      std::_Exit(3);
    }
    std::_Exit(0);
  }
  close(ends[1]);
  child_result r;
  std::array<char, 4096> part{};
  for (ssize_t n = 0; (n = read(ends[0], part.data(), part.size())) > 0;)
    r.text.append(part.data(), static_cast<std::size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status)) r.status = WEXITSTATUS(status);
  return r;
}

}  // namespace foal::test
