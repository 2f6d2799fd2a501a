// One way between GPUs of several processes: a communicator of NCCL with a stream of its own. Needs <nccl.h>.
#pragma once

#include <nccl.h>

#include <chrono>
#include <cstddef>
#include <utility>

#include <foal/device/cuda/stream.hpp>

namespace foal::transport {

/// How long the other side may take, in seconds, before this one gives up.
struct nccl_limits {
  double begin = 120;    ///< to come to a communicator
  double message = 600;  ///< to take, or send, what has been announced
};

/// Throws foal::error unless the status is success, or that the call goes on. comm: null where there is none.
template <class... Call>
void check(ncclResult_t status, ncclComm_t comm, Call const&... call) {
  if (status == ncclSuccess || status == ncclInProgress) return;
  char const* const last = ncclGetLastError(comm);
  throw error(sentence("cannot do ", call..., ", because NCCL gave ", ncclGetErrorString(status),
                       last != nullptr && *last != '\0' ? sentence(" (", last, ")") : std::string(),
                       "; see that all processes live and reach each other, and set NCCL_DEBUG=WARN for more"));
}

/// Where a GPU stands on a way: of two, of which the first sends and the second receives, or of several that do both.
struct nccl_rank {
  int number = 0, of = 2;
  bool exchanges = false;  ///< each sends and receives

  static nccl_rank sender() { return {0, 2, false}; }
  static nccl_rank receiver() { return {1, 2, false}; }
};

/// No call waits: a communicator that is at work says so, and is left alone until settled(). Called by one thread at a time.
class nccl_way {
 public:
  using clock = std::chrono::steady_clock;

  /// Begins; the other sides do the same, with the same id. Throws foal::error where there is no such GPU.
  nccl_way(ncclUniqueId const& id, nccl_rank rank, int ordinal, nccl_limits const& limits)
      : id_(id), rank_(rank), limits_(limits), stream_(ordinal), since_(clock::now()) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    check(ncclCommInitRankConfig(&comm_, rank.of, id, rank.number, &config), nullptr, "ncclCommInitRankConfig");
  }
  nccl_way(nccl_way const&) = delete;
  nccl_way& operator=(nccl_way const&) = delete;
  /// What is still on its way is given up.
  ~nccl_way() {
    if (comm_ != nullptr) ncclCommAbort(comm_);
  }

  static ncclUniqueId make_id() {
    ncclUniqueId id;
    check(ncclGetUniqueId(&id), nullptr, "ncclGetUniqueId");
    return id;
  }
  ncclUniqueId const& id() const { return id_; }
  device::cuda_ops::stream const& stream() const { return stream_; }

  /// Whether the next messages may be put on their way. Throws foal::error where another side has died, or not come in time.
  bool settled() {
    ncclResult_t now = ncclInProgress;
    check(ncclCommGetAsyncError(comm_, &now), comm_, "ncclCommGetAsyncError");
    check(now, comm_, "the ", rank_.exchanges ? "exchange" : sends() ? "sending" : "receiving", " of a message");
    if (now == ncclInProgress) {
      within(begun_ ? limits_.message : limits_.begin);
      return false;
    }
    begun_ = true;
    return true;
  }
  /// Messages that are on their way at once, which the other sides name in the same order: calls(), which calls send() and
  /// receive() for each piece. Needs to be settled().
  template <class Calls>
  void pass(Calls const& calls) {
    device::cuda_ops::use(stream_.ordinal());
    check(ncclGroupStart(), comm_, "ncclGroupStart");
    calls();
    check(ncclGroupEnd(), comm_, "ncclGroupEnd");
    if (through_) since_ = clock::now();
    through_ = false;
    called_ = true;
  }
  void send(std::byte const* place, std::size_t bytes, int to) {
    check(ncclSend(place, bytes, ncclChar, to, comm_, stream_.get()), comm_, "ncclSend of ", bytes, " bytes");
  }
  void receive(std::byte* place, std::size_t bytes, int from) {
    check(ncclRecv(place, bytes, ncclChar, from, comm_, stream_.get()), comm_, "ncclRecv of ", bytes, " bytes");
  }
  /// Whether all messages are through.
  bool through() {
    if (through_) return true;
    if (called_ && !settled()) return false;
    if (std::exchange(called_, false)) last_.record(stream_);
    if (!last_.done()) {
      within(limits_.message);
      return false;
    }
    return through_ = true;
  }

 private:
  bool sends() const { return rank_.number == 0; }
  void within(double seconds) const {
    double const waited = std::chrono::duration<double>(clock::now() - since_).count();
    bool const two = !rank_.exchanges;
    require(waited < seconds, "cannot go on ",
            two ? (sends() ? "sending to another GPU" : "receiving from another GPU") : "exchanging with other GPUs",
            ", because for ", seconds, " s ", two ? "it" : "one of them", " has ",
            !begun_   ? "not been there"
            : !two    ? "not sent, or taken, what it has announced"
            : sends() ? "not taken a message"
                      : "not sent what it has announced",
            "; see whether its process lives, or give transport::nccl_limits a longer time");
  }

  ncclUniqueId id_;
  nccl_rank rank_;
  nccl_limits limits_;
  device::cuda_ops::stream stream_;
  ncclComm_t comm_ = nullptr;
  device::cuda_ops::event last_;
  bool begun_ = false;       ///< the communicator is there
  bool through_ = true;      ///< nothing is on its way
  bool called_ = false;      ///< since last_ was recorded
  clock::time_point since_;  ///< when it began to wait
};

}  // namespace foal::transport
