// The host with oneDNN's matrix products and convolutions: `foal::on<foal::device::onednn>`.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <type_traits>

#include <foal/device/host.hpp>
#include <foal/device/onednn/convolution.hpp>
#include <foal/device/onednn/product.hpp>

namespace foal::device {

/// Device of the calling thread, as `host` is, with the same memory and the same layouts. Of float, products and
/// convolutions are oneDNN's, save products on which the host's kernels are faster (onednn/product.hpp) and what oneDNN on
/// this processor does only with memory of its own (onednn/own_memory.hpp); of double, which oneDNN does not compute, and
/// all other ops are the host's.
///
/// Exactly one thread, whatever OpenMP's settings (onednn/one_thread.hpp). Bits are equal for any number of workers and from
/// run to run, for one oneDNN on one kind of processor: it picks its code by what it finds at run time. After warm-up, which
/// is over when every extent has been met, foal allocates nothing; oneDNN allocates a few small nodes in each call.
///
/// Scratch, and the form of the weights at work, lie in the workspace and so in the memory plan: 1 MiB for scratch, measured
/// up to 0.7, and the form of the model's largest convolution. Should oneDNN ever want more, the object allocates a larger
/// block as it makes the primitive; bytes_held() tells.
///
/// Whether to use it: on a processor with AVX-512 the host's kernels are as fast on most products; with oneDNN the input
/// gradient of a linear layer at microbatch 8 takes 0.85 of their time, a convolution of ResNet-20 0.83 to 0.97, a training
/// step of ResNet-20 in microbatches of 8 takes 0.91, of an MLP 0.96 (bench/device/onednn_bench.cpp).
class onednn : public host {
 public:
  static constexpr std::size_t workspace_bytes = host::workspace_bytes + (std::size_t{1} << 20U);

  /// The workspace for a model with this parameter: oneDNN pads a convolution's channels and filters to blocks of 16 to 64.
  template <class S>
  static constexpr std::size_t workspace_for(shape parameter) {
    if (!std::is_same_v<S, float> || parameter.rank != 4) return workspace_bytes;
    auto const taps = static_cast<std::size_t>(parameter.extent[0] * parameter.extent[1]);
    return workspace_bytes + sizeof(float) * taps * blocked(parameter.extent[2]) * blocked(parameter.extent[3]);
  }

  /// workspace: `bytes` bytes, at least workspace_bytes, 64-byte aligned, for this object alone and as long as it lives.
  /// Throws foal::error where oneDNN cannot work, or cannot be held to one thread.
  onednn(void* workspace, std::size_t bytes)
      : host(workspace),
        library_(std::make_unique<onednn_ops::library>(static_cast<std::byte*>(workspace) + host::workspace_bytes,
                                                       bytes - host::workspace_bytes)) {}
  explicit onednn(void* workspace) : onednn(workspace, workspace_bytes) {}

  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    if (!multiplied(onednn_ops::product_kind::nn, rows, cols, depth, a, b, c, accumulate))
      host::product_nn(rows, cols, depth, a, b, c, accumulate);
  }
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    if (!multiplied(onednn_ops::product_kind::nt, rows, cols, depth, a, b, c, accumulate))
      host::product_nt(rows, cols, depth, a, b, c, accumulate);
  }
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate = false) const {
    if (!multiplied(onednn_ops::product_kind::tn, rows, cols, depth, a, b, c, accumulate))
      host::product_tn(rows, cols, depth, a, b, c, accumulate);
  }

  template <class S>
  void convolve(window const& g, int filters, int samples, S const* x, S const* weight, S* y, S* scratch) const {
    if constexpr (std::is_same_v<S, float>) {
      if (is_not_empty(g, filters, samples) && onednn_ops::convolution(*library_, g, filters, samples).forward(x, weight, y))
        return;
    }
    host::convolve(g, filters, samples, x, weight, y, scratch);
  }
  template <class S>
  void convolve_gradient(window const& g, int filters, int samples, S const* dy, S const* weight, S* dx, S* scratch) const {
    if constexpr (std::is_same_v<S, float>) {
      if (is_not_empty(g, filters, samples) &&
          onednn_ops::convolution(*library_, g, filters, samples).input_gradient(dy, weight, dx))
        return;
    }
    host::convolve_gradient(g, filters, samples, dy, weight, dx, scratch);
  }
  template <class S>
  void convolve_weight_gradient(window const& g, int filters, int samples, S const* x, S const* dy, S* dweight,
                                S* scratch) const {
    if constexpr (std::is_same_v<S, float>) {
      if (is_not_empty(g, filters, samples) &&
          onednn_ops::convolution(*library_, g, filters, samples).weight_gradient(x, dy, dweight))
        return;
    }
    host::convolve_weight_gradient(g, filters, samples, x, dy, dweight, scratch);
  }

  /// Scratch beyond the workspace that this object has allocated, in bytes.
  std::size_t bytes_held() const { return library_->bytes_held(); }
  /// Primitives that it keeps; at most onednn_ops::library::most.
  std::size_t primitives() const { return library_->primitives(); }

 private:
  template <class S>
  bool multiplied(onednn_ops::product_kind kind, int rows, int cols, int depth, [[maybe_unused]] S const* a,
                  [[maybe_unused]] S const* b, [[maybe_unused]] S* c, [[maybe_unused]] bool accumulate) const {
    if constexpr (std::is_same_v<S, float>) {
      return onednn_ops::serves(library_->products(), kind, rows, cols, depth) &&
             onednn_ops::multiply(*library_, kind, rows, cols, depth, a, b, c, accumulate);
    }
    return false;
  }
  /// The most that n channels become in blocks of 16, 32, 48 or 64.
  static constexpr std::size_t blocked(int n) {
    int most = 0;
    for (int const block : {16, 32, 48, 64})
      if (block == 16 || n > 16) most = std::max(most, (n + block - 1) / block * block);
    return static_cast<std::size_t>(most);
  }
  static bool is_not_empty(window const& g, int filters, int samples) {
    return g.positions() > 0 && g.channels > 0 && filters > 0 && samples > 0;
  }

  std::unique_ptr<onednn_ops::library> library_;
};

}  // namespace foal::device
