// expected-error: cannot join processes over this transport, because it lacks place.., exchange.text., end_all.text., tell.process, note
// Processes over a transport that brings messages, but cannot tell what the others are about to do.
#include <foal/executor/processes.hpp>

#include "net.hpp"

struct mute {
  static foal::executor::process_place place() { return {}; }
  static void end_all(std::string const&) {}
  static void tell(int, foal::transport::note const&) {}
  static std::optional<foal::transport::note> heard() { return {}; }
  struct channel {
    channel(mute&, foal::transport::open_end, int) {}
    bool progress() { return false; }
    bool done() const { return true; }
    void end_at(std::uint32_t) {}
  };
};

int main() {
  run<foal::schedule::pipemare, foal::executor::processes_over<mute>> t({});
  return static_cast<int>(t.updates());
}
