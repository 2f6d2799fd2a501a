// Where types end: layers, loss, optimizer, delay policy and device become function pointers over untyped memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <utility>

#include <foal/delay/concept.hpp>
#include <foal/layer/loss/result.hpp>
#include <foal/lower/table.hpp>
#include <foal/optim/concept.hpp>

namespace foal::lower {

/// A device as functions; `device` arguments are what make() gave. Sizes in bytes, except n: elements of the scalar type.
struct device_functions {
  std::size_t workspace_bytes = 0;
  bool host_memory = true;  ///< the host may read and write the device's memory
  void* (*allocate)(std::size_t bytes) = nullptr;
  void (*release)(void*) = nullptr;
  void* (*make)(void* workspace, std::size_t bytes) = nullptr;  ///< bytes: workspace_bytes
  void (*destroy)(void* device) = nullptr;
  void (*copy)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*copy_in)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*copy_out)(void* device, void* to, void const* from, std::size_t bytes) = nullptr;
  void (*zero)(void* device, void* to, std::size_t bytes) = nullptr;
  void (*synchronise)(void* device) = nullptr;
  void (*add)(void* device, std::size_t n, void const* a, void const* b, void* y) = nullptr;  ///< y = a + b; y may be a
  bool (*all_finite)(void* device, std::size_t n, void const* x) = nullptr;
  /// No magnitude is above it; NaN where an element is not finite, and nowhere else.
  double (*magnitude_bound)(void* device, std::size_t n, void const* x) = nullptr;
  double (*sum_of_squares)(void* device, std::size_t n, void const* x) = nullptr;
  /// From the scalar type to that of stored activations, and back; null where they are of one type.
  void (*narrow)(void* device, std::size_t n, void const* x, void* y) = nullptr;
  void (*widen)(void* device, std::size_t n, void const* x, void* y) = nullptr;
  /// Rows of `row` scalars to the scales of all rows, then their 8-bit integers, and back; null where wires are exact. error
  /// may be null.
  void (*quantise)(void* device, std::size_t rows, std::size_t row, void const* x, void* error, void* scale,
                   void* q) = nullptr;
  void (*dequantise)(void* device, std::size_t rows, std::size_t row, void const* scale, void const* q, void* y) = nullptr;
};

/// The loss of one microbatch; dx null in evaluation.
struct loss_call {
  void* device = nullptr;
  void const* loss = nullptr;
  shape in{};
  int samples = 0;
  foal::phase phase = phase::train;
  void const* x = nullptr;
  void const* targets = nullptr;
  double divide = 1;
  void* dx = nullptr;
};

/// What class numbers are there, before a loss sees them.
struct target_counts {
  long long counted = 0;  ///< those that the loss does not ignore
  long long misfit = -1;  ///< the first of them that is not 0 to classes - 1; -1: none
  long long value = 0;    ///< its number
};

struct loss_functions {
  loss::loss_result (*apply)(loss_call const&) = nullptr;
  int (*targets)(shape output) = nullptr;  ///< per sample of that shape
  /// Null: targets are no class numbers.
  target_counts (*count)(void const* targets, long long n, int classes) = nullptr;
  int targets_per_sample = 1;
  std::size_t target_bytes = 0;  ///< of one target
  double sample_weight = 1;      ///< weight of one sample
  bool has_accuracy = true;      ///< it counts correct targets
};

inline constexpr int most_states = 4;

/// U for one parameter: n elements.
struct update_call {
  void* device = nullptr;
  void const* optimizer = nullptr;
  void const* delay = nullptr;
  std::size_t n = 0;
  void* w = nullptr;
  void* g = nullptr;                  ///< the sum over the minibatch; U leaves it at zero
  void* states[most_states]{};        ///< the optimizer's
  void* delay_states[most_states]{};  ///< the delay policy's; null where the parameter has none
  bool compensate = false;            ///< the delay policy acts
  double divide = 1, scale = 1;       ///< gradient = g / divide * scale (clipping)
  double rate = 0;
  optim::parameter_rule rule{};
  long long update = 1;  ///< the stage's own count, from 1
  delay::moment moment{};
};

/// What is known of the magnitudes in a stage: the optimizer's, and those of the delay policy's states.
struct update_bounds : optim::magnitudes {
  double delay[most_states] = {};
};

/// u = f(w, states...) for one parameter: the weight that F or B reads.
struct weight_call {
  void* device = nullptr;
  void const* delay = nullptr;
  std::size_t n = 0;
  void const* w = nullptr;
  void* delay_states[most_states]{};
  void* u = nullptr;
  delay::moment moment{};
};

struct policy_functions {
  void (*update)(update_call const&) = nullptr;
  /// Turns bounds before an update into bounds after it; true: it leaves every number finite. Null: no bounds are known.
  bool (*bound)(update_call const&, update_bounds&) = nullptr;
  void (*forward_weight)(weight_call const&) = nullptr;   ///< null: F reads the weights as they are
  void (*backward_weight)(weight_call const&) = nullptr;  ///< null: B reads the weights as they are
  int optimizer_states = 0, delay_states = 0;
  bool delay_needs_lag = false;  ///< it acts only where B reads other weights than its F did
  bool delay_on_all = false;     ///< its states belong to every parameter, not only to those that B reads
};

namespace detail {

using foal::detail::reads_of;

template <class L, class D, class S>
struct layer_thunks {
  struct pointers;
  static context<D, S> make(layer_call const& c, pointers const& p) {
    context<D, S> ctx{*static_cast<D*>(c.device), c.in,     c.out, c.samples, c.microbatches, c.phase, c.random,
                      static_cast<S*>(c.scratch), p.buffers};
    if constexpr (reads_of<L>().count > 0) {
      ctx.read = p.read;
      ctx.read_gradient = p.read_gradient;
      ctx.read_shape = c.read_shape;
      ctx.read_bounds = c.read_bounds;
    }
    ctx.bounds = c.bounds;
    if constexpr (requires(shape in) { L::buffers(in); }) {
      ctx.refused = c.refused;
      ctx.first_buffer = c.first_buffer;
    }
    return ctx;
  }
  static saved<S> kept(layer_call const& c) {
    return {static_cast<S const*>(c.saved_x), static_cast<S const*>(c.saved_y), c.entry};
  }
  struct pointers {
    S const* w[most];
    S* dw[most];
    S* buffers[most];
    S const* read[most_reads];
    S* read_gradient[most_reads];
    explicit pointers(layer_call const& c) {
      for (int i = 0; i < most; ++i) {
        w[i] = static_cast<S const*>(c.w[i]);
        dw[i] = static_cast<S*>(c.dw[i]);
        buffers[i] = static_cast<S*>(c.buffers[i]);
      }
      for (int i = 0; i < most_reads; ++i) {
        read[i] = static_cast<S const*>(c.read[i]);
        read_gradient[i] = static_cast<S*>(c.read_gradient[i]);
      }
    }
  };

  static void forward(layer_call const& c) {
    pointers p(c);
    auto ctx = make(c, p);
    L::forward(ctx, static_cast<S const*>(c.x), weights<S const>{p.w}, static_cast<S*>(c.y), kept(c));
  }
  static void backward_input(layer_call const& c) {
    pointers p(c);
    auto ctx = make(c, p);
    L::backward_input(ctx, static_cast<S const*>(c.dy), weights<S const>{p.w}, kept(c), static_cast<S*>(c.dx));
  }
  static void backward_weight(layer_call const& c) {
    pointers p(c);
    auto ctx = make(c, p);
    L::backward_weight(ctx, static_cast<S const*>(c.dy), kept(c), weights<S>{p.dw});
  }
  static void backward(layer_call const& c) {
    pointers p(c);
    auto ctx = make(c, p);
    L::backward(ctx, static_cast<S const*>(c.dy), weights<S const>{p.w}, kept(c), static_cast<S*>(c.dx), weights<S>{p.dw});
  }

  static constexpr bool has_weight_gradient =
      requires(context<D, S>& ctx, S const* dy, saved<S> s, weights<S> dw) { L::backward_weight(ctx, dy, s, dw); };
  static constexpr bool is_fused = requires(context<D, S>& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx,
                                            weights<S> dw) { L::backward(ctx, dy, w, s, dx, dw); };
};

/// g / divide * scale, then the delay policy's gradient functor, the optimizer, the delay policy's after_update: one pass.
template <class S, class Optimize, class Gradient, class After, bool WithGradient, bool WithAfter>
struct fused_update {
  Optimize optimize;
  Gradient change;
  After after;
  S divide, scale;

  // Arrays in the order: w, g, optimizer states..., delay states...
  template <class... States, std::size_t... O, std::size_t... D>
  FOAL_HOST_DEVICE void run(std::index_sequence<O...>, std::index_sequence<D...>, S& w, S& g, States&... states) const {
    S* const all[] = {&w, &states...};
    S* const* const own = all + 1;
    S* const* const delayed = own + sizeof...(O);
    S const before = w;
    S gradient = g / divide * scale;
    if constexpr (WithGradient) gradient = change(gradient, before, static_cast<S const&>(*delayed[D])...);
    optimize(w, gradient, *own[O]...);
    if constexpr (WithAfter) after(before, static_cast<S>(w), *delayed[D]...);
    g = S(0);
    (void)own;
    (void)delayed;
  }
};

struct nothing {};

}  // namespace detail

/// The functions of a layer type on a device.
template <class L, class D, class S>
constexpr layer_functions functions_of() {
  using t = detail::layer_thunks<L, D, S>;
  layer_functions f;
  f.forward = &t::forward;
  f.backward_input = &t::backward_input;
  if constexpr (t::has_weight_gradient) f.backward_weight = &t::backward_weight;
  if constexpr (t::is_fused) f.backward = &t::backward;
  return f;
}

}  // namespace foal::lower
