// Products and convolutions on the GPU in bfloat16: what is rounded, and what of them is too large for a room.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/device/ops.hpp>

#include "../support/cuda_convolutions.hpp"
#include "../support/cuda_products.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda_bf16;
namespace ops = foal::device::cuda_ops;
namespace kinds = foal::device::ops;

static_assert(kinds::products_with_rows::in<cuda_bf16, float> && kinds::products_with_rows::in<cuda_bf16, double>);
static_assert(kinds::convolutions::in<cuda_bf16, float> && kinds::convolutions::in<cuda_bf16, double>);

template <class T>
using on_gpu = array_on<cuda_bf16, T>;

/// Products with a stream that others may use.
struct open_products : ops::product_ops {
  using ops::memory::get;
  using ops::product_ops::product_ops;
};

/// Rooms of so many elements behind a workspace of the libraries.
struct small_rooms {
  void* memory = nullptr;
  ops::narrow_rooms rooms;
  small_rooms(std::size_t piece, std::size_t weights)
      : memory(open_products::allocate(open_products::product_workspace_bytes + 2 * (2 * piece + weights))) {
    auto* const own =
        reinterpret_cast<std::uint16_t*>(static_cast<std::byte*>(memory) + open_products::product_workspace_bytes);
    rooms = {own, own + piece, piece, own + 2 * piece, weights};
  }
  small_rooms(small_rooms const&) = delete;
  ~small_rooms() { open_products::release(memory); }
};

/// The distance of a product in parts from one of rounded factors in double.
double parts_apart(ops::product_shape p, std::size_t piece, std::size_t weights, bool with_row) {
  auto const at = [](int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); };
  auto const a = numbers<float>(at(p.rows, p.depth), 1), b = numbers<float>(at(p.depth, p.cols), 2),
             c = numbers<float>(at(p.rows, p.cols), 3), row = numbers<float>(at(1, p.cols), 4);
  small_rooms small(piece, weights);
  open_products by(small.memory, 0);
  array_on<open_products, float> x(by, a), y(by, b), z(by, c), r(by, row);
  ops::narrow_products(small.rooms)
      .run(by, by.get(), p, x.data(), y.data(), z.data(), with_row ? static_cast<float const*>(r.data()) : nullptr);
  auto const wide = [](std::vector<float> const& v) { return std::vector<double>(v.begin(), v.end()); };
  auto const x0 = wide(round_numbers{}(a)), y0 = wide(round_numbers{}(b)), r0 = wide(row);
  auto z0 = wide(c);
  auto const product = p.turned_a   ? &plain_device::product_tn<double>
                       : p.turned_b ? &plain_device::product_nt<double>
                                    : &plain_device::product_nn<double>;
  product(p.rows, p.cols, p.depth, x0.data(), y0.data(), z0.data(), p.accumulate);
  if (with_row) plain_device::add_to_rows(p.rows, p.cols, r0.data(), z0.data());
  return distance(wide(z.values()), z0);
}

}  // namespace

TEST_CASE("products in bfloat16 are those of rounded factors, and near the whole ones", "[cuda]") {
  for (product_sizes const n : product_shapes) {
    CAPTURE(n.rows, n.cols, n.depth);
    for (std::size_t const by : {std::size_t{0}, std::size_t{1}}) {
      CHECK(products_apart<float, cuda_bf16>(n, by) < 1e-2);
      CHECK(products_apart<float, cuda_bf16>(n, by, round_numbers{}) < 1e-6);
    }
    CHECK(products_apart<double, cuda_bf16>(n, 0) < 1e-13);
  }
  CHECK(products_apart<float, cuda_bf16>(product_shapes[1], 0) > 1e-4);
}

TEST_CASE("a product in bfloat16 that has no room at once is done in parts", "[cuda]") {
  struct size {
    ops::product_shape of;
    std::size_t piece, weights;
  };
  // rows, cols, depth, turned a, turned b; the last of each needs no parts.
  for (size const& s :
       {size{{20, 11, 33}, 128, 4096}, size{{20, 11, 33}, 4096, 16 * 10}, size{{20, 11, 33}, 64, 16 * 9},
        size{{7, 40, 25}, 32, 40}, size{{20, 11, 33}, 4096, 4096}, size{{20, 11, 33, false, true}, 128, 4096},
        size{{20, 11, 33, false, true}, 4096, 11 * 16}, size{{9, 30, 50, false, true}, 64, 30 * 8},
        size{{9, 30, 50, false, true}, 4096, 4096}, size{{20, 11, 33, true}, 24 * 10, 8}, size{{20, 11, 33, true}, 24, 8},
        size{{20, 11, 33, true}, 24 * 33, 8}}) {
    CAPTURE(s.of.rows, s.of.cols, s.of.depth, s.of.turned_a, s.of.turned_b, s.piece, s.weights);
    for (bool const accumulate : {false, true}) {
      ops::product_shape p = s.of;
      p.accumulate = accumulate;
      CHECK(parts_apart(p, s.piece, s.weights, false) < 1e-6);
    }
    CHECK(parts_apart(s.of, s.piece, s.weights, true) < 1e-6);
  }
  CHECK_THROWS_WITH(parts_apart({20, 11, 33}, 4096, 8, false),
                    Catch::Contains("cannot multiply 20 x 33 by 33 x 11 in bfloat16, because a row of a factor has no "
                                    "place in the 16 bytes for it; make the device with the bytes that workspace_for"));
}

TEST_CASE("products in bfloat16 of nothing are nothing, what was there, or the row", "[cuda]") {
  check_products_of_nothing<cuda_bf16>();
}

TEST_CASE("convolutions in bfloat16 are those of rounded factors, and near the whole ones", "[cuda]") {
  for (convolution_problem const& p : convolution_problems) {
    CAPTURE(p.g.height, p.g.width, p.g.channels, p.g.kernel, p.g.stride, p.g.padding, p.filters, p.samples);
    CHECK(convolutions_apart<float, cuda_bf16>(p) < 1e-2);
    CHECK(convolutions_apart<float, cuda_bf16>(p, 0, round_numbers{}) < 4e-3);  // what their results are rounded by
    CHECK(convolutions_apart<double, cuda_bf16>(p) < 1e-13);
  }
  CHECK(convolutions_apart<float, cuda_bf16>(convolution_problems[3], 1) < 1e-2);
  CHECK(convolutions_apart<float, cuda_bf16>(convolution_problems[0]) > 1e-4);
  CHECK(convolutions_apart<float, cuda_bf16>(convolution_problems[4], 0, round_numbers{}) < 1e-6);  // one position
}

TEST_CASE("samples that have no room at once are convolved in bfloat16 some at a time", "[cuda]") {
  convolution_problem const p{{5, 4, 3, 3, 1, 1}, 6, 5};  // 60 numbers a sample to 120
  auto const e = elements_of(p.g, p.filters, p.samples);
  auto const x = numbers<float>(e.x, 1), w = numbers<float>(e.weights, 2), dy = numbers<float>(e.y, 3);
  auto const wide = [](std::vector<float> const& v) { return std::vector<double>(v.begin(), v.end()); };
  auto const x0 = wide(x), w0 = wide(w), dy0 = wide(dy);
  std::vector<double> y0(e.y), dx0(e.x), dw0(e.weights);
  plain_convolve(p.g, p.filters, p.samples, x0.data(), w0.data(), y0.data());
  plain_convolve_gradient(p.g, p.filters, p.samples, dy0.data(), w0.data(), dx0.data());
  plain_convolve_weight_gradient(p.g, p.filters, p.samples, x0.data(), dy0.data(), dw0.data());
  for (std::size_t const piece : {std::size_t{2 * 120}, std::size_t{5 * 120}, std::size_t{112}}) {
    small_rooms small(piece, 168);
    open_products by(small.memory, 0);
    ops::narrow_convolver convolver(small.memory, std::size_t{1} << 20U, small.rooms);
    array_on<open_products, float> in(by, x), weight(by, w), out(by, dy), y(by, std::vector<float>(e.y)),
        dx(by, std::vector<float>(e.x)), dw(by, std::vector<float>(e.weights));
    bool const fits = piece >= 120;
    CHECK(convolver.forward(by.get(), p.g, p.filters, p.samples, in.data(), weight.data(), y.data()) == fits);
    CHECK(convolver.input_gradient(by.get(), p.g, p.filters, p.samples, out.data(), weight.data(), dx.data()) == fits);
    CHECK(convolver.weight_gradient(by.get(), p.g, p.filters, p.samples, in.data(), out.data(), dw.data()) == fits);
    if (!fits) continue;
    CHECK(distance(wide(y.values()), y0) < 1e-2);
    CHECK(distance(wide(dx.values()), dx0) < 1e-2);
    CHECK(distance(wide(dw.values()), dw0) < 1e-2);
  }
}

TEST_CASE("weights keep their form in bfloat16 until they change", "[cuda]") {
  convolution_problem const p{{5, 4, 3, 3, 1, 1}, 6, 2};
  auto const e = elements_of(p.g, p.filters, p.samples);
  int const rows = 9, cols = 11, depth = 13;
  auto const kernel = numbers<float>(e.weights, 1), matrix = numbers<float>(depth * cols, 2);
  std::vector<float> weights(192 + matrix.size());
  std::copy(kernel.begin(), kernel.end(), weights.begin());
  std::copy(matrix.begin(), matrix.end(), weights.begin() + 192);
  with_workspace<cuda_bf16> gpu;
  auto const needed = static_cast<std::size_t>(cuda_bf16::form_elements<float>({4, {3, 3, 3, 6}}) +
                                               cuda_bf16::form_elements<float>({2, {depth, cols, 1, 1}}));
  CHECK(cuda_bf16::form_elements<float>({1, {cols, 1, 1, 1}}) == 0);
  on_gpu<float> w(gpu.device, weights), x(gpu.device, numbers<float>(e.x, 3)),
      a(gpu.device, numbers<float>(rows * depth, 4)), y(gpu.device, std::vector<float>(e.y)),
      c(gpu.device, std::vector<float>(rows * cols)), d(gpu.device, std::vector<float>(rows * depth)),
      dc(gpu.device, numbers<float>(rows * cols, 5));
  on_gpu<std::uint16_t> room(gpu.device, std::vector<std::uint16_t>(needed));
  auto const results = [&] {
    float const* const at = w.data();
    gpu.device.convolve(p.g, p.filters, p.samples, static_cast<float const*>(x.data()), at, y.data(),
                        static_cast<float*>(nullptr));
    gpu.device.product_nn(rows, cols, depth, static_cast<float const*>(a.data()), at + 192, c.data(), false);
    gpu.device.product_nt(rows, depth, cols, static_cast<float const*>(dc.data()), at + 192, d.data(), false);
    return std::vector{y.values(), c.values(), d.values()};
  };
  auto const write = [&](std::vector<float> const& values) {
    gpu.device.copy_in(w.data(), values.data(), values.size() * sizeof(float));
  };
  auto const before = results();
  std::vector<float> twice(weights);
  for (float& v : twice) v *= 2;
  write(twice);
  auto const after = results();
  for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] != before[i]);
  write(weights);
  for (std::size_t const bytes : {2 * needed, std::size_t{8}}) {  // all, and none: they have no room
    gpu.device.keep_forms(w.data(), weights.size() * sizeof(float), room.data(), bytes);
    CHECK(results() == before);
    write(twice);
    CHECK(results() == (bytes == 8 ? after : before));  // nobody has said it
    gpu.device.weights_changed();
    CHECK(results() == after);
    gpu.device.begin_recording();
    gpu.device.product_nn(rows, cols, depth, static_cast<float const*>(a.data()), static_cast<float const*>(w.data()) + 192,
                          c.data(), false);
    auto const recorded = gpu.device.end_recording();
    write(weights);
    gpu.device.launch(recorded);
    CHECK(c.values() == before[1]);  // what is recorded rounds by itself
    gpu.device.weights_changed();
  }
}

TEST_CASE("the workspace for bfloat16 has a place for the weights of a model", "[cuda]") {
  auto const bytes = [](foal::shape s) { return cuda_bf16::workspace_for<float>(s); };
  CHECK(bytes({2, {3, 5, 1, 1}}) == cuda_bf16::workspace_bytes);
  CHECK(bytes({2, {1000, 4001, 1, 1}}) - bytes({2, {1000, 4000, 1, 1}}) == 2 * 8 * 1000);  // rows begin on 16 bytes
  CHECK(bytes({4, {3, 3, 512, 1024}}) - foal::device::cuda::workspace_for<float>({4, {3, 3, 512, 1024}}) ==
        cuda_bf16::workspace_bytes - foal::device::cuda::workspace_bytes);
}

TEST_CASE("what bfloat16 computes has the same bits twice, and exact() is device::cuda's", "[cuda]") {
  for (convolution_problem const& p : {convolution_problems[0], convolution_problems[3], convolution_problems[4]}) {
    auto const one = convolved_on_the_gpu<float, cuda_bf16>(p), other = convolved_on_the_gpu<float, cuda_bf16>(p);
    CHECK(one.y == other.y);
    CHECK(one.dx == other.dx);
    CHECK(one.dw == other.dw);
  }
  int const n = 33;
  auto const a = numbers<float>(n * n, 1);
  with_workspace<cuda_bf16> gpu;
  with_workspace<foal::device::cuda> whole;
  on_gpu<float> x(gpu.device, a), y(gpu.device, a), z(gpu.device, a);
  array_on<foal::device::cuda, float> x0(whole.device, a), z0(whole.device, a);
  float const* const in = x.data();
  gpu.device.exact().product_nn(n, n, n, in, in, y.data(), false);
  gpu.device.product_nn(n, n, n, in, in, z.data(), false);
  whole.device.product_nn(n, n, n, static_cast<float const*>(x0.data()), static_cast<float const*>(x0.data()), z0.data(),
                          false);
  CHECK(y.values() == z0.values());
  CHECK(z.values() != z0.values());
}
