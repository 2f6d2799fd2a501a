// NCCL between threads: messages and collectives that meet in the order of their calls, with the rules that foal must keep.
#include "cuda/nccl.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "flaws.hpp"
#include "memory.hpp"
#include "queues.hpp"
#include "runtime.hpp"

using namespace foal::test::emulation;

namespace {

using lock = std::lock_guard<call_lock>;

enum class kind { send, receive, all_reduce, reduce_scatter, all_gather };

/// A call, from when it is made until it is done on its stream.
struct op {
  kind what = kind::send;
  void const* from = nullptr;
  void* to = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclFloat32;
  int peer = -1;  ///< of a message
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  bool arrived = false;  ///< its stream has come to it
  std::shared_ptr<point> done = std::make_shared<point>();
};
using op_ptr = std::shared_ptr<op>;

std::size_t size_of(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
      return 1;
    case ncclInt32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclFloat64:
      return 8;
  }
  return 1;
}
char const* name_of(kind k) {
  constexpr char const* names[] = {"send", "receive", "all-reduce", "reduce-scatter", "all-gather"};
  return names[static_cast<int>(k)];
}

/// The ranks of one identity.
struct clique {
  int ranks = 0;
  bool whole = false, aborted = false;
  std::map<int, ncclComm_t> members;
  std::map<std::pair<int, int>, std::deque<op_ptr>> sends, receives;  ///< by sender and receiver
  std::map<int, std::deque<op_ptr>> collectives;                      ///< by rank
};
std::map<std::uint64_t, clique>& cliques() {
  static std::map<std::uint64_t, clique> all;
  return all;
}
std::uint64_t identities = 0;
nccl_counts counted;

}  // namespace

struct ncclComm {
  clique* with = nullptr;
  std::uint64_t identity = 0;
  int rank = 0, device = 0;
  bool blocking = true, finalised = false, aborted = false;
  ncclResult_t state = ncclSuccess;
  std::vector<op_ptr> waiting;  ///< calls of one that does not block, not yet put into their streams
};

namespace {

thread_local int depth = 0;
thread_local std::vector<op_ptr> grouped;
thread_local std::vector<ncclComm_t> joining;

bool is_whole(ncclComm const& c) { return c.with->whole; }  // and stays so when some are gone

/// Waits for other threads, which may call meanwhile.
template <class Ready>
bool wait_until(Ready ready) {
  for (int i = 0; !ready(); ++i) {
    if (i == most_pauses) return false;
    calls().pause();
  }
  return true;
}

bool lies(op const& o, void const* p, std::size_t count, char const* what) {
  return check_range(what, p, count * size_of(o.type), o.comm->device);
}
void end(op& o) {
  o.done->done = true;
  --open_meetings();
}

/// Does what has met: the first send and the first receive of two ranks.
void meet(std::deque<op_ptr>& sends, std::deque<op_ptr>& receives) {
  while (!sends.empty() && !receives.empty() && sends.front()->arrived && receives.front()->arrived) {
    op_ptr const s = sends.front(), r = receives.front();
    sends.pop_front();
    receives.pop_front();
    if (s->count != r->count || s->type != r->type)
      report("a message of NCCL has " + std::to_string(s->count) + " elements where " + std::to_string(r->count) +
             " are received, or of another type");
    else if (lies(*s, s->from, s->count, "what NCCL sends") & lies(*r, r->to, r->count, "where NCCL receives"))
      std::memcpy(r->to, s->from, s->count * size_of(s->type));
    end(*s);
    end(*r);
  }
}

/// Sums in the order of the ranks.
template <class S>
void add_up(std::vector<op_ptr> const& all, std::size_t first, std::size_t count, S* to) {
  std::vector<S> sum(count, S(0));
  for (op_ptr const& o : all)
    for (std::size_t i = 0; i < count; ++i) sum[i] += static_cast<S const*>(o->from)[first + i];
  std::copy(sum.begin(), sum.end(), to);
}

void collect(std::vector<op_ptr> const& all) {
  op const& one = *all.front();
  std::size_t const ranks = all.size(), size = size_of(one.type);
  bool good = true;
  for (op_ptr const& o : all)
    if (o->what != one.what || o->count != one.count || o->type != one.type) {
      report(std::string("ranks of NCCL do not do the same: one a ") + name_of(one.what) + " of " +
             std::to_string(one.count) + " elements, another a " + name_of(o->what) + " of " + std::to_string(o->count));
      return;
    }
  std::size_t const in = one.what == kind::reduce_scatter ? one.count * ranks : one.count,
                    out = one.what == kind::all_gather ? one.count * ranks : one.count;
  for (op_ptr const& o : all)
    good = good & lies(*o, o->from, in, "what NCCL collects") & lies(*o, o->to, out, "where NCCL puts a result");
  if (!good) return;
  if (one.what != kind::all_gather && one.type != ncclFloat32 && one.type != ncclFloat64) {
    report("the emulated NCCL adds up float and double alone");
    return;
  }
  std::vector<std::vector<std::byte>> results;  // made before any is written: they may lie in place
  for (std::size_t r = 0; r < ranks; ++r) {
    std::vector<std::byte>& result = results.emplace_back(out * size);
    std::size_t const first = one.what == kind::reduce_scatter ? r * one.count : 0;
    if (one.what == kind::all_gather)
      for (std::size_t k = 0; k < ranks; ++k)
        std::memcpy(result.data() + k * one.count * size, all[k]->from, one.count * size);
    else if (one.type == ncclFloat32)
      add_up(all, first, one.count, reinterpret_cast<float*>(result.data()));
    else
      add_up(all, first, one.count, reinterpret_cast<double*>(result.data()));
  }
  for (std::size_t r = 0; r < ranks; ++r) std::memcpy(all[r]->to, results[r].data(), results[r].size());
}

void meet_all(clique& c) {
  for (;;) {
    std::vector<op_ptr> all;
    for (int r = 0; r < c.ranks; ++r) {
      auto const& queue = c.collectives[r];
      if (queue.empty() || !queue.front()->arrived) return;
      all.push_back(queue.front());
    }
    collect(all);
    for (int r = 0; r < c.ranks; ++r) c.collectives[r].pop_front();
    for (op_ptr const& o : all) end(*o);
  }
}

/// The stream has come to these, of one group: all of them are under way at once.
void arrive(std::vector<op_ptr> const& ops) {
  for (op_ptr const& o : ops) {
    o->arrived = true;
    ++open_meetings();
    if (o->comm->aborted) end(*o);
  }
  for (op_ptr const& o : ops) {
    if (o->done->done) continue;
    clique& c = *o->comm->with;
    int const me = o->comm->rank;
    if (o->what == kind::send) meet(c.sends[{me, o->peer}], c.receives[{me, o->peer}]);
    if (o->what == kind::receive) meet(c.sends[{o->peer, me}], c.receives[{o->peer, me}]);
    if (o->peer < 0) meet_all(c);
  }
}

/// Puts calls into their streams, one after the other for the GPU but for those of a group.
void start(std::vector<op_ptr> const& ops) {
  std::map<cudaStream_t, std::vector<op_ptr>> by_stream;
  for (op_ptr const& o : ops) {
    clique& c = *o->comm->with;
    int const me = o->comm->rank;
    if (o->what == kind::send)
      c.sends[{me, o->peer}].push_back(o);
    else if (o->what == kind::receive)
      c.receives[{o->peer, me}].push_back(o);
    else
      c.collectives[me].push_back(o);
    by_stream[o->stream].push_back(o);
  }
  for (auto const& [stream, all] : by_stream) {
    ++counted.kernels;
    if (is_capturing(stream)) report("the emulation captures no calls of NCCL");
    enqueue(stream, [ops_of = all] {
      arrive(ops_of);
      return cudaSuccess;
    });
    for (op_ptr const& o : all) enqueue_wait(stream, o->done);
  }
}

ncclResult_t submit(std::vector<op_ptr> const& ops) {
  std::vector<op_ptr> now;
  ncclResult_t result = ncclSuccess;
  for (op_ptr const& o : ops) {
    if (o->comm->blocking) {
      now.push_back(o);
    } else {
      o->comm->waiting.push_back(o);
      o->comm->state = result = ncclInProgress;
    }
  }
  start(now);
  return result;
}

ncclResult_t call(op o) {
  lock const held(calls());
  ncclComm const& c = *o.comm;
  if (c.aborted || c.finalised) return ncclInvalidUsage;
  if (c.state == ncclInProgress && depth == 0) {
    report("NCCL is called on a communicator that has not said that its last call is through");
    return ncclInvalidUsage;
  }
  if (o.peer >= c.with->ranks || o.peer < -1) return ncclInvalidArgument;
  if (o.peer == c.rank && depth == 0) return ncclInvalidUsage;
  if (device_of(o.stream) != c.device) return ncclInvalidArgument;
  if (o.count == 0 && o.peer >= 0) report("a message of NCCL is empty");
  auto const made = std::make_shared<op>(std::move(o));
  if (depth > 0) {
    grouped.push_back(made);
    return ncclSuccess;
  }
  return submit({made});
}

}  // namespace

nccl_counts foal::test::emulation::take_nccl_counts() {
  lock const held(calls());
  return std::exchange(counted, {});
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  lock const held(calls());
  *id = {};
  ++identities;
  std::memcpy(id->internal, &identities, sizeof identities);
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  lock const held(calls());
  *comm = nullptr;
  std::uint64_t identity = 0;
  std::memcpy(&identity, id.internal, sizeof identity);
  if (identity == 0 || identity > identities || ranks < 1 || rank < 0 || rank >= ranks) return ncclInvalidArgument;
  clique& c = cliques()[identity];
  int device = 0;
  if (cudaGetDevice(&device) != cudaSuccess) return ncclUnhandledCudaError;
  if (c.ranks != 0 && c.ranks != ranks) return ncclInvalidUsage;
  for (auto const& [other, member] : c.members)
    if (other == rank || member->device == device) return ncclInvalidUsage;  // "Duplicate GPU detected"
  c.ranks = ranks;
  ++counted.communicators;
  auto* const made = new ncclComm;
  made->with = &c;
  made->identity = identity;
  made->rank = rank;
  made->device = device;
  made->blocking = config == nullptr || config->blocking != 0;
  c.members[rank] = *comm = made;
  c.whole = c.whole || static_cast<int>(c.members.size()) == ranks;
  if (!made->blocking) return made->state = ncclInProgress;
  if (depth > 0) {
    joining.push_back(made);
    return ncclSuccess;
  }
  if (wait_until([made] { return is_whole(*made) || made->with->aborted; }) && !made->with->aborted) return ncclSuccess;
  return ncclRemoteError;
}
ncclResult_t ncclCommInitRank(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(comm, ranks, id, rank, nullptr);
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* error) {
  lock const held(calls());
  ncclComm& c = *comm;
  if (c.with->aborted && !c.aborted) c.state = ncclRemoteError;
  if (c.state == ncclInProgress) {
    if (is_whole(c) && random_below(3) == 0) {
      c.state = ncclSuccess;
      start(std::exchange(c.waiting, {}));
    } else {
      calls().pause();
    }
  }
  *error = c.state;
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  lock const held(calls());
  if (comm->aborted || comm->finalised) return ncclInvalidUsage;
  comm->finalised = true;
  return ncclSuccess;
}

namespace {

/// Takes a rank out; the last one takes its clique with it.
void leave(ncclComm_t comm) {
  clique& c = *comm->with;
  c.members.erase(comm->rank);
  if (c.members.empty()) cliques().erase(comm->identity);
  delete comm;
}

/// Ends what a rank has under way. Gives how much that was.
int give_up(ncclComm_t comm) {
  int ended = static_cast<int>(comm->waiting.size());
  auto const drop = [&](std::deque<op_ptr>& queue) {
    for (op_ptr const& o : queue) {
      if (o->comm != comm) continue;
      ++ended;
      if (o->arrived) end(*o);
    }
    queue.erase(std::remove_if(queue.begin(), queue.end(), [comm](op_ptr const& o) { return o->comm == comm; }),
                queue.end());
  };
  for (auto& [pair, queue] : comm->with->sends) drop(queue);
  for (auto& [pair, queue] : comm->with->receives) drop(queue);
  for (auto& [rank, queue] : comm->with->collectives) drop(queue);
  return ended;
}

}  // namespace

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  lock const held(calls());
  comm->aborted = comm->with->aborted = true;
  give_up(comm);
  finish_all();  // what is still in its streams ends, too
  leave(comm);
  return ncclSuccess;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  lock const held(calls());
  finish_all();
  if (give_up(comm) > 0) report("a communicator of NCCL is destroyed with calls that never met others");
  leave(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommCount(ncclComm_t comm, int* count) {
  *count = comm->with->ranks;
  return ncclSuccess;
}
ncclResult_t ncclCommUserRank(ncclComm_t comm, int* rank) {
  *rank = comm->rank;
  return ncclSuccess;
}
char const* ncclGetLastError(ncclComm_t) { return ""; }
char const* ncclGetErrorString(ncclResult_t result) {
  constexpr char const* names[] = {"no error",         "unhandled cuda error", "unhandled system error", "internal error",
                                   "invalid argument", "invalid usage",        "remote process exited",  "in progress"};
  return names[result];
}

ncclResult_t ncclGroupStart() {
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  lock const held(calls());
  if (depth == 0) return ncclInvalidUsage;
  if (--depth > 0) return ncclSuccess;
  auto const joined = std::exchange(joining, {});
  if (!wait_until([&] { return std::all_of(joined.begin(), joined.end(), [](ncclComm_t c) { return is_whole(*c); }); }))
    return ncclRemoteError;
  return submit(std::exchange(grouped, {}));
}

ncclResult_t ncclSend(void const* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  if (peer < 0) return ncclInvalidArgument;
  return call(
      {.what = kind::send, .from = from, .count = count, .type = type, .peer = peer, .comm = comm, .stream = stream});
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm, cudaStream_t stream) {
  if (peer < 0) return ncclInvalidArgument;
  return call({.what = kind::receive, .to = to, .count = count, .type = type, .peer = peer, .comm = comm, .stream = stream});
}
ncclResult_t ncclAllReduce(void const* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t, ncclComm_t comm,
                           cudaStream_t stream) {
  return call(
      {.what = kind::all_reduce, .from = from, .to = to, .count = count, .type = type, .comm = comm, .stream = stream});
}
ncclResult_t ncclReduceScatter(void const* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t,
                               ncclComm_t comm, cudaStream_t stream) {
  return call(
      {.what = kind::reduce_scatter, .from = from, .to = to, .count = count, .type = type, .comm = comm, .stream = stream});
}
ncclResult_t ncclAllGather(void const* from, void* to, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return call(
      {.what = kind::all_gather, .from = from, .to = to, .count = count, .type = type, .comm = comm, .stream = stream});
}
