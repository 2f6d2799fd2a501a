// NCCL on the CPU: communicators of two ranks that threads of one process hold, with the rules that foal must keep. A
// message is through when both streams have come to it.
#include "cuda/nccl.h"

#include <array>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "flaws.hpp"
#include "memory.hpp"
#include "queues.hpp"

using namespace foal::test::emulation;

namespace {

using lock = std::lock_guard<std::recursive_mutex>;

/// A message that one side, or both, have called.
struct message {
  std::byte const* from = nullptr;
  std::size_t sent = 0, wanted = 0;
  bool has_sender = false, has_receiver = false;
  std::shared_ptr<point> reached = std::make_shared<point>(), copied = std::make_shared<point>();
};

/// What both ranks of a communicator share.
struct pair {
  std::array<ncclComm_t, 2> ranks{};
  bool lost = false;                                         ///< a rank has been given up
  std::array<std::deque<std::shared_ptr<message>>, 2> open;  ///< by sender: called by one side alone
};

std::map<std::string, std::shared_ptr<pair>>& pairs() {
  static std::map<std::string, std::shared_ptr<pair>> all;
  return all;
}
std::string key_of(ncclUniqueId const& id) { return {id.internal, sizeof id.internal}; }

}  // namespace

struct ncclComm {
  std::shared_ptr<::pair> both;
  int rank = 0, device = 0;
  std::uint64_t busy = 0;  ///< so many questions until the last call is through
  ncclResult_t failed = ncclSuccess;
  std::deque<std::function<void()>> called;  ///< what the streams get when the call is through

  void go_on() {
    for (; !called.empty(); called.pop_front()) called.front()();
  }
};

namespace {

thread_local int groups = 0;
thread_local ncclComm_t called = nullptr;  // in the group

ncclResult_t refuse(ncclComm_t comm, ncclResult_t why, char const* flaw) {
  report(flaw);
  if (comm != nullptr) comm->failed = why;
  return why;
}

ncclResult_t pass(std::byte* place, std::size_t bytes, int peer, ncclComm_t comm, cudaStream_t stream, bool sends) {
  lock const held(calls());
  if (comm->both->ranks[0] == nullptr || comm->both->ranks[1] == nullptr)
    return refuse(comm, ncclInvalidUsage, "a message of NCCL is called before its communicator is there");
  if (comm->busy > 0 && called != comm)
    return refuse(comm, ncclInvalidUsage, "a communicator of NCCL that is still at work is called again");
  if (groups == 0) return refuse(comm, ncclInvalidUsage, "a message of a communicator that does not block is in no group");
  if (peer < 0 || peer > 1 || peer == comm->rank) return refuse(comm, ncclInvalidArgument, "NCCL has no such peer");
  if (device_of(stream) != comm->device)
    return refuse(comm, ncclInvalidUsage, "a stream of another GPU than the communicator's is given to NCCL");
  called = comm;
  int const sender = sends ? comm->rank : peer;
  auto& open = comm->both->open[static_cast<std::size_t>(sender)];
  bool const first = open.empty() || (sends ? open.front()->has_sender : open.front()->has_receiver);
  if (first) open.push_back(std::make_shared<message>());
  std::shared_ptr<message> const m = first ? open.back() : open.front();
  (sends ? m->sent : m->wanted) = bytes;
  (sends ? m->has_sender : m->has_receiver) = true;
  unmatched() += first ? 1 : -1;
  if (!first) {
    open.pop_front();
    if (m->sent != m->wanted)
      return refuse(comm, ncclInvalidUsage, "the two sides of a message of NCCL name different sizes");
  }
  int const device = comm->device;
  if (sends) {
    m->from = place;
    comm->called.push_back([=] {
      enqueue_between(
          stream,
          [=] {
            return check_range("a message that NCCL sends", place, bytes, device) ? cudaSuccess : cudaErrorIllegalAddress;
          },
          nullptr, m->reached);
      enqueue_between(stream, {}, m->copied, nullptr);
    });
  } else {
    comm->called.push_back([=] {
      enqueue_between(
          stream,
          [=] {
            if (!check_range("the place of a message of NCCL", place, bytes, device)) return cudaErrorIllegalAddress;
            std::memcpy(place, m->from, bytes);
            return cudaSuccess;
          },
          m->reached, m->copied);
    });
  }
  return ncclInProgress;
}

}  // namespace

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  lock const held(calls());
  static int number = 0;
  std::string const text = "emulated " + std::to_string(++number);
  *id = {};
  std::memcpy(id->internal, text.data(), text.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  lock const held(calls());
  *comm = nullptr;
  if (ranks != 2 || rank < 0 || rank > 1) return ncclInvalidArgument;
  if (config->blocking != 0) return refuse(nullptr, ncclInvalidUsage, "foal's communicators of NCCL must not block");
  std::shared_ptr<pair>& both = pairs()[key_of(id)];
  if (both == nullptr) both = std::make_shared<pair>();
  if (both->ranks[static_cast<std::size_t>(rank)] != nullptr) return ncclInvalidUsage;
  *comm = new ncclComm{both, rank, 0, random_below(3), ncclSuccess, {}};
  cudaGetDevice(&(*comm)->device);
  both->ranks[static_cast<std::size_t>(rank)] = *comm;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* status) {
  lock const held(calls());
  *status = comm->failed;
  if (*status != ncclSuccess) return ncclSuccess;
  if (comm->both->lost)
    *status = comm->failed = ncclRemoteError;
  else if (comm->both->ranks[0] == nullptr || comm->both->ranks[1] == nullptr || (comm->busy > 0 && comm->busy-- > 0))
    *status = ncclInProgress;
  else
    comm->go_on();
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  lock const held(calls());
  comm->both->lost = true;
  for (auto& open : comm->both->open) {
    for (auto const& m : open) {
      m->reached->done = m->copied->done = true;  // streams go on, without the message
      --unmatched();
    }
    open.clear();
  }
  delete comm;
  return ncclSuccess;
}

ncclResult_t ncclSend(void const* from, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm, cudaStream_t stream) {
  return pass(static_cast<std::byte*>(const_cast<void*>(from)), count, peer, comm, stream, true);
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t, int peer, ncclComm_t comm, cudaStream_t stream) {
  return pass(static_cast<std::byte*>(to), count, peer, comm, stream, false);
}

ncclResult_t ncclGroupStart() {
  ++groups;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  lock const held(calls());
  if (groups == 0) return refuse(nullptr, ncclInvalidUsage, "a group of NCCL ends that has not begun");
  --groups;
  if (called == nullptr) return ncclSuccess;
  called->busy = random_below(3);
  ncclResult_t const now = called->busy > 0 ? ncclInProgress : ncclSuccess;
  if (now == ncclSuccess) called->go_on();
  called = nullptr;
  return now;
}

char const* ncclGetErrorString(ncclResult_t status) {
  switch (status) {
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    default:
      return "unhandled error";
  }
}
char const* ncclGetLastError(ncclComm_t) { return ""; }
