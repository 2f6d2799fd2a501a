// What a layer is: constants of a shape, and three functions that run on any device.
//
// A layer is a plain struct with static members; it holds no data. Required:
//   static constexpr char const* name
//   static constexpr shape output(shape in)                         one sample in -> one sample out
//   template <class C> static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s)
//   template <class C> static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx)   writes dx
// where S is typename C::scalar. Optional, with their defaults:
//   static constexpr bool accepts(shape in)                         true
//   static constexpr auto parameters(shape in)  -> list<parameter>  none; then also
//     template <class C> static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw)   ADDS to dw
//   static constexpr auto buffers(shape in)     -> list<parameter>  none; statistics without a gradient, ctx.buffers, which
//     forward moves in training; where one of them would not be finite it moves none and calls ctx.refuse(its number)
//   static constexpr bool looks_late                                false; true: where ctx.looks() does not hold, forward
//     moves them without a look, and the executor looks when the period is done
//   static constexpr bool draws                                     false; true: it draws by ctx.random, which no other
//   layer
//     has but those among whose ops is dropout: these get the sample beside it (ctx.first_sample). The sample that
//     ctx.random names is a number of the call, which a recording would repeat, so periods of a net with such a layer are
//     not recorded
//   static constexpr auto kept(shape in)        -> list<kept_entry> none; what forward writes into s for the backward ops
//   static constexpr until input_kept, output_kept                  until::forward; s.x / s.y are readable until then
//   static constexpr bool in_place                                  false; true: y may be x, and dx may be dy
//   static constexpr amount scratch(shape in)                       none; ctx.scratch, elements of S, any of the functions
//   static constexpr long long flops(shape in)                      0; of one sample's forward (a multiply-add counts 2)
//   template <class C> static void backward(C& ctx, dy, w, s, dx, dw)   backward_input and backward_weight in one
//   using reads = type_list<Tag...>                                 none; up to 2 other entries that forward reads,
//     ctx.read, whose gradients backward_input ADDS to (ctx.read_gradient, null where none is wanted); also, as wanted,
//     static constexpr bool accepts_read(int i, shape in, shape other)   true
//     static constexpr until reads_kept                             until::forward; ctx.read is valid until then
//   static constexpr bool exact                                     false; true: no codec may touch what it gives
//   static constexpr bool ragged                                    false; true: takes ragged microbatches (below)
//   static constexpr bool segmented                                 false; true: takes sequences in segments (below); also
//     static constexpr auto carried(shape in)   -> list<kept_entry> none; further entries of s that later segments read and
//     write, in their forward and backward_input, as they read s.x and the others: ctx.earlier
//     using segment_ops = type_list<Kind...>                        none; kinds of ops that it calls for segments alone
//   using ops = type_list<Kind...>                                  none; the kinds of device ops that it calls
//     (device/ops.hpp): a device that lacks one is refused with its name
// Sizes are ctx.in, ctx.out and ctx.samples, not those of the type: a sequence may be shorter than its shape says.
// A ragged microbatch has the positions of all samples one after the other, without padding, as one sample: ctx.samples is
// 1, and ctx.bounds says where each begins. A layer that treats every position alone takes it as it is; one that does not
// goes by the bounds (layer/samples.hpp).
// A sequence in segments (schedule::seq1f1b) comes one segment after the other: forward of the first one first, the backward
// ops of the last one first. ctx.in and ctx.out are the segment's, kept entries and scratch are sized by it, parameters by
// the whole; ctx.segment says which it is. A layer that treats every position alone, whichever it is, takes it as it is.
// What forward kept is never derived again from weights. forward and the backward ops are called by one worker at a time
// for one stage, in the order of the program.
// backward_weight never reads weights: by its time they may be newer ones. Nor can it count on backward_input: where both
// are one op (BW) and the layer has no fused `backward`, it is called before backward_input, which may write dx over dy;
// where it is an op of its own (W), after it; and where nothing below trains there is no backward_input at all. A layer
// whose weight gradient goes through its own weights, as a recurrent one's does, lets forward keep a copy of them until W
// (examples/own_recurrent.cpp). foal::check_gradient<layer>(shape) (layer/check_gradient.hpp) tries all of this.
#pragma once

#include <type_traits>

#include <foal/core/random.hpp>
#include <foal/tensor/element.hpp>
#include <foal/tensor/shape.hpp>

namespace foal {

/// train: forward of training. recompute: the same numbers again, statistics do not move. evaluate: no side effects.
enum class phase { train, recompute, evaluate };

/// How long something is kept. W is never before B.
enum class until { forward, B, W };

/// Elements: fixed + per_sample * M.
struct amount {
  long long fixed = 0, per_sample = 0;
  constexpr long long of(int samples) const { return fixed + per_sample * samples; }
};

/// Up to four entries, usable in constant expressions.
template <class Entry>
struct list {
  Entry entry[4] = {};
  int size = 0;

  constexpr list() = default;
  template <class... Es>
  constexpr list(Entry first, Es... rest) : entry{first, rest...}, size(1 + static_cast<int>(sizeof...(Es))) {}
  constexpr Entry const& operator[](int i) const { return entry[i]; }
};

/// How a parameter or buffer starts.
struct initial {
  enum class kind { constant, uniform, normal } how = kind::constant;
  /// constant: the value. uniform, normal: v of the variance v / fan_in; PyTorch's linear layer has a uniform 1/3
  double value = 0;
  int fan_in = 1;
};

/// A trainable array (or, among buffers, a statistic). The extents are its canonical row-major layout.
struct parameter {
  char const* name = "";
  shape extent{};
  initial start{};
  bool read_in_backward = false;  ///< backward_input reads it: it can be stale there, be stashed, be extrapolated by T2
};

/// An array that forward writes and backward reads.
struct kept_entry {
  amount elements{};
  until last = until::B;
  element type = element::scalar;
};

/// Pointers to a layer's parameters (or to their gradients), in the order in which it declares them.
template <class S>
struct weights {
  S* const* pointer = nullptr;
  FOAL_HOST_DEVICE S* operator[](int i) const { return pointer[i]; }
};

/// What a layer sees of the activations kept for one microbatch.
template <class S>
struct saved {
  S const* x = nullptr;          ///< the layer's input, while input_kept holds
  S const* y = nullptr;          ///< the layer's output, while output_kept holds
  void* const* entry = nullptr;  ///< the entries of kept(), in order

  template <class E = S>
  E* at(int i) const {
    return static_cast<E*>(entry[i]);
  }
};

/// What earlier segments of the same sequences have kept and carried, until their own backward_input. Arrays are of the
/// segment's length.
struct earlier_segments {
  void* const* at = nullptr;
  int step = 1;  ///< pointers of a segment: its input, its entries

  template <class S>
  S const* x(int segment) const {
    return static_cast<S const*>(at[segment * step]);
  }
  /// Entry i of kept(), carried() behind it.
  template <class E>
  E* entry(int segment, int i) const {
    return static_cast<E*>(at[segment * step + 1 + i]);
  }
};

/// What a layer has for ctx.random that does not say that it draws.
struct random_needs_draws {
  template <class T>
  constexpr operator T() const {
    static_assert(sizeof(T) == 0,
                  "foal: cannot draw by ctx.random in this layer, because it does not say that it draws; give it static "
                  "constexpr bool draws = true");
    return {};
  }
};

/// Everything else that a layer's functions get. Draws: of one that draws.
template <class Device, class S, bool Draws = true>
struct context {
  using device_type = Device;
  using scalar = S;

  Device& device;
  shape in, out;         ///< of one sample
  int samples = 0;       ///< M
  int microbatches = 1;  ///< N: a batch norm moves its running values once per forward with momentum 1-(1-m)^(1/N)
  foal::phase phase = phase::train;
  /// Seed, layer; .sample is the first sample's ordinal in the run (sample i: + i).
  std::conditional_t<Draws, random_key, random_needs_draws> random{};
  S* scratch = nullptr;
  S* const* buffers = nullptr;
  S const* const* read = nullptr;     ///< the entries that the layer reads beside its input, in the order of its `reads`
  S* const* read_gradient = nullptr;  ///< of backward_input: where to add their gradients; null: not wanted
  shape const* read_shape = nullptr;  ///< of one sample
  sample_bounds bounds{};             ///< of the input, where it is ragged
  sample_bounds const* read_bounds = nullptr;   ///< of the entries, where they are
  std::uint64_t const* first_sample = nullptr;  ///< on an asynchronous device, in its memory: to be added to random.sample
  int* refused = nullptr;  ///< takes the stage's number of a buffer, the layer's first being first_buffer
  int first_buffer = 0;
  segment_range segment{};     ///< of the sequence that is here
  earlier_segments earlier{};  ///< of layers with carried()

  /// Whether forward looks at what it is about to move, which waits for the device.
  bool looks() const { return refused != nullptr; }
  /// Of forward in training: buffer i would not be finite. The run ends with this op, as after a loss that is not finite.
  void refuse(int i) const {
    if (refused != nullptr) *refused = first_buffer + i;
  }
};

}  // namespace foal
