// Which of oneDNN's ways take memory of their own in every call: foal does not go them, so that a step allocates nothing.
#pragma once

#include <foal/core/config.hpp>

#include <dnnl.hpp>
#include <string_view>

namespace foal::device::onednn_ops {

/// Whether an implementation of oneDNN, named as its primitive's description names it, takes memory of its own in every
/// call, though its scratch is the caller's. Those that end in oneDNN's general product (gemm) do: it packs operands into
/// blocks that it allocates. Those whose name says brgemm have a product of another kind.
inline bool takes_memory(std::string_view implementation) {
  std::size_t const at = implementation.find("gemm:");
  return at != implementation.npos && (at == 0 || implementation[at - 1] != 'r');
}

/// How products are had from oneDNN without memory of its own.
enum class product_way {
  matmul,  ///< its primitive: with AVX-512
  sgemm,   ///< its function, on blocks of a left operand that lies transposed: with AVX and AVX2, which have no such
           ///< primitive
  none     ///< older ones pack both operands always; of others foal knows nothing
};

inline product_way way_of_products(dnnl::cpu_isa allowed) {
  unsigned const isa = static_cast<unsigned>(allowed);
  auto const has = [isa](dnnl::cpu_isa part) { return (isa & static_cast<unsigned>(part)) == static_cast<unsigned>(part); };
  if (has(dnnl::cpu_isa::avx512_core)) return product_way::matmul;
  if (has(dnnl::cpu_isa::avx512_mic)) return product_way::none;
  return has(dnnl::cpu_isa::avx) ? product_way::sgemm : product_way::none;
}

/// The way on this processor, or with what ONEDNN_MAX_CPU_ISA leaves of it.
inline product_way way_of_products() { return way_of_products(dnnl::get_effective_cpu_isa()); }

}  // namespace foal::device::onednn_ops
