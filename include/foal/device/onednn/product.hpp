// Matrix products by oneDNN.
#pragma once

#include <foal/device/host/packet.hpp>
#include <foal/device/onednn/library.hpp>
#include <foal/device/onednn/sgemm.hpp>

namespace foal::device::onednn_ops {

/// How the operands of a product lie: row-major; nt: b transposed; tn: a transposed.
enum class product_kind { nn, nt, tn };

/// With fewer rows than this, nt goes to oneDNN's sgemm, which then works on the operands where they lie and allocates
/// nothing; its matmul would first copy the right one.
inline constexpr int least_rows_for_nt = 16;

/// oneDNN computes it: no size is 0, and the host's kernels, as they are compiled here, would not be faster.
///
/// With AVX-512 those are, but for few rows of nt: time of theirs over that of oneDNN's matmul, which copies an operand
/// first, 0.89 for 64x512x512 nt, 0.82 nn and 0.76 tn, 0.88 to 1.01 in a Transformer of width 256; over that of its
/// sgemm 1.03 to 1.18 for 8x512x512 nt. oneDNN chooses its kernels at run time, so theirs compiled for any x86-64 take
/// several times as long (2.4 to 4 with AVX2; sgemm turns its left operand, which only very few columns do not pay for).
/// Compiled for AVX2 they take 1.0 to 1.8 times as long for tn, 1.0 to 1.4 for a deep and wide nn, and less where an operand
/// must be turned otherwise.
constexpr bool serves(product_way way, product_kind kind, int rows, int cols, int depth) {
  if (rows <= 0 || cols <= 0 || depth <= 0 || way == product_way::none) return false;
  constexpr int lanes = host_ops::full_lanes<float>;
  if (way == product_way::sgemm) {
    if (kind == product_kind::tn) return lanes <= 8 && depth >= 8;
    return lanes < 8 ? cols >= 8 : lanes == 8 && kind == product_kind::nn && cols >= 256 && depth >= 256;
  }
  if (lanes >= 16) return kind == product_kind::nt && rows < least_rows_for_nt;
  return kind == product_kind::nt || (kind == product_kind::nn ? rows >= 64 : depth >= 8);
}

/// c = a b, or c += a b; row-major, sizes of the product, none of them 0. False, and nothing done, where oneDNN would take
/// memory of its own in each call.
///
/// Operands stay in foal's layout: a form of the weights that is packed once and used by many microbatches would bring
/// little over the host's kernels of AVX-512 (nt 8x512x512 1.28, by sgemm where it lies 1.17; 64x512x512 1.13, with all
/// operands in the inner caches; bench/device/onednn_bench.cpp).
inline bool multiply(library& with, product_kind kind, int rows, int cols, int depth, float const* a, float const* b,
                     float* c, bool accumulate) {
  using dnnl::memory;
  using tag = memory::format_tag;
  if (with.products() == product_way::none) return false;
  one_thread const held;
  if (with.products() == product_way::sgemm) {
    multiply_by_sgemm(with, kind == product_kind::tn, kind == product_kind::nt, rows, cols, depth, a, b, c, accumulate);
    return true;
  }
  if (kind == product_kind::nt && rows < least_rows_for_nt) {
    check(dnnl_sgemm('N', 'T', rows, cols, depth, 1.0F, a, depth, b, depth, accumulate ? 1.0F : 0.0F, c, cols),
          "multiply matrices");
    return true;
  }
  prepared& op = with.op({{static_cast<int>(kind), accumulate ? 1 : 0, rows, cols, depth}}, [&] {
    auto const desc = [](int down, int right, bool transposed) {
      return memory::desc({down, right}, memory::data_type::f32, transposed ? tag::ba : tag::ab);
    };
    auto const left = desc(rows, depth, kind == product_kind::tn), right = desc(depth, cols, kind == product_kind::nt),
               out = desc(rows, cols, false);
    dnnl::matmul::primitive_desc const what({left, right, out}, attributes(accumulate), with.engine());
    prepared made;
    made.left_to_host = takes_memory(what.impl_info_str());
    if (made.left_to_host) return made;
    made.compute =
        step::of<dnnl::matmul>(with.engine(), what, {{DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, out}});
    return made;
  });
  if (op.left_to_host) return false;
  op.compute.run(with.stream(), {a, b, c}, with.scratch());
  return true;
}

}  // namespace foal::device::onednn_ops
