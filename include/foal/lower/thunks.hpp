// The functions of a layer type, and the one pass of an update: templates that end as pointers in the tables.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include <foal/device/contract.hpp>
#include <foal/device/ops.hpp>
#include <foal/table/functions.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

using foal::detail::reads_of;

/// The device drops out for it, by the sample that it finds where it is.
template <class L>
constexpr bool drops_out() {
  return device::ops::detail::has_kind<device::ops::dropouts>(typename device::ops::detail::ops_of<L>::type{});
}
/// It draws by itself.
template <class L>
constexpr bool draws_itself() {
  if constexpr (requires { L::draws; }) {
    static_assert(!L::draws || !drops_out<L>(),
                  "foal: cannot call a layer that draws by itself and drops out by the device, because ctx.random is "
                  "without the sample for the latter; leave out its draws, and add *ctx.first_sample where it is not null");
    return L::draws;
  }
  return false;
}

template <class L, class D, class S>
struct layer_thunks {
  struct pointers;
  using own_context = context<D, S, drops_out<L>() || draws_itself<L>()>;
  static own_context make(layer_call const& c, pointers const& p) {
    own_context ctx{*static_cast<D*>(c.device), c.in, c.out, c.samples, c.microbatches, c.phase};
    if constexpr (drops_out<L>() || draws_itself<L>()) ctx.random = c.random;
    ctx.scratch = static_cast<S*>(c.scratch);
    ctx.buffers = p.buffers;
    if constexpr (reads_of<L>().count > 0) {
      ctx.read = p.read;
      ctx.read_gradient = p.read_gradient;
      ctx.read_shape = c.read_shape;
      ctx.read_bounds = c.read_bounds;
    }
    ctx.bounds = c.bounds;
    ctx.segment = c.segment;
    ctx.earlier = c.earlier;
    if constexpr (device::asynchronous<D>) ctx.first_sample = c.first_sample;
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
      requires(own_context& ctx, S const* dy, saved<S> s, weights<S> dw) { L::backward_weight(ctx, dy, s, dw); };
  static constexpr bool is_fused = requires(own_context& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx,
                                            weights<S> dw) { L::backward(ctx, dy, w, s, dx, dw); };
};

/// On an asynchronous device: a functor from its place in a unit's block, when the op is done.
template <class F>
struct from_block {
  static_assert(std::is_trivially_copyable_v<F>,
                "foal: cannot bring this functor to a device, because it is no plain bytes; leave out what it owns");
  std::size_t at;
  FOAL_HOST_DEVICE bool goes(void const*) const { return true; }
  FOAL_HOST_DEVICE F operator()(void const* block) const {
    return *reinterpret_cast<F const*>(static_cast<char const*>(block) + at);
  }
};
/// Of U, which writes nothing where the gradient is not finite, or larger than is known to be safe.
template <class F>
struct update_from_block : from_block<F> {
  FOAL_HOST_DEVICE bool goes(void const* block) const {
    auto const* const n = static_cast<step_numbers const*>(block);
    return n->bound <= n->limit;
  }
};

/// map(f), with f from the call's place in a block where there is one.
template <class From, class D, class Call, class F, class... Ps>
void map_numbers(D& device, Call const& c, F const& f, Ps*... p) {
  if constexpr (device::asynchronous<D>) {
    if (c.block != nullptr) return device.map_from(c.n, From{c.numbers}, c.block, p...);
  }
  device.map(c.n, f, p...);
}
template <class F>
void write_bytes(F const& f, void* to) {
  std::memcpy(to, &f, sizeof f);
}

/// g / divide * scale, then the delay policy's gradient functor, the optimizer, the delay policy's move and after_update:
/// one pass. Delays: see delay_functors. Sees: so many of the optimizer's states come after the delay policy's own.
template <class S, class Optimize, class Delays>
struct fused_update {
  Optimize optimize;
  typename Delays::functors of;
  S divide, scale;

  // Arrays in the order: w, g, optimizer states..., delay states...
  template <class T, class... States, std::size_t... O, std::size_t... D, std::size_t... Sees>
  FOAL_HOST_DEVICE void run(std::index_sequence<O...>, std::index_sequence<D...>, std::index_sequence<Sees...>, T& w, T& g,
                            States&... states) const {
    T* const all[] = {&w, &states...};
    T* const* const own = all + 1;
    T* const* const delayed = own + sizeof...(O);
    T const before = w;
    T gradient = g / divide * scale;
    if constexpr (Delays::with_gradient)
      gradient = of.gradient(gradient, before, static_cast<T const&>(*delayed[D])..., static_cast<T const&>(*own[Sees])...);
    optimize(w, gradient, *own[O]...);
    T const made = w;
    if constexpr (Delays::with_move)
      w = of.move(made, before, gradient, static_cast<T const&>(*delayed[D])..., static_cast<T const&>(*own[Sees])...);
    if constexpr (Delays::after_with_gradient)
      of.after(before, made, gradient, *delayed[D]..., static_cast<T const&>(*own[Sees])...);
    else if constexpr (Delays::with_after)
      of.after(before, made, *delayed[D]..., static_cast<T const&>(*own[Sees])...);
    g = T{};
    (void)own;
    (void)delayed;
  }
};

struct nothing {
  static constexpr bool in_registers = true;
};

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
  f.drops_out = detail::drops_out<L>();
  f.draws_itself = detail::draws_itself<L>();
  f.segments = device::ops::serve_segments<L, D, S>;
  if constexpr (requires { L::looks_late; }) f.looks_late = L::looks_late;
  return f;
}

}  // namespace foal::lower
