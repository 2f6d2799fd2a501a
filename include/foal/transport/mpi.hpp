// Messages between processes over MPI: what lies in an outbox here comes to the inbox there. Needs <mpi.h>.
#pragma once

#include <mpi.h>

#include <cstring>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/transport/contract.hpp>
#include <foal/transport/open_end.hpp>

namespace foal::transport {

/// One channel's messages, from or to one process: a persistent request and room for one message on its way, so that nothing
/// is allocated after the first one and no process has more than one message of a channel to expect.
class mpi_channel {
 public:
  /// peer: the process of the other end.
  mpi_channel(open_end end, int peer, MPI_Comm comm) : end_(std::move(end)), left_(window(end_)) {
    std::size_t bytes = 0;
    for (entry_slots const& e : end_.entries) bytes += e.bytes;
    message_.resize(bytes);
    int const tag = end_.id.wire * kinds + static_cast<int>(end_.id.kind), size = static_cast<int>(bytes);
    require(bytes <= most_bytes, "cannot send messages of ", bytes, " bytes over wire ", end_.id.wire,
            ", because MPI counts to ", most_bytes, "; use smaller microbatches");
    if (end_.sends)
      MPI_Send_init(message_.data(), size, MPI_BYTE, peer, tag, comm, &request_);
    else
      MPI_Recv_init(message_.data(), size, MPI_BYTE, peer, tag, comm, &request_);
  }
  mpi_channel(mpi_channel const&) = delete;
  mpi_channel& operator=(mpi_channel const&) = delete;
  ~mpi_channel() { MPI_Request_free(&request_); }

  /// True: something moved.
  bool progress() { return end_.sends ? send() : receive(); }
  /// All messages of the phase are through.
  bool done() const { return end_.order.done() && !active_; }

 private:
  static constexpr int kinds = 4;
  static constexpr std::size_t most_bytes = 0x7fffffff;

  static std::uint32_t window(open_end const& e) {
    std::uint32_t most = 1;
    for (entry_slots const& x : e.entries) most = std::max(most, x.count);
    return most;
  }
  bool arrived() {
    int flag = 0;
    MPI_Test(&request_, &flag, MPI_STATUS_IGNORE);
    return flag != 0;
  }
  bool send() {
    if (active_ && !arrived()) return false;
    bool const was = std::exchange(active_, false);
    if (end_.order.done() || !end_.out.arrived(count_)) return was;
    std::uint32_t const m = end_.order.microbatch();
    std::byte* to = message_.data();
    for (entry_slots const& e : end_.entries) {
      std::memcpy(to, e.at(m), e.bytes);
      to += e.bytes;
    }
    std::uint32_t const up_to = left_.pass(m);  // the message has left its slot
    end_.out.read(up_to);
    end_.out.release(up_to);
    MPI_Start(&request_);
    active_ = true;
    ++count_;
    end_.order.next();
    return true;
  }
  bool receive() {
    if (!here_ && !active_) {
      if (end_.order.done()) return false;
      MPI_Start(&request_);
      active_ = true;
    }
    if (active_ && arrived()) active_ = false, here_ = true;
    if (!here_) return false;
    std::uint32_t const m = end_.order.microbatch();
    if (!end_.in.room(m)) return false;
    std::byte const* from = message_.data();
    for (entry_slots const& e : end_.entries) {
      std::memcpy(e.at(m), from, e.bytes);
      from += e.bytes;
    }
    here_ = false;
    end_.in.send(++count_);
    end_.order.next();
    return true;
  }

  open_end end_;
  left_in_order left_;
  std::vector<std::byte> message_;
  MPI_Request request_ = MPI_REQUEST_NULL;
  bool active_ = false, here_ = false;  ///< a message is on its way; one is here, and there was no room for it
  std::uint32_t count_ = 0;
};
static_assert(sends<outbox> && receives<inbox> && moves<mpi_channel>);

}  // namespace foal::transport
