// --stall-seconds: after how long a run that stands still ends.
#pragma once

namespace options {

/// Ten minutes are longer than any op here, and end a run of several processes of which one is stopped.
struct stalls {
  double seconds = 600;

  template <class Arguments>
  void add(Arguments& a) {
    a.number("--stall-seconds", seconds, {0, 1e6}, "end a run of which no worker runs an op for so long; 0: wait for ever");
  }
};

}  // namespace options
