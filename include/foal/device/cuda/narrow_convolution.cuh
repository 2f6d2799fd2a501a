// Convolutions of floats on the GPU by cuDNN, in bfloat16 with sums in float.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <foal/device/cuda/convolution_engines.hpp>
#include <foal/device/cuda/narrow.cuh>
#include <foal/device/cuda/patches.cuh>
#include <foal/device/cuda/weight_forms.hpp>

namespace foal::device::cuda_ops {

/// What one device object convolves in bfloat16, for one thread at a time. Factors are rounded, and results, because cuDNN
/// has no engine that gives floats for bfloat16; a weight's gradient is rounded for each call before it is added in float.
/// Samples go through the rooms some at a time: how many depends on the convolution's sizes alone.
///
/// Each of the three gives false, and does nothing, where cuDNN has no engine, or a sample or the weights no room.
class narrow_convolver {
 public:
  /// workspace, which may be the products': 256-byte aligned, on the GPU of the stream.
  narrow_convolver(void* workspace, std::size_t bytes, narrow_rooms const& rooms, weight_forms* forms = nullptr)
      : engines_(workspace, bytes, arithmetic::bf16), rooms_(rooms), forms_(forms) {}

  /// y = x * weight.
  bool forward(cudaStream_t stream, window const& g, int filters, int samples, float const* x, float const* weight,
               float* y) {
    call const c(g, filters, samples, rooms_);
    if (!finds(stream, convolution_kind::forward, c)) return false;
    std::uint16_t const* const form = form_of(stream, c, weight);
    each(stream, convolution_kind::forward, c, [&](found& f, std::size_t first, std::size_t count) {
      narrow_rows(stream, 1, count * c.in, 0, x + first * c.in, rooms_.first);
      engines_.run(f, rooms_.first, form, rooms_.second);
      widen(stream, count * c.out, rooms_.second, y + first * c.out);
    });
    return true;
  }

  /// dx = the gradient of x.
  bool input_gradient(cudaStream_t stream, window const& g, int filters, int samples, float const* dy, float const* weight,
                      float* dx) {
    call const c(g, filters, samples, rooms_);
    if (!finds(stream, convolution_kind::input_gradient, c)) return false;
    std::uint16_t const* const form = form_of(stream, c, weight);
    each(stream, convolution_kind::input_gradient, c, [&](found& f, std::size_t first, std::size_t count) {
      narrow_rows(stream, 1, count * c.out, 0, dy + first * c.out, rooms_.second);
      engines_.run(f, rooms_.first, form, rooms_.second);
      widen(stream, count * c.in, rooms_.first, dx + first * c.in);
    });
    return true;
  }

  /// dweight += the gradient of the weight.
  bool weight_gradient(cudaStream_t stream, window const& g, int filters, int samples, float const* x, float const* dy,
                       float* dweight) {
    call const c(g, filters, samples, rooms_);
    if (!finds(stream, convolution_kind::weight_gradient, c)) return false;
    each(stream, convolution_kind::weight_gradient, c, [&](found& f, std::size_t first, std::size_t count) {
      narrow_rows(stream, 1, count * c.in, 0, x + first * c.in, rooms_.first);
      narrow_rows(stream, 1, count * c.out, 0, dy + first * c.out, rooms_.second);
      engines_.run(f, rooms_.first, rooms_.weights, rooms_.second);
      turn<true>(stream, filters, g.depth(), static_cast<std::uint16_t const*>(rooms_.weights), dweight, widen_element{});
    });
    return true;
  }

 private:
  using found = convolution_engines::found;
  /// Sizes of one call, in elements of a sample.
  struct call {
    window g;
    int filters, samples, at_once;  ///< samples; 0: there is no room
    std::size_t in, out;
    call(window const& of, int into, int all, narrow_rooms const& rooms)
        : g(of),
          filters(into),
          samples(all),
          in(size_of(of.height, of.width, of.channels)),
          out(size_of(of.positions(), 1, into)) {
      std::size_t const most = rooms.piece / std::max({in, out, std::size_t{1}});
      bool const fits = size_of(of.depth(), 1, into) <= rooms.most_weights;
      at_once = fits ? static_cast<int>(std::min(most, static_cast<std::size_t>(all))) : 0;
    }
    static std::size_t size_of(int a, int b, int c) {
      return static_cast<std::size_t>(a) * static_cast<std::size_t>(b) * static_cast<std::size_t>(c);
    }
  };

  /// The weights turned, and rounded.
  std::uint16_t const* form_of(cudaStream_t stream, call const& c, float const* weight) {
    auto const elements = static_cast<std::size_t>(c.g.depth()) * static_cast<std::size_t>(c.filters);
    weight_forms::form form;
    if (forms_ != nullptr) form = forms_->of(stream, weight, weight_forms::layout::turned, elements);
    std::uint16_t* const to = form.at != nullptr ? form.at : rooms_.weights;
    if (!form.made) turn<false>(stream, c.g.depth(), c.filters, weight, to, narrow_element{});
    return to;
  }
  found* find(cudaStream_t stream, convolution_kind kind, call const& c, int samples) {
    return engines_.find(stream, {kind, c.g, c.filters, samples, element::bfloat16, 16});
  }
  bool finds(cudaStream_t stream, convolution_kind kind, call const& c) {
    if (c.at_once <= 0 || find(stream, kind, c, c.at_once) == nullptr) return false;
    int const rest = c.samples % c.at_once;
    return rest == 0 || find(stream, kind, c, rest) != nullptr;
  }
  /// Calls body(engine, first sample, samples).
  template <class Body>
  void each(cudaStream_t stream, convolution_kind kind, call const& c, Body body) {
    for (int first = 0; first < c.samples; first += c.at_once) {
      int const count = std::min(c.at_once, c.samples - first);
      body(*find(stream, kind, c, count), static_cast<std::size_t>(first), static_cast<std::size_t>(count));
    }
  }

  convolution_engines engines_;
  narrow_rooms rooms_;
  weight_forms* forms_;
};

}  // namespace foal::device::cuda_ops
