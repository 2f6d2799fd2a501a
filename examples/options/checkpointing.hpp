// --checkpoint, --checkpoint-every and --resume: what a program saves of its runs, and goes on from after a signal or a
// kill.
#pragma once

#include <cstdio>
#include <string>

#include <foal/checkpoint.hpp>

#include "processes.hpp"
#include "range.hpp"

namespace options {

/// Of one run or several, each in a folder of its own.
struct checkpointing {
  std::string directory;  ///< empty: nothing is saved
  long long every = 0;    ///< updates; 0: every ten minutes
  bool resume = false;
  foal::interruption const* until = nullptr;

  template <class Arguments>
  void add(Arguments& a) {
    a.text("--checkpoint", directory, "save the run to this folder now and then, and when it is interrupted");
    a.whole("--checkpoint-every", every, 0, 1'000'000'000, "updates from one checkpoint to the next; 0: every ten minutes");
    a.flag("--resume", resume, "go on from the newest whole checkpoint");
  }
  void check() const {
    foal::require(!directory.empty() || (every == 0 && !resume), "cannot use ", resume ? "--resume" : "--checkpoint-every",
                  ", because no folder of checkpoints is named; give --checkpoint too");
  }
  foal::any_keeper of(std::string const& run = "") const {
    if (directory.empty()) return {};
    return foal::checkpoints{.directory = run.empty() ? directory : directory + "/" + run,
                             .every_updates = every,
                             .every_seconds = every == 0 ? 600.0 : 0,
                             .resume = resume,
                             .until = until};
  }
  /// What the program gives back when a signal has ended a run; says how it goes on.
  int interrupted(char const* program, int signal) const {
    if (processes::first())
      std::fprintf(stderr, "%s: ended by signal %d, with a checkpoint in %s; --resume goes on from there\n", program, signal,
                   directory.c_str());
    return 128 + signal;
  }
};

}  // namespace options
