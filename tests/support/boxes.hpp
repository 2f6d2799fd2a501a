// A transport whose processes are objects of one thread, and a clock that stands still until it is set.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/transport/contract.hpp>
#include <foal/transport/message_end.hpp>

namespace foal::test {

struct hand_clock {
  static inline double now = 0;
  static double seconds() { return now; }
};

/// Every channel has a box for one message, which both of its ends find by its number.
struct boxes {
  struct box {
    std::vector<std::byte> bytes;
    bool full = false;
  };
  static inline std::map<int, box> all{};
  static inline std::string ended{};

  static transport::process_place place() { return {0, 2}; }
  std::vector<std::string> exchange(std::string const& mine) { return {mine, mine}; }
  void tell(int, transport::note const&) {}
  std::optional<transport::note> heard() { return {}; }
  static void end_all(std::string const& why) { ended = why; }

  class channel {
   public:
    channel(boxes&, transport::open_end end, int) : end_(std::move(end)), at_(all[end_.number()]) {
      at_.bytes.resize(end_.bytes());
    }
    bool progress() {
      if (at_.full == end_.sends() || !end_.ready()) return false;
      end_.pass(at_.bytes.data());
      at_.full = end_.sends();
      return true;
    }
    bool done() const { return end_.done(); }
    void end_at(std::uint32_t n) { end_.end_at(n); }

   private:
    transport::message_end end_;
    box& at_;
  };
};
static_assert(transport::connects<boxes>);

}  // namespace foal::test
