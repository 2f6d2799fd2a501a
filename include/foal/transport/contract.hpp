// What the executor asks of a transport. A channel is (wire, direction, replica, kind): FIFO, its order and its room proved
// before the run. It has an outbox at the sender and an inbox at the receiver; a transport brings to the one what lies in
// the other. transport::local brings nothing: its outbox is its inbox.
//
// The worker of the sending unit:
//   room(m)     whether the slot of microbatch m may be written
//   send(n)     the n-th message of the phase has been written
// The worker of the receiving unit:
//   arrived(n)  whether there are more messages than the n that it has taken
//   read(m)     of what one op alone reads, microbatches before m are through
//   release(m)  of what is kept longer, microbatches before m are through
// Whoever drives workers:
//   progress()  brings on what can be brought without waiting; true: something was. Not for transport::local
//   done()      all messages of the phase are through
//   end_at(n)   the n-th message is the last, although the program has more: the phase ends or pauses before
// executor::processes_over<T>, of a transport T between processes:
//   place()     which process this is, of how many
//   T()         the processes have met: each makes one before it opens channels, or exchanges texts
//   exchange(x) the texts of all, by process; all call it
//   swap(to, from, x)
//               sends the bytes x to process `to`, and gives those that `from` has sent here, of any size; all call it, so
//               that each is sent to by one. May be absent: then all get the bytes of all
//   channel     made of the T, an open_end and the process of its other end; a message_end does all but the way of the bytes
//   tell(p, x)  a note to process p, which is 0 or told by 0; it does not wait
//   heard()     the next note to this process, if there is one. Those of one process come in the order of its tell()
//   end_all(x)  says x on stderr and ends all processes, with another status than 0
// Nothing of a transport ends a run: in one process workers see it by themselves, between processes the executor agrees on
// it, and ends all where it cannot.
//
// A message carries no number: who sends and who takes have the same order, which is the program's. Nothing of a channel
// allocates or locks after the first message.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <foal/transport/note.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::transport {

template <class T>
concept sends = requires(T out, std::uint32_t n) {
  { out.room(n) } -> std::same_as<bool>;
  out.send(n);
};

template <class T>
concept receives = requires(T in, std::uint32_t n) {
  { in.arrived(n) } -> std::same_as<bool>;
  in.read(n);
  in.release(n);
};

/// A channel of a transport between processes: what lies in its outbox comes to its inbox by these.
template <class T>
concept moves = requires(T end, std::uint32_t n) {
  { end.progress() } -> std::same_as<bool>;
  { end.done() } -> std::same_as<bool>;
  end.end_at(n);
};

/// Where a process is among those that train together.
struct process_place {
  int number = 0, count = 1;
};

/// A transport between processes.
template <class T>
concept connects = std::default_initializable<T> && moves<typename T::channel> &&
                   std::constructible_from<typename T::channel, T&, open_end, int> &&
                   requires(T all, std::string const& text, note const& n) {
                     { T::place() } -> std::same_as<process_place>;
                     { all.exchange(text) } -> std::same_as<std::vector<std::string>>;
                     all.tell(0, n);
                     { all.heard() } -> std::same_as<std::optional<note>>;
                     T::end_all(text);
                   };

static_assert(sends<outbox> && receives<inbox>);

}  // namespace foal::transport
