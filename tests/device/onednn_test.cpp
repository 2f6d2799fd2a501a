// device::onednn, one op at a time: its numbers against the host's kernels, its table, its memory, its one thread.
#include <foal/device/contract.hpp>
#include <foal/device/onednn.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <filesystem>
#include <thread>
#include <vector>

#include "tests/support/layer_check.hpp"
#include "tests/support/sanitized.hpp"

using namespace foal::test;
using foal::device::onednn;
using foal::device::window;
namespace ops = foal::device::onednn_ops;

static_assert(foal::device::device<onednn>);

namespace {
thread_local bool counting = false;
int allocations = 0;
std::size_t largest_allocation = 0;

[[maybe_unused]] void count(std::size_t n) {
  if (!counting) return;
  ++allocations;
  largest_allocation = std::max(largest_allocation, n);
}
}  // namespace

// Every allocation of the program, oneDNN's too, passes here; a sanitizer owns these functions, so there nothing is counted.
#if !defined(FOAL_TEST_SANITIZED)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);

void* malloc(std::size_t n) {
  count(n);
  return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t size) {
  count(n * size);
  return __libc_calloc(n, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t n) {
  count(n);
  return __libc_memalign(alignment, n);
}
int posix_memalign(void** to, std::size_t alignment, std::size_t n) noexcept {
  count(n);
  *to = __libc_memalign(alignment, n);
  return *to == nullptr ? 12 : 0;
}
}
#endif

namespace {

struct onednn_device {
  void* workspace;
  onednn device;
  explicit onednn_device(std::size_t bytes = onednn::workspace_bytes)
      : workspace(onednn::allocate(bytes)), device(workspace, bytes) {}
  onednn_device(onednn_device const&) = delete;
  ~onednn_device() { onednn::release(workspace); }
};

/// Products by oneDNN of every kind and size, those too that the device leaves to the host's kernels because they are
/// faster; where oneDNN has no product without memory of its own, they are the host's here too.
class onednn_products {
 public:
  onednn_products() : workspace_(onednn::allocate(onednn::workspace_bytes)), library_(workspace_, onednn::workspace_bytes) {}
  onednn_products(onednn_products const&) = delete;
  ~onednn_products() { onednn::release(workspace_); }

  void product_nn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool add = false) const {
    if (!ops::multiply(library_, ops::product_kind::nn, rows, cols, depth, a, b, c, add))
      host_.device.product_nn(rows, cols, depth, a, b, c, add);
  }
  void product_nt(int rows, int cols, int depth, float const* a, float const* b, float* c, bool add = false) const {
    if (!ops::multiply(library_, ops::product_kind::nt, rows, cols, depth, a, b, c, add))
      host_.device.product_nt(rows, cols, depth, a, b, c, add);
  }
  void product_tn(int rows, int cols, int depth, float const* a, float const* b, float* c, bool add = false) const {
    if (!ops::multiply(library_, ops::product_kind::tn, rows, cols, depth, a, b, c, add))
      host_.device.product_tn(rows, cols, depth, a, b, c, add);
  }
  std::size_t primitives() const { return library_.primitives(); }
  std::size_t bytes_held() const { return library_.bytes_held(); }

 private:
  void* workspace_;
  host_device host_;
  mutable ops::library library_;
};

std::size_t elements(long long n) { return static_cast<std::size_t>(n); }

struct sizes {
  int rows, cols, depth;
};

/// The largest relative error of the three products, set and added to, against the host's.
template <class S, class Device>
double product_error(Device const& d, sizes n) {
  host_device host;
  auto const a = random_numbers<S>(elements(1LL * n.rows * n.depth), 1),
             b = random_numbers<S>(elements(1LL * n.depth * n.cols), 2),
             start = random_numbers<S>(elements(1LL * n.rows * n.cols), 3);
  double worst = 0;
  for (bool const add : {false, true}) {
    std::vector<S> nothing(start.size(), std::numeric_limits<S>::quiet_NaN());
    auto const compare = [&](auto product) {
      std::vector<S> c = add ? start : nothing, wanted = c;
      product(d, c.data());
      product(host.device, wanted.data());
      worst = std::max(worst, relative_error(c, wanted));
    };
    compare([&](auto const& on, S* c) { on.product_nn(n.rows, n.cols, n.depth, a.data(), b.data(), c, add); });
    compare([&](auto const& on, S* c) { on.product_nt(n.rows, n.cols, n.depth, a.data(), b.data(), c, add); });
    compare([&](auto const& on, S* c) { on.product_tn(n.rows, n.cols, n.depth, a.data(), b.data(), c, add); });
  }
  return worst;
}

template <class S>
struct maps {
  std::vector<S> y, dx, dw;
};

/// y, dx and dweight of a convolution; dweight starts at numbers other than 0, the others at NaN.
template <class S, class Device>
maps<S> convolved(Device const& d, window const& g, int filters, int samples) {
  std::size_t const in = elements(1LL * samples * g.height * g.width * g.channels),
                    out = elements(1LL * samples * g.positions() * filters), weights = elements(1LL * g.depth() * filters);
  auto const x = random_numbers<S>(in, 1), dy = random_numbers<S>(out, 2), w = random_numbers<S>(weights, 3);
  S const nan = std::numeric_limits<S>::quiet_NaN();
  maps<S> to{std::vector<S>(out, nan), std::vector<S>(in, nan), random_numbers<S>(weights, 4)};
  std::vector<S> scratch(elements(foal::device::framed_elements(g, filters)), nan);
  d.convolve(g, filters, samples, x.data(), w.data(), to.y.data(), scratch.data());
  d.convolve_gradient(g, filters, samples, dy.data(), w.data(), to.dx.data(), scratch.data());
  d.convolve_weight_gradient(g, filters, samples, x.data(), dy.data(), to.dw.data(), scratch.data());
  return to;
}

template <class S>
double convolution_error(onednn const& d, window const& g, int filters, int samples) {
  host_device host;
  auto const a = convolved<S>(d, g, filters, samples), b = convolved<S>(host.device, g, filters, samples);
  return std::max({relative_error(a.y, b.y), relative_error(a.dx, b.dx), relative_error(a.dw, b.dw)});
}

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

std::ptrdiff_t threads_of_this_process() {
  std::filesystem::directory_iterator const all("/proc/self/task");
  return std::distance(begin(all), end(all));
}

int openmp_threads() { return reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "omp_get_max_threads"))(); }
void set_openmp_threads(int n) { reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))(n); }

}  // namespace

TEST_CASE("onednn: products are the host's to rounding", "[onednn]") {
  onednn_device one;
  onednn_products all;
  foal_test::turns turns(2);
  for (int const rows : {1, 7, 8, 15, 16, 17, 31, 63, 64, 65, 130}) {
    if (rows % foal_test::repeats(1, 4) > 1) continue;
    for (auto const& [cols, depth] : {std::pair{1, 1}, {10, 512}, {33, 17}, {70, 300}, {130, 8}, {257, 65}, {16, 7}}) {
      if (!turns.take()) continue;
      CAPTURE(rows, cols, depth);
      CHECK(product_error<float>(one.device, {rows, cols, depth}) < 3e-6);
      CHECK(product_error<float>(all, {rows, cols, depth}) < 3e-6);
    }
  }
  // Only the matmul of AVX-512 is a primitive of each size.
  CHECK((all.primitives() > 100) == (ops::way_of_products() == ops::product_way::matmul));
  for (sizes const n : {sizes{512, 512, 784}, {300, 40, 2000}, {257, 9, 5000}}) {
    if (n.cols > foal_test::repeats(512, 9)) continue;
    CAPTURE(n.rows, n.depth);
    CHECK(product_error<float>(one.device, n) < 5e-6);
    CHECK(product_error<float>(all, n) < 5e-6);
  }
}

TEST_CASE("onednn: the way of products for every kind of processor, and whose memory an implementation takes", "[onednn]") {
  using dnnl::cpu_isa;
  using ops::product_way;
  for (cpu_isa const isa :
       {cpu_isa::avx512_core, cpu_isa::avx512_core_vnni, cpu_isa::avx512_core_bf16, cpu_isa::avx512_core_amx})
    CHECK(ops::way_of_products(isa) == product_way::matmul);
  for (cpu_isa const isa : {cpu_isa::avx, cpu_isa::avx2, cpu_isa::avx2_vnni})
    CHECK(ops::way_of_products(isa) == product_way::sgemm);
  for (cpu_isa const isa : {cpu_isa::sse41, cpu_isa::avx512_mic, cpu_isa::all})
    CHECK(ops::way_of_products(isa) == product_way::none);
  for (char const* name : {"gemm:jit", "x64:gemm:jit", "gemm:ref"}) CHECK(ops::takes_memory(name));
  for (char const* name :
       {"brg:avx512_core", "brgconv:avx512_core", "brgemm:avx512_core", "jit:avx2", "jit_1x1:sse41", "", "gemm"})
    CHECK_FALSE(ops::takes_memory(name));
}

TEST_CASE("onednn: of double, and where a size is 0, all is the host's to the bit", "[onednn]") {
  onednn_device one;
  CHECK(product_error<double>(one.device, {65, 33, 70}) == 0);
  CHECK(convolution_error<double>(one.device, {9, 7, 20, 3, 2, 1}, 5, 2) == 0);
  for (sizes const n : {sizes{0, 3, 4}, {3, 0, 4}, {64, 16, 0}, {0, 0, 0}}) CHECK(product_error<float>(one.device, n) == 0);
  CHECK(convolution_error<float>(one.device, {6, 6, 3, 3, 1, 1}, 4, 0) == 0);
  CHECK(one.device.primitives() == 0);
}

TEST_CASE("onednn: convolutions are the host's to rounding", "[onednn]") {
  onednn_device one;
  auto const error = [&](window const& g, int filters, int samples) {
    return convolution_error<float>(one.device, g, filters, samples);
  };
  // height, width, channels, kernel, stride, padding; filters, samples
  CHECK(error({8, 8, 16, 3, 1, 1}, 16, 3) < 1e-5);
  CHECK(error({8, 8, 16, 3, 2, 1}, 32, 3) < 1e-5);
  CHECK(error({7, 9, 3, 3, 1, 1}, 16, 2) < 1e-5);
  CHECK(error({9, 7, 20, 3, 2, 1}, 47, 2) < 1e-5);
  CHECK(error({4, 4, 130, 3, 1, 1}, 140, 3) < 1e-5);
  CHECK(error({4, 4, 600, 1, 1, 0}, 72, 2) < 1e-5);
  CHECK(error({6, 6, 12, 1, 2, 0}, 24, 3) < 1e-5);  // positions of dx that no window sees
  CHECK(error({11, 10, 4, 5, 3, 2}, 9, 2) < 1e-5);
  CHECK(error({5, 5, 2, 2, 3, 0}, 3, 2) < 1e-5);  // stride beyond the kernel
  CHECK(error({2, 3, 4, 3, 1, 2}, 5, 1) < 1e-5);  // padding beyond half the kernel
  CHECK(error({1, 1, 5, 3, 2, 1}, 1, 4) < 1e-5);
  CHECK(error({28, 28, 1, 5, 1, 0}, 6, 2) < 1e-5);
  CHECK(error({12, 12, 3, 7, 2, 3}, 64, 1) < 1e-5);
  CHECK(error({10, 12, 5, 2, 1, 1}, 7, 2) < 1e-5);  // even kernel
  CHECK(error({9, 9, 4, 4, 3, 1}, 8, 2) < 1e-5);    // the last row is seen by no window
  for (int const channels : {1, 3, 8, 16, 17, 32, 64})
    for (int const filters : {1, 15, 16, 48}) {
      CAPTURE(channels, filters);
      CHECK(error({6, 5, channels, 3, 1, 1}, filters, 2) < 1e-5);
      CHECK(error({6, 5, channels, 1, 1, 0}, filters, 2) < 1e-5);
    }
}

TEST_CASE("onednn: the same numbers again, with other ops in between and in another object", "[onednn]") {
  onednn_device one, other;
  window const g{9, 7, 20, 3, 2, 1};
  auto const first = convolved<float>(one.device, g, 47, 2);
  convolved<float>(one.device, {4, 4, 600, 3, 1, 1}, 600, 1);  // 600 * 600 * 9 weights: beyond the workspace
  CHECK(one.device.bytes_held() >= sizeof(float) * 600 * 600 * 9);
  product_error<float>(one.device, {65, 33, 70});
  auto const again = convolved<float>(one.device, g, 47, 2), elsewhere = convolved<float>(other.device, g, 47, 2);
  CHECK(other.device.bytes_held() == 0);
  for (auto const* o : {&again, &elsewhere}) {
    CHECK(same_bits(first.y, o->y));
    CHECK(same_bits(first.dx, o->dx));
    CHECK(same_bits(first.dw, o->dw));
  }
}

TEST_CASE("onednn: what it needs for a convolution is in the workspace that it asks for", "[onednn]") {
  struct layer {
    window g;
    int filters;
  };
  for (auto const& [g, filters] : {layer{{4, 4, 512, 3, 1, 1}, 512},
                                   {{4, 4, 512, 1, 1, 0}, 2048},
                                   {{6, 6, 1024, 1, 2, 0}, 500},
                                   {{9, 9, 3, 7, 2, 3}, 64},
                                   {{8, 8, 600, 3, 1, 1}, 600},
                                   {{8, 8, 17, 3, 1, 1}, 33},
                                   {{8, 8, 1, 5, 1, 2}, 6},
                                   {{5, 5, 700, 3, 2, 1}, 17}}) {
    if (g.depth() * filters > foal_test::repeats(1 << 30, 200'000)) continue;  // large weights are long in the making
    onednn_device one(onednn::workspace_for<float>({4, {g.kernel, g.kernel, g.channels, filters}}));
    convolved<float>(one.device, g, filters, 2);
    CAPTURE(g.channels, filters);
    CHECK(one.device.bytes_held() == 0);
  }
  static_assert(onednn::workspace_for<double>({4, {3, 3, 512, 512}}) == onednn::workspace_bytes);
}

TEST_CASE("onednn: more extents than the table holds", "[onednn]") {
  onednn_device one;
  host_device host;
  window const g{1, 2, 5, 1, 1, 0};
  constexpr int most = static_cast<int>(ops::library::most), filters = 3, samples = most + 100;
  std::size_t const maps = elements(samples * g.positions());
  auto const x = random_numbers<float>(maps * elements(g.channels), 1),
             weight = random_numbers<float>(elements(g.depth() * filters), 2);
  std::vector<float> y(maps * filters), wanted = y;
  bool right = true;
  for (int round = 0; round < 2; ++round)
    for (int n = 1; n <= samples; ++n) {
      one.device.convolve(g, filters, n, x.data(), weight.data(), y.data(), static_cast<float*>(nullptr));
      host.device.convolve(g, filters, n, x.data(), weight.data(), wanted.data(), static_cast<float*>(nullptr));
      right = right && relative_error(y, wanted) < 1e-6;
    }
  CHECK(right);
  CHECK(one.device.primitives() == elements(most));
}

TEST_CASE("onednn: an op that was done before allocates no memory but oneDNN's nodes for arguments", "[onednn]") {
  onednn_device one;
  onednn_products products;
  window const g{8, 8, 16, 3, 1, 1};
  std::size_t const n = 64 * 512;
  auto const a = random_numbers<float>(n, 1), b = random_numbers<float>(512 * 512, 2);
  std::vector<float> c(512 * 512), scratch(1 << 16);
  auto const& d = one.device;
  auto const all = [&] {
    products.product_nn(64, 512, 512, a.data(), b.data(), c.data());
    products.product_nt(64, 512, 512, a.data(), b.data(), c.data());
    products.product_tn(512, 512, 64, a.data(), b.data(), c.data(), true);
    d.convolve(g, 16, 4, a.data(), b.data(), c.data(), scratch.data());
    d.convolve_gradient(g, 16, 4, a.data(), b.data(), c.data(), scratch.data());
    d.convolve_weight_gradient(g, 16, 4, a.data(), b.data(), c.data(), scratch.data());
  };
  auto const counted = [](auto f) {
    allocations = 0;
    largest_allocation = 0;
    counting = true;
    f();
    counting = false;
    return allocations;
  };
  int const at_first = counted(all);
#if !defined(FOAL_TEST_SANITIZED)
  CHECK(at_first > 200);  // it makes the primitives; so the count works
#else
  CHECK(at_first == 0);
#endif
  CHECK(counted(all) < 100);  // nine primitives
  CHECK(largest_allocation <= 256);
  CHECK(products.bytes_held() == 0);
  auto const few_rows = [&] {
    d.product_nt(8, 512, 512, a.data(), b.data(), c.data());
    d.product_nn(8, 512, 512, a.data(), b.data(), c.data());
  };
  few_rows();
  CHECK(counted(few_rows) == 0);
  // Shapes for which oneDNN has no kernel of their own: a stride beyond the kernel, much padding; and many kinds of
  // channels.
  for (window const& odd : {window{5, 5, 2, 2, 3, 0},
                            {2, 3, 4, 3, 1, 2},
                            {1, 1, 5, 3, 2, 1},
                            {12, 12, 3, 7, 2, 3},
                            {9, 9, 4, 4, 3, 1},
                            {6, 5, 1, 1, 1, 0},
                            {6, 5, 64, 3, 1, 1}}) {
    auto const odd_ones = [&] {
      d.convolve(odd, 9, 2, a.data(), b.data(), c.data(), scratch.data());
      d.convolve_gradient(odd, 9, 2, a.data(), b.data(), c.data(), scratch.data());
      d.convolve_weight_gradient(odd, 9, 2, a.data(), b.data(), c.data(), scratch.data());
    };
    odd_ones();
    CAPTURE(odd.height, odd.kernel);
    CHECK(counted(odd_ones) < 100);
    CHECK(largest_allocation <= 256);
  }
}

TEST_CASE("onednn: products of sizes on both sides of oneDNN's own thresholds allocate no block", "[onednn]") {
  onednn_products products;
  onednn_device one;
  std::size_t const most = 1 << 21;
  auto const a = random_numbers<float>(most, 1), b = random_numbers<float>(most, 2);
  std::vector<float> c(most);
  for (int const rows : {1, 2, 8, 15, 16, 64, 255, 256, 257, 500})
    for (int const cols : {1, 10, 48, 384, 1000, 2048, 8192})
      for (int const depth : {1, 64, 384, 1024, 3000}) {
        if (elements(1LL * rows * cols) > most || elements(1LL * cols * depth) > most ||
            elements(1LL * rows * depth) > most || 1LL * rows * cols * depth > foal_test::repeats(20'000'000, 200'000))
          continue;
        auto const all = [&](auto const& d) {
          d.product_nn(rows, cols, depth, a.data(), b.data(), c.data());
          d.product_nt(rows, cols, depth, a.data(), b.data(), c.data());
          d.product_tn(rows, cols, depth, a.data(), b.data(), c.data());
        };
        all(products);
        all(one.device);
        largest_allocation = 0;
        counting = true;
        all(products);
        all(one.device);
        counting = false;
        CAPTURE(rows, cols, depth);
        CHECK(largest_allocation <= 256);
      }
  CHECK(products.bytes_held() == 0);
}

TEST_CASE("onednn: no thread is started, and OpenMP's settings stay as they were", "[onednn]") {
  std::ptrdiff_t const before = threads_of_this_process();
  int const mine = openmp_threads();
  set_openmp_threads(4);
  std::thread worker([&] {
    set_openmp_threads(3);
    onednn_device one;
    for (int i = 0; i < 3; ++i) {
      product_error<float>(one.device, {256, 256, 256});
      convolved<float>(one.device, {16, 16, 32, 3, 1, 1}, 32, 8);
    }
    CHECK(openmp_threads() == 3);
    CHECK(threads_of_this_process() == before + 1);
  });
  worker.join();
  CHECK(openmp_threads() == 4);
  // The test can fail: without the device, oneDNN takes the threads that it is allowed.
  auto const x = random_numbers<float>(512 * 512, 1);
  std::vector<float> y(512 * 512);
  dnnl::sgemm('N', 'N', 512, 512, 512, 1, x.data(), 512, x.data(), 512, 0, y.data(), 512);
  CHECK(threads_of_this_process() > before);
  set_openmp_threads(mine);
}
