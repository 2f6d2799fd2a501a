// Runs one layer alone from its contract, with every array of exactly the declared size, and checks it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <utility>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/layer/contract.hpp>

namespace foal::test {

/// A device object with a workspace of its own.
struct host_device {
  void* workspace = device::host::allocate(device::host::workspace_bytes);
  device::host device{workspace};
  host_device() = default;
  host_device(host_device const&) = delete;
  ~host_device() { device::host::release(workspace); }
};

/// Numbers in [-1, 1), the same on every machine.
template <class S>
std::vector<S> random_numbers(std::size_t n, unsigned seed) {
  std::mt19937 bits(seed);
  std::vector<S> out(n);
  for (S& value : out) value = static_cast<S>(bits() >> 8U) * S(0x1p-23) - S(1);
  return out;
}

/// |a - b| / max(|b|, tiny), in the Euclidean norm; infinity for NaN or unequal lengths.
template <class A, class B>
double relative_error(A const& a, B const& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    double const d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  double const error = std::sqrt(difference) / std::max(std::sqrt(size), 1e-30);
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

template <class Layer>
constexpr list<parameter> parameters_of(shape in) {
  if constexpr (requires { Layer::parameters(in); }) return Layer::parameters(in);
  return {};
}
template <class Layer>
constexpr list<parameter> buffers_of(shape in) {
  if constexpr (requires { Layer::buffers(in); }) return Layer::buffers(in);
  return {};
}
template <class Layer>
constexpr list<kept_entry> kept_of(shape in) {
  if constexpr (requires { Layer::kept(in); }) return Layer::kept(in);
  return {};
}
template <class Layer>
constexpr amount scratch_of(shape in) {
  if constexpr (requires { Layer::scratch(in); }) return Layer::scratch(in);
  return {};
}
template <class Layer>
constexpr until input_kept_of() {
  if constexpr (requires { Layer::input_kept; }) return Layer::input_kept;
  return until::forward;
}
template <class Layer>
constexpr until output_kept_of() {
  if constexpr (requires { Layer::output_kept; }) return Layer::output_kept;
  return until::forward;
}
template <class Layer>
constexpr bool in_place_of() {
  if constexpr (requires { Layer::in_place; }) return Layer::in_place;
  return false;
}

/// One layer with its arrays. Whatever the layer may not rely on is overwritten with NaN (bytes 0xff) before a call:
/// outputs, scratch, and after B everything that it did not declare as kept until W.
template <class Layer, class S>
struct layer_run {
  using array = std::vector<S>;

  host_device host;
  shape in, out;
  int samples, microbatches = 1;
  foal::phase phase = foal::phase::train;
  random_key random{7, purpose::dropout, 3, 100};
  array x, y, dy, dx, scratch;
  std::vector<array> parameters, gradients, buffers;
  std::vector<std::vector<std::byte>> kept;
  std::vector<bool> kept_until_w;
  std::vector<S*> parameter_pointers, gradient_pointers, buffer_pointers;
  std::vector<S const*> constant_parameter_pointers;
  std::vector<void*> kept_pointers;
  // Other entries that the layer reads: added by read_also, in the order of its `reads`.
  std::vector<array> reads, read_gradients;
  std::vector<shape> read_shapes;
  std::vector<S const*> read_pointers;
  std::vector<S*> read_gradient_pointers;
  // Of a ragged microbatch: as many as `in` and the entries have positions, samples = 1.
  sample_bounds bounds{};
  std::vector<sample_bounds> read_bounds;

  layer_run(shape in_shape, int m, unsigned seed)
      : in(in_shape),
        out(Layer::output(in_shape)),
        samples(m),
        x(random_numbers<S>(count(in), seed)),
        y(count(out)),
        dy(random_numbers<S>(count(out), seed + 1)),
        dx(count(in)),
        scratch(static_cast<std::size_t>(scratch_of<Layer>(in_shape).of(m))) {
    list<parameter> const declared = parameters_of<Layer>(in);
    for (int i = 0; i < declared.size; ++i) {
      auto const n = static_cast<std::size_t>(declared[i].extent.size());
      parameters.push_back(random_numbers<S>(n, seed + 10 + static_cast<unsigned>(i)));
      gradients.emplace_back(n, S(0));
    }
    list<parameter> const statistics = buffers_of<Layer>(in);
    for (int i = 0; i < statistics.size; ++i) {
      buffers.emplace_back(static_cast<std::size_t>(statistics[i].extent.size()), static_cast<S>(statistics[i].start.value));
    }
    list<kept_entry> const entries = kept_of<Layer>(in);
    for (int i = 0; i < entries.size; ++i) {
      auto const bytes = entries[i].element_bytes == 0 ? sizeof(S) : static_cast<std::size_t>(entries[i].element_bytes);
      kept.emplace_back(static_cast<std::size_t>(entries[i].elements.of(m)) * bytes);
      kept_until_w.push_back(entries[i].last == until::W);
    }
    for (array& p : parameters) {
      parameter_pointers.push_back(p.data());
      constant_parameter_pointers.push_back(p.data());
    }
    for (array& g : gradients) gradient_pointers.push_back(g.data());
    for (array& b : buffers) buffer_pointers.push_back(b.data());
    for (auto& k : kept) kept_pointers.push_back(k.data());
  }

  /// Adds an entry that the layer reads; its gradient starts at 0.
  void read_also(shape extent, array values) {
    reads.push_back(std::move(values));
    read_gradients.emplace_back(count(extent), S(0));
    read_shapes.push_back(extent);
    read_pointers.clear();
    read_gradient_pointers.clear();
    for (array& r : reads) read_pointers.push_back(r.data());
    for (array& g : read_gradients) read_gradient_pointers.push_back(g.data());
  }

  std::size_t count(shape s) const { return static_cast<std::size_t>(samples) * static_cast<std::size_t>(s.size()); }

  context<device::host, S> make_context() {
    spoil(scratch);
    context<device::host, S> ctx{host.device,           in, out, samples, microbatches, phase, random, scratch.data(),
                                 buffer_pointers.data()};
    ctx.read = read_pointers.data();
    ctx.read_gradient = read_gradient_pointers.data();
    ctx.read_shape = read_shapes.data();
    ctx.bounds = bounds;
    if (!read_bounds.empty()) ctx.read_bounds = read_bounds.data();
    return ctx;
  }

  void forward() {
    auto ctx = make_context();
    spoil(y);
    for (auto& k : kept) spoil(k);
    Layer::forward(ctx, static_cast<S const*>(x.data()), constant_weights(), y.data(), kept_for(until::forward));
  }
  /// forward with the output over the input; gives the output.
  array forward_in_place() {
    auto ctx = make_context();
    array both = x;
    Layer::forward(ctx, static_cast<S const*>(both.data()), constant_weights(), both.data(), kept_for(until::forward));
    return both;
  }
  void backward_input() {
    auto ctx = make_context();
    spoil(dx);
    Layer::backward_input(ctx, static_cast<S const*>(dy.data()), constant_weights(), kept_for(until::B), dx.data());
  }
  /// backward_input with dx over dy; gives dx.
  array backward_input_in_place() {
    auto ctx = make_context();
    array both = dy;
    Layer::backward_input(ctx, static_cast<S const*>(both.data()), constant_weights(), kept_for(until::B), both.data());
    return both;
  }
  /// Adds to gradients, from what is kept until W.
  void backward_weight() {
    if constexpr (requires { Layer::parameters(in); }) {
      for (std::size_t i = 0; i < kept.size(); ++i) {
        if (!kept_until_w[i]) spoil(kept[i]);
      }
      auto ctx = make_context();
      Layer::backward_weight(ctx, static_cast<S const*>(dy.data()), kept_for(until::W),
                             weights<S>{gradient_pointers.data()});
    }
  }

  /// sum of dy * y after a forward, in double: the number whose gradient backward gives.
  double objective() {
    forward();
    double sum = 0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += static_cast<double>(dy[i]) * static_cast<double>(y[i]);
    return sum;
  }

  template <class T>
  static void spoil(std::vector<T>& v) {
    if (!v.empty()) std::memset(v.data(), 0xff, v.size() * sizeof(T));
  }

 private:
  weights<S const> constant_weights() const { return {constant_parameter_pointers.data()}; }
  saved<S> kept_for(until op) const {
    return {input_kept_of<Layer>() >= op && op != until::forward ? x.data() : nullptr,
            output_kept_of<Layer>() >= op && op != until::forward ? y.data() : nullptr, kept_pointers.data()};
  }
};

/// d objective / d v by central differences, v one of the run's own arrays.
template <class Run>
std::vector<double> numeric_gradient(Run& run, std::vector<double>& v, double step = 1e-5) {
  std::vector<double> out;
  for (double& value : v) {
    double const kept = value;
    value = kept + step;
    double const above = run.objective();
    value = kept - step;
    double const below = run.objective();
    value = kept;
    out.push_back((above - below) / (2 * step));
  }
  return out;
}

/// The largest relative error among dx and the gradients of all parameters, against central differences in double.
template <class Layer>
double gradient_error(shape in, int samples, unsigned seed) {
  layer_run<Layer, double> run(in, samples, seed);
  double worst = 0;
  auto const wanted_dx = numeric_gradient(run, run.x);
  std::vector<std::vector<double>> wanted;
  for (auto& p : run.parameters) wanted.push_back(numeric_gradient(run, p));
  run.forward();
  run.backward_input();
  run.backward_weight();
  worst = std::max(worst, relative_error(run.dx, wanted_dx));
  for (std::size_t i = 0; i < wanted.size(); ++i) worst = std::max(worst, relative_error(run.gradients[i], wanted[i]));
  // backward_weight adds, so a second call doubles.
  run.backward_weight();
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    for (double& value : wanted[i]) value *= 2;
    worst = std::max(worst, relative_error(run.gradients[i], wanted[i]));
  }
  return worst;
}

/// The largest relative error of a run in float against the same run in double: output, dx and gradients.
template <class Layer>
double float_error(shape in, int samples, unsigned seed) {
  layer_run<Layer, float> run(in, samples, seed);
  layer_run<Layer, double> exact(in, samples, seed);
  run.forward(), run.backward_input();
  exact.forward(), exact.backward_input();
  double worst = std::max(relative_error(run.y, exact.y), relative_error(run.dx, exact.dx));
  run.backward_weight(), exact.backward_weight();
  for (std::size_t i = 0; i < run.gradients.size(); ++i) {
    worst = std::max(worst, relative_error(run.gradients[i], exact.gradients[i]));
  }
  return worst;
}

/// Whether the layer gives the same bits with its output over its input and dx over dy.
template <class Layer, class S>
bool same_in_place(shape in, int samples, unsigned seed) {
  layer_run<Layer, S> run(in, samples, seed);
  run.forward();
  run.backward_input();
  auto const y = run.y, dx = run.dx;
  bool const same_y = std::memcmp(run.forward_in_place().data(), y.data(), y.size() * sizeof(S)) == 0;
  bool const same_dx = std::memcmp(run.backward_input_in_place().data(), dx.data(), dx.size() * sizeof(S)) == 0;
  return same_y && same_dx;
}

/// Whether a microbatch of all samples and microbatches of one sample each give the same y and dx, bit for bit.
template <class Layer, class S>
bool same_one_by_one(shape in, int samples, unsigned seed) {
  layer_run<Layer, S> all(in, samples, seed);
  all.forward();
  all.backward_input();
  bool same = true;
  for (int i = 0; i < samples; ++i) {
    layer_run<Layer, S> one(in, 1, seed);
    one.random.sample = all.random.sample + static_cast<std::uint64_t>(i);
    one.parameters = all.parameters;
    auto const at_in = static_cast<std::ptrdiff_t>(i) * in.size();
    auto const at_out = static_cast<std::ptrdiff_t>(i) * all.out.size();
    one.x.assign(all.x.begin() + at_in, all.x.begin() + at_in + in.size());
    one.dy.assign(all.dy.begin() + at_out, all.dy.begin() + at_out + all.out.size());
    for (std::size_t p = 0; p < one.parameters.size(); ++p) one.constant_parameter_pointers[p] = one.parameters[p].data();
    one.forward();
    one.backward_input();
    same = same && std::memcmp(one.y.data(), all.y.data() + at_out, one.y.size() * sizeof(S)) == 0;
    same = same && std::memcmp(one.dx.data(), all.dx.data() + at_in, one.dx.size() * sizeof(S)) == 0;
  }
  return same;
}

}  // namespace foal::test
