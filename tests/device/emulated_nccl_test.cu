// The emulated NCCL: ranks that are threads send, receive and add up, and what is done wrong is found.
#include <nccl.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "../support/emulation/flaws.hpp"
#include "../support/emulation/runtime.hpp"

namespace {

namespace emulation = foal::test::emulation;
using Catch::Matchers::Contains;

/// A rank of two: its GPU, stream, communicator and numbers on the GPU.
struct rank {
  int number;
  ncclComm_t comm = nullptr;
  cudaStream_t stream = nullptr;
  float *in = nullptr, *out = nullptr;
  static constexpr std::size_t room = 64;

  rank(int n, ncclUniqueId id, bool blocking = true) : number(n) {
    cudaSetDevice(n);
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMalloc(reinterpret_cast<void**>(&in), room * sizeof(float));
    cudaMalloc(reinterpret_cast<void**>(&out), room * sizeof(float));
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = blocking ? 1 : 0;
    made = ncclCommInitRankConfig(&comm, 2, id, n, &config);
  }
  rank(rank const&) = delete;
  ~rank() {
    if (comm != nullptr) ncclCommDestroy(comm);
    cudaStreamDestroy(stream);
    cudaFree(in);
    cudaFree(out);
  }

  void give(std::vector<float> const& values) const {
    cudaMemcpyAsync(in, values.data(), values.size() * sizeof(float), cudaMemcpyHostToDevice, stream);
  }
  std::vector<float> result(std::size_t n) const {
    std::vector<float> values(n);
    cudaMemcpyAsync(values.data(), out, n * sizeof(float), cudaMemcpyDeviceToHost, stream);
    cudaStreamSynchronize(stream);
    return values;
  }
  /// Until a call of one that does not block is through.
  ncclResult_t through() const {
    ncclResult_t state = ncclInProgress;
    for (int i = 0; i < 100000 && state == ncclInProgress; ++i) ncclCommGetAsyncError(comm, &state);
    return state;
  }

  ncclResult_t made = ncclSuccess;
};

ncclUniqueId identity() {
  emulation::set_devices(2);
  ncclUniqueId id;
  ncclGetUniqueId(&id);
  return id;
}

/// body(rank) on a thread for each of two ranks.
void on_both(std::function<void(rank&)> const& body, bool blocking = true) {
  ncclUniqueId const id = identity();
  std::vector<std::thread> threads;
  for (int n : {0, 1})
    threads.emplace_back([&, n] {
      rank r(n, id, blocking);
      body(r);
    });
  for (std::thread& t : threads) t.join();
}

std::vector<float> counted(std::size_t n, float first) {
  std::vector<float> all(n);
  for (std::size_t i = 0; i < n; ++i) all[i] = first + static_cast<float>(i);
  return all;
}

}  // namespace

TEST_CASE("emulated ranks send and receive in the order of their calls", "[cuda]") {
  std::vector<float> got;
  on_both([&got](rank& r) {
    for (int i = 0; i < 20; ++i) {
      if (r.number == 0) {
        r.give(counted(8, static_cast<float>(100 * i)));
        ncclSend(r.in, 8, ncclFloat32, 1, r.comm, r.stream);
      } else {
        ncclRecv(r.out, 8, ncclFloat32, 0, r.comm, r.stream);
        if (i % 3 == 0) got = r.result(8);
      }
    }
    cudaStreamSynchronize(r.stream);
    if (r.number == 1) got = r.result(8);
  });
  CHECK(got == counted(8, 1900));
}

TEST_CASE("emulated ranks that both send first need a group", "[cuda]") {
  std::vector<float> got[2];
  on_both([&got](rank& r) {
    r.give(counted(8, static_cast<float>(r.number * 10)));
    ncclGroupStart();
    ncclSend(r.in, 8, ncclFloat32, 1 - r.number, r.comm, r.stream);
    ncclRecv(r.out, 8, ncclFloat32, 1 - r.number, r.comm, r.stream);
    ncclGroupEnd();
    got[r.number] = r.result(8);
  });
  CHECK(got[0] == counted(8, 10));
  CHECK(got[1] == counted(8, 0));
}

TEST_CASE("emulated ranks collect", "[cuda]") {
  std::vector<float> sum[2], part[2], all[2];
  on_both([&](rank& r) {
    r.give(counted(8, static_cast<float>(r.number * 10)));
    ncclAllReduce(r.in, r.out, 8, ncclFloat32, ncclSum, r.comm, r.stream);
    sum[r.number] = r.result(8);
    ncclReduceScatter(r.in, r.out, 4, ncclFloat32, ncclSum, r.comm, r.stream);
    part[r.number] = r.result(4);
    ncclAllGather(r.in, r.out, 3, ncclFloat32, r.comm, r.stream);
    all[r.number] = r.result(6);
  });
  for (int n : {0, 1}) {
    CHECK(sum[n] == std::vector<float>{10, 12, 14, 16, 18, 20, 22, 24});
    CHECK(all[n] == std::vector<float>{0, 1, 2, 10, 11, 12});
  }
  CHECK(part[0] == std::vector<float>{10, 12, 14, 16});
  CHECK(part[1] == std::vector<float>{18, 20, 22, 24});
}

TEST_CASE("emulated ranks that do not block say when a call is through", "[cuda]") {
  std::vector<float> got;
  ncclResult_t made[2] = {ncclSuccess, ncclSuccess}, sent = ncclSuccess;
  on_both(
      [&](rank& r) {
        made[r.number] = r.made;
        if (r.through() != ncclSuccess) return;
        r.give(counted(4, 5));
        if (r.number == 0)
          sent = ncclSend(r.in, 4, ncclFloat32, 1, r.comm, r.stream);
        else
          ncclRecv(r.out, 4, ncclFloat32, 0, r.comm, r.stream);
        if (r.through() != ncclSuccess) return;
        if (r.number == 1)
          got = r.result(4);
        else
          cudaStreamSynchronize(r.stream);
      },
      false);
  CHECK(made[0] == ncclInProgress);
  CHECK(sent == ncclInProgress);
  CHECK(got == counted(4, 5));
}

TEST_CASE("an abort frees the stream that waits, and the other rank hears of it", "[cuda]") {
  ncclResult_t heard = ncclSuccess;
  on_both(
      [&heard](rank& r) {
        ncclResult_t const begun = r.through();
        if (r.number == 0) {
          ncclRecv(r.out, 4, ncclFloat32, 1, r.comm, r.stream);  // which nobody sends
          r.through();
          ncclCommAbort(r.comm);
          r.comm = nullptr;
          cudaStreamSynchronize(r.stream);
        } else {
          heard = begun;  // an error at once, where the other one was fast
          for (int i = 0; i < 100000 && heard == ncclSuccess; ++i) {
            ncclCommGetAsyncError(r.comm, &heard);
            std::this_thread::sleep_for(std::chrono::microseconds(100));
          }
        }
      },
      false);
  CHECK(heard == ncclRemoteError);
  emulation::take_flaws();  // what had not met others when its communicator went
}

TEST_CASE("what ranks of NCCL do wrong is found", "[cuda]") {
  on_both([](rank& r) {
    if (r.number == 0)
      ncclSend(r.in, 4, ncclFloat32, 1, r.comm, r.stream);
    else
      ncclRecv(r.out, 5, ncclFloat32, 0, r.comm, r.stream);
    cudaStreamSynchronize(r.stream);
  });
  auto flaws = emulation::take_flaws();
  REQUIRE(flaws.size() == 1);
  CHECK_THAT(flaws[0], Contains("has 4 elements where 5 are received"));

  on_both([](rank& r) {
    if (r.number == 0)
      ncclAllReduce(r.in, r.out, 4, ncclFloat32, ncclSum, r.comm, r.stream);
    else
      ncclAllGather(r.in, r.out, 4, ncclFloat32, r.comm, r.stream);
    cudaStreamSynchronize(r.stream);
  });
  flaws = emulation::take_flaws();
  REQUIRE(flaws.size() == 1);
  CHECK_THAT(flaws[0], Contains("ranks of NCCL do not do the same"));

  ncclResult_t wrong[2] = {ncclSuccess, ncclSuccess}, alone = ncclSuccess;
  on_both([&](rank& r) {
    wrong[r.number] = ncclSend(r.in, 4, ncclFloat32, 2, r.comm, r.stream);
    if (r.number == 0) alone = ncclSend(r.in, 4, ncclFloat32, 0, r.comm, r.stream);
    ncclSend(r.in, 4, ncclFloat32, 1 - r.number, r.comm, r.stream);
  });
  CHECK(wrong[0] == ncclInvalidArgument);
  CHECK(alone == ncclInvalidUsage);  // to itself, outside of a group
  flaws = emulation::take_flaws();
  REQUIRE(flaws.size() == 1);  // the same of both
  CHECK_THAT(flaws[0], Contains("destroyed with calls that never met others"));
}

TEST_CASE("two emulated ranks are not on one GPU", "[cuda]") {
  ncclUniqueId const id = identity();
  cudaSetDevice(0);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t first = nullptr, second = nullptr;
  CHECK(ncclCommInitRankConfig(&first, 2, id, 0, &config) == ncclInProgress);
  CHECK(ncclCommInitRankConfig(&second, 2, id, 1, &config) == ncclInvalidUsage);
  CHECK(ncclCommInitRankConfig(&second, 3, id, 2, &config) == ncclInvalidUsage);
  CHECK(second == nullptr);
  ncclCommDestroy(first);
}
