// The ends of channels that an op has: by what the schedule says that it waits for, and that others wait for.
#pragma once

#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/schedule/edges.hpp>

namespace foal::executor {

/// Of one op of a program's body; null: it takes nothing over a channel, or sends nothing.
struct channel_ends {
  transport::inbox* in = nullptr;
  std::uint32_t* taken = nullptr;  ///< messages, counted in the unit's state
  transport::outbox* out = nullptr;
  std::uint32_t* sent = nullptr;

  bool arrived() const { return in == nullptr || in->arrived(*taken); }
  bool room(std::uint32_t m) const { return out == nullptr || out->room(m); }
  /// The op is done: it has sent what it sends, and taken its message.
  void pass() const {
    if (out != nullptr) out->send(++*sent);
    if (in != nullptr) ++*taken;
  }
};

/// Of all ops of a program. The schedule's rule of dependencies is asked; there is no other.
class op_ends {
 public:
  explicit op_ends(schedule::program_view v) : rule_(v), size_(v.size), sends_(kinds * std::size_t(units(v.size)), own) {
    for (schedule::op const& o : v.ops)
      rule_.for_each_crossing_input(o, [&](schedule::input const& in) {
        if (in.via != schedule::edge::norm && in.via != schedule::edge::sum)  // which are no wires
          sends_[place(in.kind, in.stage, in.replica)] = in.via;
      });
  }

  channel_ends of(bound_stage& unit, schedule::op const& o) const {
    channel_ends ends;
    rule_.for_each_crossing_input(o, [&](schedule::input const& in) {
      message_counts& n = unit.messages;
      if (in.via == schedule::edge::activation) ends.in = &unit.wire_in, ends.taken = &n.wire_in;
      if (in.via == schedule::edge::gradient) ends.in = &unit.gradient_in, ends.taken = &n.gradient_in;
      if (in.via == schedule::edge::rebuilt) ends.in = &unit.again_in, ends.taken = &n.again_in;
    });
    message_counts& n = unit.messages;
    schedule::edge const via = sends_[place(o.kind, o.stage, o.replica)];
    if (via == schedule::edge::activation) ends.out = &unit.wire_out, ends.sent = &n.wire_out;
    if (via == schedule::edge::gradient) ends.out = &unit.gradient_out, ends.sent = &n.gradient_out;
    if (via == schedule::edge::rebuilt) ends.out = &unit.again_out, ends.sent = &n.again_out;
    return ends;
  }

 private:
  static constexpr schedule::edge own = schedule::edge::own;
  static constexpr std::size_t kinds = 8;

  std::size_t place(schedule::op_kind kind, int stage, int replica) const {
    if (kind == schedule::op_kind::BW) kind = schedule::op_kind::B;
    return static_cast<std::size_t>(unit_of(size_, stage, replica)) * kinds + static_cast<std::size_t>(kind);
  }

  schedule::dependencies rule_;
  schedule::extent size_;
  std::vector<schedule::edge> sends_;  // by unit and kind: over what its output goes
};

}  // namespace foal::executor
