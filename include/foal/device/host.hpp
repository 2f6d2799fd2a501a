// The host as a device: one object per worker, all work on the calling thread, put together from the files of device/host.
#pragma once

#include <foal/device/host/attention.hpp>
#include <foal/device/host/bfloat16.hpp>
#include <foal/device/host/convolution.hpp>
#include <foal/device/host/dropout.hpp>
#include <foal/device/host/embedding.hpp>
#include <foal/device/host/int8.hpp>
#include <foal/device/host/layer_norm.hpp>
#include <foal/device/host/map.hpp>
#include <foal/device/host/mean_squared_error.hpp>
#include <foal/device/host/memory.hpp>
#include <foal/device/host/normalisation.hpp>
#include <foal/device/host/pooling.hpp>
#include <foal/device/host/product.hpp>
#include <foal/device/host/rows.hpp>
#include <foal/device/host/softmax.hpp>
#include <foal/device/host/vocabulary.hpp>

namespace foal::device {

/// Device of the calling thread. No op allocates, starts a thread or reads the machine's cache sizes; every reduction has a
/// fixed order. The operations' contracts stand with the parts.
class host : public host_ops::memory,
             public host_ops::map_ops,
             public host_ops::bfloat16_ops,
             public host_ops::int8_ops,
             public host_ops::convolution_ops,
             public host_ops::row_ops,
             public host_ops::pooling_ops,
             public host_ops::normalisation_ops,
             public host_ops::dropout_ops,
             public host_ops::layer_norm_ops,
             public host_ops::embedding_ops,
             public host_ops::vocabulary_ops,
             public host_ops::attention_ops,
             public host_ops::squared_error_ops,
             public host_ops::cross_entropy_ops {
 public:
  using host_ops::product_ops::workspace_bytes;
  /// With the instructions that the file which includes this is compiled for.
  static constexpr bool kernels_are_compiled_here = true;

  /// workspace: workspace_bytes bytes, 64-byte aligned, for this object alone and as long as it lives.
  explicit host(void* workspace) : convolution_ops(workspace) {}
};

}  // namespace foal::device
