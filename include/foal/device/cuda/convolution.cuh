// Convolutions on the GPU, by cuDNN; by patches and products where that has no engine.
#pragma once

#include <algorithm>
#include <cstddef>

#include <foal/device/cuda/convolution_engines.hpp>
#include <foal/device/cuda/patches.cuh>
#include <foal/device/cuda/product.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::device::cuda_ops {

/// The convolutions of one device object, for one thread at a time. Maps and weights lie as on the host
/// (host/convolution.hpp); for cuDNN the weights are turned to [filters, kernel, kernel, channels] in each call, and their
/// gradient back. A window of one position is a product. What is made for a shape when it is first met is kept; that is not
/// while ops are recorded.
///
/// Equal bits on every run, for one cuDNN on one kind of GPU: only engines that add in one order, and the first that the
/// heuristic names; the order depends on the sizes, the number of samples too.
class convolver {
 public:
  static constexpr std::size_t least_room = std::size_t{1} << 20U;

  /// The room that a model with this parameter needs.
  template <class S>
  static constexpr std::size_t room_for(shape parameter) {
    return parameter.rank == 4 ? std::max(least_room, sizeof(S) * static_cast<std::size_t>(parameter.size())) : least_room;
  }

  /// workspace, which is the products' too, and room: 256-byte aligned, on the GPU of the stream.
  convolver(void* workspace, std::size_t bytes, void* room, std::size_t room_bytes, arithmetic how)
      : engines_(workspace, bytes, how), room_(room), room_bytes_(room_bytes) {}

  void* room() const { return room_; }
  std::size_t room_bytes() const { return room_bytes_; }

  /// y = x * weight. by: the products, in the same stream.
  template <class S>
  void forward(product_ops const& by, cudaStream_t stream, window const& g, int filters, int samples, S const* x,
               S const* weight, S* y) {
    if (is_empty(g, filters, samples)) return;
    if (is_pointwise(g)) return by.product_nn(samples * g.positions(), filters, g.channels, x, weight, y, false);
    if (found* const f = find<S>(convolution_kind::forward, stream, g, filters, samples, x, y)) {
      S* const form = form_of<S>(g, filters);
      turn<false>(stream, g.depth(), filters, weight, form);
      return engines_.run(*f, x, form, y);
    }
    for_patches<S>(g, samples, [&](std::size_t first, int count, S* patches) {
      gather_patches(stream, g, first, static_cast<std::size_t>(count), x, patches);
      by.product_nn(count, filters, g.depth(), static_cast<S const*>(patches), weight,
                    y + first * static_cast<std::size_t>(filters), false);
    });
  }

  /// dx = the gradient of x.
  template <class S>
  void input_gradient(product_ops const& by, cudaStream_t stream, window const& g, int filters, int samples, S const* dy,
                      S const* weight, S* dx) {
    if (is_pointwise(g) && !is_empty(g, filters, samples))
      return by.product_nt(samples * g.positions(), g.channels, filters, dy, weight, dx, false);
    found* const f = is_empty(g, filters, samples)
                         ? nullptr
                         : find<S>(convolution_kind::input_gradient, stream, g, filters, samples, dx, dy);
    if (f != nullptr) {
      S* const form = form_of<S>(g, filters);
      turn<false>(stream, g.depth(), filters, weight, form);
      return engines_.run(*f, dx, form, dy);
    }
    by.zero(dx, sizeof(S) * static_cast<std::size_t>(samples) * static_cast<std::size_t>(g.height) *
                    static_cast<std::size_t>(g.width) * static_cast<std::size_t>(g.channels));
    if (is_empty(g, filters, samples)) return;
    for_patches<S>(g, samples, [&](std::size_t first, int count, S* patches) {
      by.product_nt(count, g.depth(), filters, dy + first * static_cast<std::size_t>(filters), weight, patches, false);
      add_patches(stream, g, first, static_cast<std::size_t>(count), static_cast<S const*>(patches), dx);
    });
  }

  /// dweight += the gradient of the weight.
  template <class S>
  void weight_gradient(product_ops const& by, cudaStream_t stream, window const& g, int filters, int samples, S const* x,
                       S const* dy, S* dweight) {
    if (is_empty(g, filters, samples)) return;
    if (is_pointwise(g)) return by.product_tn(g.channels, filters, samples * g.positions(), x, dy, dweight, true);
    if (found* const f = find<S>(convolution_kind::weight_gradient, stream, g, filters, samples, x, dy)) {
      S* const form = form_of<S>(g, filters);
      engines_.run(*f, x, form, dy);
      return turn<true>(stream, filters, g.depth(), static_cast<S const*>(form), dweight);
    }
    for_patches<S>(g, samples, [&](std::size_t first, int count, S* patches) {
      gather_patches(stream, g, first, static_cast<std::size_t>(count), x, patches);
      by.product_tn(g.depth(), filters, count, static_cast<S const*>(patches),
                    dy + first * static_cast<std::size_t>(filters), dweight, true);
    });
  }

  static bool is_empty(window const& g, int filters, int samples) {
    return g.positions() <= 0 || g.channels <= 0 || filters <= 0 || samples <= 0;
  }
  static bool is_pointwise(window const& g) { return g.kernel == 1 && g.stride == 1 && g.padding == 0; }

 private:
  using found = convolution_engines::found;
  /// Null where cuDNN has no engine.
  template <class S>
  found* find(convolution_kind kind, cudaStream_t stream, window const& g, int filters, int samples, S const* x,
              S const* y) {
    return engines_.find(stream, {kind, g, filters, samples, element_of<S>(), planned_alignment<S>(x, y)});
  }

  template <class S>
  S* form_of(window const& g, int filters) const {
    require_room(sizeof(S) * static_cast<std::size_t>(g.depth()) * static_cast<std::size_t>(filters));
    return static_cast<S*>(room_);
  }
  void require_room(std::size_t bytes) const {
    require(bytes <= room_bytes_, "cannot convolve, because that takes ", bytes,
            " bytes beside the workspace and there are ", room_bytes_,
            "; make the device with the bytes that workspace_for gives for the shape of the weights");
  }

  /// Calls body(first, count, room for their patches) for all positions of all samples, from the first on.
  template <class S, class Body>
  void for_patches(window const& g, int samples, Body body) const {
    std::size_t const row = sizeof(S) * static_cast<std::size_t>(g.depth());
    require_room(row);
    auto const all = static_cast<std::size_t>(samples) * static_cast<std::size_t>(g.positions());
    std::size_t const most = std::max<std::size_t>(1, least_room / row);  // not of the room, which other layers change
    for (std::size_t first = 0; first < all; first += most)
      body(first, static_cast<int>(std::min(most, all - first)), static_cast<S*>(room_));
  }

  convolution_engines engines_;
  void* room_;
  std::size_t room_bytes_;
};

}  // namespace foal::device::cuda_ops
