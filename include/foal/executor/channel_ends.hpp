// The ends of channels that an op has: by what the schedule says that it waits for, and that others wait for.
#pragma once

#include <algorithm>
#include <optional>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/schedule/edges.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::executor {

/// What an edge travels on. On none: own, by the order of a list; norm, which is no message (gradient_norm); sum and tied.
constexpr std::optional<transport::channel_kind> channel_of(schedule::edge via) {
  switch (via) {
    case schedule::edge::activation:
      return transport::channel_kind::activation;
    case schedule::edge::gradient:
      return transport::channel_kind::gradient;
    case schedule::edge::rebuilt:
      return transport::channel_kind::rebuilt;
    default:
      return std::nullopt;
  }
}

/// The ends that a unit has of its channels of a kind, with what it has taken and sent.
struct kind_ends {
  transport::inbox& in;
  std::uint32_t& taken;
  transport::outbox& out;
  std::uint32_t& sent;
};
inline kind_ends ends_of(bound_stage& unit, transport::channel_kind kind) {
  message_counts& n = unit.messages;
  switch (kind) {
    case transport::channel_kind::gradient:
      return {unit.gradient_in, n.gradient_in, unit.gradient_out, n.gradient_out};
    case transport::channel_kind::rebuilt:
      return {unit.rebuilt_in, n.rebuilt_in, unit.rebuilt_out, n.rebuilt_out};
    default:
      return {unit.wire_in, n.wire_in, unit.wire_out, n.wire_out};
  }
}

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
  explicit op_ends(schedule::program_view v) : rule_(v), size_(v.size), sends_(kinds * std::size_t(units(v.size))) {
    for (schedule::op const& o : v.ops)
      rule_.for_each_crossing_input(o, [&](schedule::input const& in) {
        if (auto const kind = channel_of(in.via))
          sends_[place(in.kind, in.stage, in.replica)] = sent{*kind, in.stage, o.stage, in.replica};
      });
  }

  /// A channel, from whom it comes and to whom it goes.
  struct sent {
    transport::channel_kind kind;
    int from, to, replica;

    /// Of the wire between the two.
    transport::channel_id id() const { return {std::max(from, to), replica, kind}; }
  };
  /// Over what the output of an op goes; nothing: over no channel.
  std::optional<sent> const& output(schedule::op const& o) const { return sends_[place(o.kind, o.stage, o.replica)]; }

  channel_ends of(bound_stage& unit, schedule::op const& o) const {
    channel_ends ends;
    rule_.for_each_crossing_input(o, [&](schedule::input const& in) {
      if (auto const kind = channel_of(in.via)) {
        kind_ends const e = ends_of(unit, *kind);
        ends.in = &e.in, ends.taken = &e.taken;
      }
    });
    if (auto const& s = output(o)) {
      kind_ends const e = ends_of(unit, s->kind);
      ends.out = &e.out, ends.sent = &e.sent;
    }
    return ends;
  }

 private:
  static constexpr std::size_t kinds = 8;

  std::size_t place(schedule::op_kind kind, int stage, int replica) const {
    if (kind == schedule::op_kind::BW) kind = schedule::op_kind::B;
    return static_cast<std::size_t>(unit_of(size_, stage, replica)) * kinds + static_cast<std::size_t>(kind);
  }

  schedule::dependencies rule_;
  schedule::extent size_;
  std::vector<std::optional<sent>> sends_;  // by unit and kind
};

}  // namespace foal::executor
