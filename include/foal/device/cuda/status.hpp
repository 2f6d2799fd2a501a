// Failures of cuBLAS and cuBLASLt as sentences.
#pragma once

#include <cublas_v2.h>

#include <cstdint>

#include <foal/core/error.hpp>

namespace foal::device::cuda_ops {

/// Throws foal::error unless the status is success. call: the call and what it was for.
template <class... Call>
void check(cublasStatus_t status, Call const&... call) {
  if (status != CUBLAS_STATUS_SUCCESS)
    throw error(sentence("cannot do ", call..., ", because cuBLAS gave ", cublasGetStatusName(status), " (",
                         cublasGetStatusString(status), "); check that the GPU is free and has memory left"));
}

/// How floats are multiplied.
enum class arithmetic {
  whole,  ///< as they are
  tf32,   ///< rounded to 10 bits first, which tensor cores do
  bf16    ///< factors are bfloat16 (std::uint16_t), and sums float
};

/// The alignment that all of these addresses have and that an op is planned for: 16 bytes, which an arena's arrays always
/// have, else that of an element. So it is a matter of a model's sizes, not of where memory lies.
template <class S, class... Ps>
int planned_alignment(Ps const*... p) {
  bool const whole = ((reinterpret_cast<std::uintptr_t>(p) % 16 == 0) && ...);
  return whole ? 16 : static_cast<int>(sizeof(S));
}

}  // namespace foal::device::cuda_ops
