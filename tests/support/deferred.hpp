// The host as a device whose ops are done later: each object has a queue with a thread of its own, real events, and memory
// that nobody but queues can touch.
#pragma once

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/core/denormals.hpp>
#include <foal/device/contract.hpp>
#include <foal/device/host.hpp>

namespace foal::test {

namespace detail {

/// Device addresses cannot be read or written: what they stand for lies `room` bytes behind. So a read by the host that is
/// no copy ends the test.
class device_space {
 public:
  static device_space& of_tests() {
    static device_space all;
    return all;
  }
  void* allocate(std::size_t bytes) {
    std::lock_guard const lock(guard_);
    if (blocks_++ == 0) used_ = 0;
    std::size_t const at = used_;
    used_ += (bytes + 4095) / 4096 * 4096;
    if (used_ > room) throw error("cannot allocate more for this test, because its device has 4 GiB; use a smaller net");
    return begin_ + at;
  }
  void release() {
    std::lock_guard const lock(guard_);
    --blocks_;
  }
  template <class T>
  T* real(T* p) const {
    auto const at = reinterpret_cast<std::uintptr_t>(p) - reinterpret_cast<std::uintptr_t>(begin_);
    return at <= room ? reinterpret_cast<T*>(reinterpret_cast<std::uintptr_t>(p) + room) : p;
  }

 private:
  static constexpr std::size_t room = std::size_t{4} << 30;
  device_space() {
    void* const all = mmap(nullptr, 2 * room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    require(all != MAP_FAILED, "cannot test, because the system gives no addresses");
    begin_ = static_cast<std::byte*>(all);
    require(mprotect(begin_ + room, room, PROT_READ | PROT_WRITE) == 0, "cannot test, because memory cannot be had");
  }
  std::byte* begin_ = nullptr;
  std::mutex guard_;
  std::size_t used_ = 0;
  long long blocks_ = 0;
};

/// Something that a queue will come to.
class mark {
 public:
  void reach() {
    {
      std::lock_guard const lock(guard_);
      reached_ = true;
      at_ = std::chrono::steady_clock::now();
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(guard_);
    changed_.wait(lock, [this] { return reached_; });
  }
  bool reached() {
    std::lock_guard const lock(guard_);
    return reached_;
  }
  std::chrono::steady_clock::time_point at() {
    std::lock_guard const lock(guard_);
    return at_;
  }

 private:
  std::mutex guard_;
  std::condition_variable changed_;
  bool reached_ = false;
  std::chrono::steady_clock::time_point at_;
};

}  // namespace detail

class deferred {
  using host = device::host;

 public:
  static constexpr bool asynchronous = true, host_memory = false;
  static constexpr std::size_t workspace_bytes = host::workspace_bytes;
  /// 0: queues run as they can. Else they wait now and then, by this seed.
  static inline std::atomic<unsigned> delays{0};
  static inline std::atomic<int> slow_copies{0};  ///< microseconds before each of a copy_queue
  static inline std::atomic<int> made{0};
  static inline std::atomic<long long> waits{0};  ///< of one queue for an event that was not there yet

  explicit deferred(void* workspace) : host_(detail::device_space::of_tests().real(workspace)), number_(made++) {
    thread_ = std::thread([this] { run(); });
  }
  deferred(deferred const&) = delete;
  deferred& operator=(deferred const&) = delete;
  ~deferred() {
    put([this] { ends_ = true; });
    thread_.join();
  }

  static void* allocate(std::size_t bytes) { return detail::device_space::of_tests().allocate(bytes); }
  static void release(void*) { detail::device_space::of_tests().release(); }
  static void* allocate_host(std::size_t bytes) { return host::allocate(bytes); }
  static void release_host(void* p) { host::release(p); }

  void copy(void* to, void const* from, std::size_t n) {
    put([=] { host::copy(real(to), real(from), n); });
  }
  void copy_in(void* to, void const* from, std::size_t n) {
    require(recording() == nullptr, "cannot copy from the host while a queue of this test is recorded");
    auto const* const first = static_cast<std::byte const*>(from);
    put([to, kept = std::vector<std::byte>(first, first + n)] { host::copy(real(to), kept.data(), kept.size()); });
  }
  void copy_back(void* to, void const* from, std::size_t n) {
    put([=] { host::copy(to, real(from), n); });
  }
  void copy_out(void* to, void const* from, std::size_t n) {
    copy_back(to, from, n);
    synchronise();
  }
  void zero(void* to, std::size_t n) {
    put([=] { host::zero(real(to), n); });
  }
  void synchronise() {
    require(recording() == nullptr, "cannot wait for a queue of this test while it is recorded");
    auto const here = std::make_shared<detail::mark>();
    put([here] { here->reach(); });
    here->wait();
  }

  /// What queues were asked for together, in the order of the calls, which is one that their events allow.
  struct recorded_ops {
    std::vector<std::function<void()>> ops;
    bool ended = false;
  };
  struct graph {
    std::shared_ptr<recorded_ops const> what;
  };
  static inline std::atomic<long long> calls{0};  ///< that are done, or launched
  /// n above 0: the n-th from here on of any object throws.
  static inline std::atomic<int> failing_begin{0}, failing_end{0}, failing_launch{0};

  void begin_recording() {
    require(recording_ == nullptr, "cannot record a queue of this test twice");
    fail_in_turn(failing_begin, "begin a recording");
    recording_ = std::make_shared<recorded_ops>();
  }
  graph end_recording() {
    require(recording_ != nullptr, "cannot end a recording that this queue of this test has not begun");
    recording_->ended = true;
    auto const all = std::exchange(recording_, nullptr);
    fail_in_turn(failing_end, "end a recording");
    return {all};
  }
  void launch(graph const& g) {
    fail_in_turn(failing_launch, "launch");
    put([what = g.what] {
      for (auto const& op : what->ops) op();
    });
  }

  struct event {
    std::shared_ptr<detail::mark> last;
    std::shared_ptr<recorded_ops> part_of;
  };
  void record(event& e) {
    e.part_of = recording();
    if (e.part_of != nullptr) return;
    auto const here = std::make_shared<detail::mark>();
    e.last = here;
    put([here] { here->reach(); });
  }
  void wait(event const& e) {
    if (e.part_of != nullptr) {
      require(!e.part_of->ended, "cannot wait for an event of a recording that is over in this test");
      require(recording() == nullptr || recording_ == e.part_of, "cannot wait for an event of another recording");
      recording_ = e.part_of;
      return;
    }
    require(recording() == nullptr, "cannot record that a queue of this test waits for what is not recorded");
    if (e.last == nullptr) return;
    put([before = e.last] {
      if (!before->reached()) ++waits;
      before->wait();
    });
  }
  /// A queue with a thread of its own.
  class copy_queue {
   public:
    explicit copy_queue(deferred&) : queue_(std::make_unique<deferred>(nullptr)) {}
    void copy_back(void* to, void const* from, std::size_t n) {
      take_time();
      queue_->copy_back(to, from, n);
    }
    void copy_ahead(void* to, void const* from, std::size_t n) {
      take_time();
      queue_->put([=] { host::copy(real(to), from, n); });
    }
    void record(event& e) { queue_->record(e); }
    void wait(event const& e) { queue_->wait(e); }

   private:
    void take_time() {
      if (int const us = slow_copies; us > 0)
        queue_->put([us] { std::this_thread::sleep_for(std::chrono::microseconds(us)); });
    }

    std::unique_ptr<deferred> queue_;
  };
  struct timed_event : event {};
  static double milliseconds(timed_event const& from, timed_event const& to) {
    return std::chrono::duration<double, std::milli>(to.last->at() - from.last->at()).count();
  }
  static bool done(event const& e) {
    require(e.part_of == nullptr, "cannot ask for an event of a recording in this test");
    return e.last == nullptr || e.last->reached();
  }
  static void finish(event const& e) {
    require(e.part_of == nullptr, "cannot wait for an event of a recording in this test");
    if (e.last != nullptr) e.last->wait();
  }

  template <class F, class... Ps>
  void map(std::size_t n, F f, Ps*... p) {
    put([=] { host::map(n, f, real(p)...); });
  }
  template <class Make, class... Ps>
  void map_from(std::size_t n, Make make, void const* block, Ps*... p) {
    put([=] {
      if (make.goes(real(block))) host::map(n, make(real(block)), real(p)...);
    });
  }
  template <class S>
  double sum_of_squares(std::size_t n, S const* x) {
    return value<double>([=] { return host::sum_of_squares(n, real(x)); });
  }
  template <class S>
  bool all_finite(std::size_t n, S const* x) {
    return value<bool>([=] { return host::all_finite(n, real(x)); });
  }
  template <class S>
  double magnitude_bound(std::size_t n, S const* x) {
    return value<double>([=] { return host::magnitude_bound(n, real(x)); });
  }
  template <class S>
  void magnitude_bound(std::size_t n, S const* x, double* to) {
    put([=] { *real(to) = host::magnitude_bound(n, real(x)); });
  }
  template <class S>
  void softmax_cross_entropy(int rows, int cols, S const* x, std::int32_t const* target, double smoothing, double divide,
                             S* dx, device::loss_sums* to) {
    put([=] { *real(to) = host::softmax_cross_entropy(rows, cols, real(x), real(target), smoothing, divide, real(dx)); });
  }
  template <class S>
  void mean_squared_error(int rows, int cols, S const* x, S const* target, double divide, S* dx, device::loss_sums* to) {
    put([=] { *real(to) = host::mean_squared_error(rows, cols, real(x), real(target), divide, real(dx)); });
  }
  template <class S>
  void dropout(int samples, int elements, random_key key, std::uint32_t threshold, S scale, S const* x, S* y,
               std::uint64_t const* first) {
    put([=] {
      random_key own = key;
      if (first != nullptr) own.sample += *real(first);
      host::dropout(samples, elements, own, threshold, scale, real(x), real(y));
    });
  }

  // The others are the host's as they are.
  template <class... A>
  void product_nn(A... a) {
    put([=, this] { host_.product_nn(real(a)...); });
  }
  template <class... A>
  void product_nt(A... a) {
    put([=, this] { host_.product_nt(real(a)...); });
  }
  template <class... A>
  void product_tn(A... a) {
    put([=, this] { host_.product_tn(real(a)...); });
  }
  template <class... A>
  void add_to_rows(A... a) {
    put([=] { host::add_to_rows(real(a)...); });
  }
  template <class... A>
  void sum_of_rows(A... a) {
    put([=] { host::sum_of_rows(real(a)...); });
  }
  template <class... A>
  void sums_of_rows_and_products(A... a) {
    put([=] { host::sums_of_rows_and_products(real(a)...); });
  }
  template <class... A>
  void convolve(A... a) {
    put([=, this] { host_.convolve(real(a)...); });
  }
  template <class... A>
  void convolve_gradient(A... a) {
    put([=, this] { host_.convolve_gradient(real(a)...); });
  }
  template <class... A>
  void convolve_weight_gradient(A... a) {
    put([=, this] { host_.convolve_weight_gradient(real(a)...); });
  }
  template <class... A>
  void moments(A... a) {
    put([=] { host::moments(real(a)...); });
  }
  template <class... A>
  void normalise(A... a) {
    put([=] { host::normalise(real(a)...); });
  }
  template <class... A>
  void normalise_gradient(A... a) {
    put([=] { host::normalise_gradient(real(a)...); });
  }

 private:
  template <class T>
  static T* real(T* p) {
    return detail::device_space::of_tests().real(p);
  }
  template <class T>
    requires(!std::is_pointer_v<T>)
  static T const& real(T const& value) {
    return value;
  }

  static void fail_in_turn(std::atomic<int>& left, char const* what) {
    if (left > 0 && --left == 0) throw error(sentence("cannot ", what, ", because this test is of that"));
  }

  /// Null: what is called is done.
  std::shared_ptr<recorded_ops> recording() {
    if (recording_ != nullptr && recording_->ended) recording_ = nullptr;
    return recording_;
  }

  void put(std::function<void()> op) {
    if (auto const all = recording(); all != nullptr) return all->ops.push_back(std::move(op));
    ++calls;
    {
      std::lock_guard const lock(guard_);
      ops_.push_back(std::move(op));
    }
    more_.notify_one();
  }
  template <class T, class F>
  T value(F f) {
    T result{};
    put([&] { result = f(); });
    synchronise();
    return result;
  }
  void run() {
    flushed_denormals const flushed;
    std::minstd_rand bits(delays + 7U * static_cast<unsigned>(number_) + 1U);
    for (;;) {
      std::function<void()> op;
      {
        std::unique_lock lock(guard_);
        more_.wait(lock, [this] { return !ops_.empty(); });
        op = std::move(ops_.front());
        ops_.pop_front();
      }
      if (delays != 0 && bits() % 16 == 0) std::this_thread::sleep_for(std::chrono::microseconds(bits() % 60));
      op();
      if (ends_) return;
    }
  }

  host host_;
  int number_;
  std::mutex guard_;
  std::condition_variable more_;
  std::deque<std::function<void()>> ops_;
  bool ends_ = false;
  std::shared_ptr<recorded_ops> recording_;
  std::thread thread_;
};

}  // namespace foal::test
