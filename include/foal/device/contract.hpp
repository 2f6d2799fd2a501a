// What a device offers. One object per worker; an object is used by one thread at a time.
//
// Memory and copies (sizes in bytes):
//   static void* allocate(std::size_t)   64-byte aligned, throws foal::error     static void release(void*)
//   copy(dst, src, n)  device to device      copy_in(dst, host_src, n)  host_src is free again when it returns
//   copy_out(host_dst, src, n)  waits for the result
//   zero(dst, n)      synchronise()      static constexpr bool host_memory: the host may use the memory (absent: true)
// Workspace: static constexpr std::size_t workspace_bytes; explicit Device(void* workspace): scratch of libraries.
//   Optional, where it depends on the model: template <class S> static constexpr std::size_t workspace_for(shape parameter),
//   at least workspace_bytes, with Device(void* workspace, std::size_t bytes), which gets the most of any parameter.
// Elementwise: map(n, f, pointers...)  calls f(pointers[i]...) with references for i in [0, n), in any order.
//   f is a functor whose operator() is FOAL_HOST_DEVICE; host and CUDA run the same one.
// Reductions (fixed order, so equal bits on every run): double sum_of_squares(n, x); bool all_finite(n, x)
//   Optional: double magnitude_bound(n, x), which no magnitude is above; NaN where an element is not finite
// Products, row-major, C = A B (accumulate: C += A B), sizes of the product (rows, cols, depth):
//   product_nn(rows, cols, depth, a /*rows,depth*/, b /*depth,cols*/, c, accumulate)
//   product_nt(rows, cols, depth, a /*rows,depth*/, b /*cols,depth*/, c, accumulate)
//   product_tn(rows, cols, depth, a /*depth,rows*/, b /*depth,cols*/, c, accumulate)
// Rows: add_to_rows(rows, cols, bias, y)   y[r,c] += bias[c];   sum_of_rows(rows, cols, x, out)   out[c] += sum_r x[r,c]
// Convolution, pooling, normalisation and losses: as the layers call them (device/host/*.hpp are the oracle of device/cuda).
#pragma once

#include <foal/core/config.hpp>

#include <concepts>
#include <cstddef>

namespace foal::device {

template <class D>
concept device = requires(D d, void* p, std::size_t n, float* x, double* y) {
  { D::workspace_bytes } -> std::convertible_to<std::size_t>;
  { D::allocate(n) } -> std::same_as<void*>;
  D::release(p);
  d.copy(p, p, n);
  d.copy_in(p, p, n);
  d.copy_out(p, p, n);
  d.zero(p, n);
  d.synchronise();
  d.product_nn(1, 1, 1, x, x, x, true);
  d.product_nn(1, 1, 1, y, y, y, true);
  { d.sum_of_squares(n, x) } -> std::same_as<double>;
  { d.all_finite(n, x) } -> std::same_as<bool>;
};

}  // namespace foal::device
