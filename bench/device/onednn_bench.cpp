// device::onednn against device::host, one thread, float. onednn_bench [--json FILE] [--rounds N]
//
// Products as a linear layer of 512 x 512 and 784 x 512 asks for them at microbatch 8 and 64, the convolutions of ResNet-20
// at microbatch 8, and whole training (ResNet-20 in microbatches of 8; an MLP of four layers in microbatches of 8 and of
// 64). Figures are the host's time over that of the other, so above 1 the other is faster. Beside the device stand what it
// leaves out, measured without it: weights packed once ("packed"), and maps in oneDNN's own layout throughout ("blocked").
#include <foal/device/framed.hpp>
#include <foal/executor/drive.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/onednn.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/resnet.hpp>

#include "../support/outcome.hpp"

namespace {

using foal::device::host;
using foal::device::onednn;
using foal::device::window;
namespace ops = foal::device::onednn_ops;
using tag = dnnl::memory::format_tag;
using desc = dnnl::memory::desc;
constexpr auto f32 = dnnl::memory::data_type::f32;

/// n aligned floats, small numbers of both signs.
struct array {
  float* data;
  explicit array(long long n) : data(static_cast<float*>(host::allocate(static_cast<std::size_t>(n) * sizeof(float)))) {
    for (long long i = 0; i < n; ++i) data[i] = static_cast<float>((i * 7919) % 1009) / 1009 - 0.5F;
  }
  array(array const&) = delete;
  ~array() { host::release(data); }
};

template <class Device>
struct with_workspace {
  void* room = Device::allocate(Device::workspace_bytes);
  Device device{room};
  ~with_workspace() { Device::release(room); }
};

/// A oneDNN primitive with memory of its own for what is in no array of ours.
struct alone {
  dnnl::primitive what;
  std::unordered_map<int, dnnl::memory> operands;
  void run(dnnl::stream& on) { what.execute(on, operands); }
};

struct devices {
  with_workspace<host> of_host;
  with_workspace<onednn> of_onednn;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
};

/// Seconds of so many calls.
template <class F>
auto repeated(int times, F f) {
  return [times, f] {
    return bench::cpu_seconds_of([&] {
      for (int i = 0; i < times; ++i) f();
    });
  };
}

void products(bench::outcome& out, devices& d, int rounds, int samples, int in, int width) {
  array const x(1LL * samples * in), w(1LL * in * width), y(1LL * samples * width), dw(1LL * in * width);
  int const times = std::max(1, 200'000'000 / (samples * in * width) / 10);
  auto const packed = [&](bool transposed) {
    int const depth = transposed ? width : in, cols = transposed ? in : width;
    desc const a({samples, depth}, f32, tag::ab), b({depth, cols}, f32, tag::any), c({samples, cols}, f32, tag::ab);
    dnnl::matmul::primitive_desc const what({a, b, c}, ops::attributes(), d.engine);
    dnnl::memory const form(what.weights_desc(), d.engine);
    dnnl::memory plain({{depth, cols}, f32, transposed ? tag::ba : tag::ab}, d.engine, w.data);
    dnnl::reorder(plain, form).execute(d.stream, plain, const_cast<dnnl::memory&>(form));
    return alone{dnnl::matmul(what),
                 {{DNNL_ARG_SRC, {a, d.engine, transposed ? y.data : x.data}},
                  {DNNL_ARG_WEIGHTS, form},
                  {DNNL_ARG_DST, {c, d.engine, transposed ? x.data : y.data}},
                  {DNNL_ARG_SCRATCHPAD, {what.scratchpad_desc(), d.engine}}}};
  };
  alone forward = packed(false), backward = packed(true);
  auto const each = [&](char const* name, auto op, alone* best) {
    auto const t = bench::take_turns(rounds, repeated(times, [&] { op(d.of_host.device); }),
                                     repeated(times, [&] { op(d.of_onednn.device); }), repeated(times, [&] {
                                       if (best != nullptr) best->run(d.stream);
                                     }));
    std::string const title = std::string(name) + " " + std::to_string(samples) + " x " + std::to_string(in) + " x " +
                              std::to_string(width) + ": ";
    out.add(title + "host / onednn", bench::ratio_of(t[0], t[1]), "");
    if (best != nullptr) out.add(title + "host / packed", bench::ratio_of(t[0], t[2]), "");
  };
  each(
      "forward", [&](auto const& on) { on.product_nn(samples, width, in, x.data, w.data, y.data); }, &forward);
  each(
      "input gradient", [&](auto const& on) { on.product_nt(samples, in, width, y.data, w.data, x.data); }, &backward);
  each(
      "weight gradient", [&](auto const& on) { on.product_tn(in, width, samples, x.data, y.data, dw.data, true); }, nullptr);
}

void convolutions(bench::outcome& out, devices& d, int rounds, window g, int filters) {
  constexpr int samples = 8;
  array const x(1LL * samples * g.height * g.width * g.channels), w(1LL * g.depth() * filters),
      y(1LL * samples * g.positions() * filters), dx(1LL * samples * g.height * g.width * g.channels),
      dw(1LL * g.depth() * filters), scratch(foal::device::framed_elements(g, filters) + 1);
  int const times = std::max(1, 200'000'000 / (samples * g.positions() * g.depth() * filters) / 4);

  desc const in({samples, g.channels, g.height, g.width}, f32, tag::any),
      to({samples, filters, g.out_height(), g.out_width()}, f32, tag::any),
      weight({filters, g.channels, g.kernel, g.kernel}, f32, tag::any);
  dnnl::memory::dims const stride{g.stride, g.stride}, padding{g.padding, g.padding};
  auto const direct = dnnl::algorithm::convolution_direct;
  using forward_op = dnnl::convolution_forward;
  using input_op = dnnl::convolution_backward_data;
  using weight_op = dnnl::convolution_backward_weights;
  forward_op::primitive_desc const f(
      forward_op::desc(dnnl::prop_kind::forward_training, direct, in, weight, to, stride, padding, padding),
      ops::attributes(), d.engine);
  input_op::primitive_desc const b(input_op::desc(direct, in, weight, to, stride, padding, padding), ops::attributes(),
                                   d.engine, f);
  weight_op::primitive_desc const v(weight_op::desc(direct, in, weight, to, stride, padding, padding), ops::attributes(),
                                    d.engine, f);
  auto const filled = [&](desc const& what) {
    dnnl::memory m(what, d.engine);
    std::memset(m.get_data_handle(), 0, what.get_size());
    return m;
  };
  alone blocked[] = {{forward_op(f),
                      {{DNNL_ARG_SRC, filled(f.src_desc())},
                       {DNNL_ARG_WEIGHTS, filled(f.weights_desc())},
                       {DNNL_ARG_DST, filled(f.dst_desc())},
                       {DNNL_ARG_SCRATCHPAD, filled(f.scratchpad_desc())}}},
                     {input_op(b),
                      {{DNNL_ARG_DIFF_DST, filled(b.diff_dst_desc())},
                       {DNNL_ARG_WEIGHTS, filled(b.weights_desc())},
                       {DNNL_ARG_DIFF_SRC, filled(b.diff_src_desc())},
                       {DNNL_ARG_SCRATCHPAD, filled(b.scratchpad_desc())}}},
                     {weight_op(v),
                      {{DNNL_ARG_SRC, filled(v.src_desc())},
                       {DNNL_ARG_DIFF_DST, filled(v.diff_dst_desc())},
                       {DNNL_ARG_DIFF_WEIGHTS, filled(v.diff_weights_desc())},
                       {DNNL_ARG_SCRATCHPAD, filled(v.scratchpad_desc())}}}};

  std::string const title = std::to_string(g.channels) + " to " + std::to_string(filters) + ", " + std::to_string(g.height) +
                            " x " + std::to_string(g.width) + ", stride " + std::to_string(g.stride) + ", kernel " +
                            std::to_string(g.kernel) + ": ";
  std::vector<double> all[3];
  auto const each = [&](char const* name, auto op, alone& own) {
    auto const t =
        bench::take_turns(rounds, repeated(times, [&] { op(d.of_host.device); }),
                          repeated(times, [&] { op(d.of_onednn.device); }), repeated(times, [&] { own.run(d.stream); }));
    out.add(title + name + ", host / onednn", bench::ratio_of(t[0], t[1]), "");
    out.add(title + name + ", host / blocked", bench::ratio_of(t[0], t[2]), "");
    for (std::size_t i = 0; i < 3; ++i) {
      all[i].resize(t[i].size());
      for (std::size_t r = 0; r < t[i].size(); ++r) all[i][r] += t[i][r];
    }
  };
  each(
      "forward", [&](auto const& on) { on.convolve(g, filters, samples, x.data, w.data, y.data, scratch.data); },
      blocked[0]);
  each(
      "input gradient",
      [&](auto const& on) { on.convolve_gradient(g, filters, samples, y.data, w.data, dx.data, scratch.data); }, blocked[1]);
  each(
      "weight gradient",
      [&](auto const& on) { on.convolve_weight_gradient(g, filters, samples, x.data, y.data, dw.data, scratch.data); },
      blocked[2]);
  out.add(title + "all three, host / onednn", bench::ratio_of(all[0], all[1]), "");
  out.add(title + "all three, host / blocked", bench::ratio_of(all[0], all[2]), "");
}

struct mlp : foal::stages<foal::input<784>, foal::repeat<3, foal::linear<512>, foal::relu>, foal::linear<10>> {};

/// The same random minibatch again and again.
struct noise {
  int features = 0, samples = 0;
  void inputs(long long, float* x, float*) const {
    for (int i = 0; i < samples * features; ++i) x[i] = static_cast<float>((i * 7919LL) % 1009) / 1009 - 0.5F;
  }
  void targets(long long, std::int32_t* t) const {
    for (int i = 0; i < samples; ++i) t[i] = i % 10;
  }
};

template <class Net>
void training(bench::outcome& out, int rounds, char const* name, noise data, int microbatches, int minibatches) {
  auto const run = [&](auto type) {
    using trainer = typename decltype(type)::type;
    auto t = std::make_shared<trainer>(typename trainer::config{
        .microbatch_size = data.samples, .microbatches = microbatches, .lr = {.rate = 1e-5F}, .evaluation = false});
    return [t, data, minibatches] { return bench::cpu_seconds_of([&] { t->run(data, {.minibatches = minibatches}); }); };
  };
  using foal::loss::cross_entropy, foal::optim::momentum, foal::schedule::gpipe, foal::executor::single_thread;
  auto const t = bench::take_turns(
      rounds, run(std::type_identity<foal::trainer<Net, cross_entropy, gpipe, momentum, single_thread, foal::on<host>>>{}),
      run(std::type_identity<foal::trainer<Net, cross_entropy, gpipe, momentum, single_thread, foal::on<onednn>>>{}));
  out.add(std::string(name) + ": host / onednn", bench::ratio_of(t[0], t[1]), "");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("onednn_bench", options);
    foal::executor::pin_to_cpu(1);
    devices d;
    ops::one_thread const held;  // for what is measured without the device
    for (int const samples : {8, 64})
      for (int const in : {512, 784}) products(out, d, options.rounds, samples, in, 512);
    convolutions(out, d, options.rounds, {32, 32, 16, 3, 1, 1}, 16);
    convolutions(out, d, options.rounds, {32, 32, 16, 3, 2, 1}, 32);
    convolutions(out, d, options.rounds, {16, 16, 32, 3, 1, 1}, 32);
    convolutions(out, d, options.rounds, {16, 16, 32, 3, 2, 1}, 64);
    convolutions(out, d, options.rounds, {8, 8, 64, 3, 1, 1}, 64);
    convolutions(out, d, options.rounds, {16, 16, 32, 1, 2, 0}, 64);
    training<mlp>(out, options.rounds, "MLP, 8 microbatches of 8", {784, 8}, 8, 5);
    training<mlp>(out, options.rounds, "MLP, whole batch of 64", {784, 64}, 1, 10);
    training<foal::zoo::resnet20<>>(out, options.rounds, "ResNet-20, microbatches of 8", {3 * 32 * 32, 8}, 2, 1);
    return out.finish();
  });
}
