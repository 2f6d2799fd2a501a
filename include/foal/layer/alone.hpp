// Runs one layer alone from its contract, on the host, with every array of exactly the declared size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/layer/contract.hpp>

namespace foal::alone {

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

template <class Layer, class S>
concept has_fused_backward = requires(context<device::host, S>& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx,
                                      weights<S> dw) { Layer::backward(ctx, dy, w, s, dx, dw); };

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
      element const type = entries[i].type == element::scalar ? element_of<S>() : entries[i].type;
      kept.emplace_back(bytes_of(type, entries[i].elements.of(m)));
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

  /// The fused one, where the layer has it: dx, and adds to gradients.
  void backward()
    requires has_fused_backward<Layer, S>
  {
    auto ctx = make_context();
    spoil(dx);
    Layer::backward(ctx, static_cast<S const*>(dy.data()), constant_weights(), kept_for(until::B), dx.data(),
                    weights<S>{gradient_pointers.data()});
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

}  // namespace foal::alone
