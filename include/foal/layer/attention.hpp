// Multi-head attention without its projections: linear layers before and after it are stages of their own.
#pragma once

#include <type_traits>

#include <foal/core/type_list.hpp>
#include <foal/device/attention.hpp>
#include <foal/device/ops.hpp>
#include <foal/layer/contract.hpp>
#include <foal/layer/samples.hpp>

namespace foal {

/// Which keys a query sees: all, or those up to its own position.
enum class mask { none, causal };

namespace detail {

/// The entries that an attention reads, as type_list: Memory and Lengths where they are not void.
template <class... Tags>
using tags_of = concat<std::conditional_t<std::is_void_v<Tags>, type_list<>, type_list<Tags>>...>;

/// One number a sample.
constexpr bool is_length(shape s) { return s.size() == 1; }

}  // namespace detail

/// Self-attention: softmax(q k^T / sqrt(d / Heads)) v in each of Heads heads. x [T, 3 d] holds q, k and v side by side, the
/// channels of a head together in each; y [T, d]. With a tag Lengths the keys from that entry's number on (one a sample) are
/// masked; a query without a key gives 0. Keeps its input, its output, and per head and query two statistics of the softmax:
/// backward makes the probabilities again from the kept q and k. A causal one takes sequences in segments: queries see the
/// inputs of earlier segments, whose gradients of k and v it carries.
template <int Heads, mask Mask = mask::none, class Lengths = void>
struct attention {
  static_assert(Heads > 0, "cannot make an attention layer without heads; give Heads >= 1");
  static constexpr char const* name = "attention";
  using ops = type_list<device::ops::attentions>;
  using segment_ops = type_list<device::ops::attentions_in_segments>;
  static constexpr bool ragged = true, segmented = Mask == mask::causal;
  static constexpr until input_kept = until::B, output_kept = until::B, reads_kept = until::B;
  using reads = detail::tags_of<Lengths>;

  static constexpr bool accepts(shape in) { return in.rank == 2 && in.channels() % (3 * Heads) == 0; }
  static constexpr bool accepts_read(int, shape, shape other) { return detail::is_length(other); }
  static constexpr shape output(shape in) { return with_channels(in, in.channels() / 3); }
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, device::attention_kept(Heads, in.positions())}, until::B}};
  }
  /// What later segments add to the gradients of k and v.
  static constexpr list<kept_entry> carried(shape in) { return {kept_entry{{0, in.size() / 3 * 2}, until::B}}; }
  static constexpr amount scratch(shape in) { return {device::attention_scratch(in.channels() / 3 / Heads), 0}; }
  /// The two products; a causal mask halves neither.
  static constexpr long long flops(shape in) { return 4LL * in.positions() * in.positions() * (in.channels() / 3); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S> s) {
    auto const n = sizes_of(ctx);
    S* const kept = ctx.phase == phase::evaluate ? nullptr : s.at(0);
    if constexpr (in_segments<C, S>)
      if (ctx.segment.cut())
        return ctx.device.attention_forward(n, part(n, x, 0), parts(ctx, n, x, 1), parts(ctx, n, x, 2), lengths<C, S>(ctx),
                                            y, kept, ctx.scratch);
    ctx.device.attention_forward(n, part(n, x, 0), part(n, x, 1), part(n, x, 2), lengths<C, S>(ctx), y, kept, ctx.scratch);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    auto const n = sizes_of(ctx);
    if constexpr (in_segments<C, S>)
      if (ctx.segment.cut()) return backward_in_segments(ctx, n, dy, s, dx);
    ctx.device.attention_backward(n, part(n, s.x, 0), part(n, s.x, 1), part(n, s.x, 2), lengths<C, S>(ctx), s.y,
                                  static_cast<S const*>(s.at(0)), dy, part(n, dx, 0), part(n, dx, 1), part(n, dx, 2), false,
                                  ctx.scratch);
  }

 private:
  static constexpr int carried_entry = 1;  ///< of saved, behind the statistics; ctx.earlier has x before both

  template <class C>
  static device::attention_sizes sizes_of(C const& ctx) {
    int const positions = ctx.in.positions(), before = ctx.segment.cut() ? ctx.segment.first() : 0;
    return {samples_of(ctx),      positions,  before + positions, Heads, ctx.out.channels(),
            Mask == mask::causal, ctx.bounds, ctx.bounds,         before};
  }
  template <class C, class S>
  static constexpr bool in_segments =
      Mask == mask::causal && device::ops::attentions_in_segments::in<typename C::device_type, S>;

  /// k (1) or v (2) of the segments up to the one at hand, whose input is x.
  template <class C, class S>
  static device::segment_rows<S const> parts(C const& ctx, device::attention_sizes const& n, S const* x, int which) {
    auto const own = part(n, x, which);
    return {ctx.segment, ctx.earlier.at, ctx.earlier.step, which * n.width, 3 * n.width, own};
  }
  /// The gradient of k (0) or v (1): what the entry carries of earlier segments, dx of the one at hand.
  template <class C, class S>
  static device::segment_rows<S> gradients(C const& ctx, device::attention_sizes const& n, S* dx, int which) {
    auto const own = part(n, dx, 1 + which);
    return {ctx.segment, ctx.earlier.at + 1 + carried_entry, ctx.earlier.step, which * n.width, 2 * n.width, own};
  }
  /// The last segment comes first, and begins what is carried; each takes what later ones have carried to it.
  template <class C, class S>
  static void backward_in_segments(C& ctx, device::attention_sizes const& n, S const* dy, saved<S> s, S* dx) {
    bool const last = ctx.segment.number + 1 == ctx.segment.count;
    S const* const carried = s.at(carried_entry);
    std::ptrdiff_t const rows = last ? 0 : static_cast<std::ptrdiff_t>(n.samples) * n.queries;
    if constexpr (device::ops::row_copies::in<typename C::device_type, S>) {
      ctx.device.copy_rows(static_cast<int>(rows), 2 * n.width, carried, 2 * n.width, dx + n.width, 3 * n.width);
    } else {
      for (std::ptrdiff_t i = 0; i < rows; ++i)
        ctx.device.copy(dx + (3 * i + 1) * n.width, carried + 2 * i * n.width,
                        2 * static_cast<std::size_t>(n.width) * sizeof(S));
    }
    ctx.device.attention_backward(n, part(n, s.x, 0), parts(ctx, n, s.x, 1), parts(ctx, n, s.x, 2), lengths<C, S>(ctx), s.y,
                                  static_cast<S const*>(s.at(0)), dy, part(n, dx, 0), gradients(ctx, n, dx, 0),
                                  gradients(ctx, n, dx, 1), !last, ctx.scratch);
  }

  template <class S>
  static device::position_rows<S> part(device::attention_sizes const& n, S* x, int which) {
    return {x + which * n.width, 3 * n.width};
  }
  template <class C, class S>
  static S const* lengths(C const& ctx) {
    if constexpr (std::is_void_v<Lengths>) return nullptr;
    return ctx.read[0];
  }
};

/// Attention of a sequence to another one: x [T, d] holds q, the entry Memory [T', 2 d] k and v side by side; y [T, d]. With
/// a tag Lengths the keys from that entry's number on (one a sample) are masked; a query without a key gives 0. The
/// gradient of the memory is added to what its entry has; lengths have none. Keeps what attention keeps, and its memory.
template <int Heads, class Memory, class Lengths = void>
struct cross_attention {
  static_assert(Heads > 0, "cannot make a cross_attention layer without heads; give Heads >= 1");
  static constexpr char const* name = "cross_attention";
  using ops = type_list<device::ops::attentions>;
  static constexpr bool ragged = true;
  static constexpr until input_kept = until::B, output_kept = until::B, reads_kept = until::B;
  using reads = detail::tags_of<Memory, Lengths>;

  static constexpr bool accepts(shape in) { return in.rank == 2 && in.channels() % Heads == 0; }
  static constexpr bool accepts_read(int i, shape in, shape other) {
    return i == 0 ? other.rank == 2 && other.channels() == 2 * in.channels() : detail::is_length(other);
  }
  static constexpr shape output(shape in) { return in; }
  static constexpr list<kept_entry> kept(shape in) {
    return {kept_entry{{0, device::attention_kept(Heads, in.positions())}, until::B}};
  }
  static constexpr amount scratch(shape in) { return {device::attention_scratch(in.channels() / Heads), 0}; }
  /// The two products, with a memory as long as the sequence.
  static constexpr long long flops(shape in) { return 4LL * in.positions() * in.positions() * in.channels(); }

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const>, S* y, saved<S> s) {
    auto const n = sizes_of(ctx);
    S const* const memory = ctx.read[0];
    ctx.device.attention_forward(n, rows(x, n.width), rows(memory, 2 * n.width), rows(memory + n.width, 2 * n.width),
                                 lengths<C, S>(ctx), y, ctx.phase == phase::evaluate ? nullptr : s.at(0), ctx.scratch);
  }

  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const>, saved<S> s, S* dx) {
    auto const n = sizes_of(ctx);
    S const* const memory = ctx.read[0];
    S* const dmemory = ctx.read_gradient == nullptr ? nullptr : ctx.read_gradient[0];
    ctx.device.attention_backward(n, rows(s.x, n.width), rows(memory, 2 * n.width), rows(memory + n.width, 2 * n.width),
                                  lengths<C, S>(ctx), s.y, static_cast<S const*>(s.at(0)), dy, rows(dx, n.width),
                                  rows(dmemory, 2 * n.width),
                                  rows(dmemory == nullptr ? nullptr : dmemory + n.width, 2 * n.width), true, ctx.scratch);
  }

 private:
  template <class C>
  static device::attention_sizes sizes_of(C const& ctx) {
    sample_bounds const keys = ctx.read_bounds == nullptr ? sample_bounds{} : ctx.read_bounds[0];
    return {samples_of(ctx),
            ctx.in.positions(),
            ctx.read_shape[0].positions(),
            Heads,
            ctx.in.channels(),
            false,
            ctx.bounds,
            keys};
  }
  template <class S>
  static device::position_rows<S> rows(S* data, int stride) {
    return {data, stride};
  }
  template <class C, class S>
  static S const* lengths(C const& ctx) {
    if constexpr (std::is_void_v<Lengths>) return nullptr;
    return ctx.read[1];
  }
};

}  // namespace foal
