// A convolution as a graph of cuDNN's, and the engine for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include <foal/device/cuda/cudnn.hpp>
#include <foal/device/cuda/status.hpp>
#include <foal/device/window.hpp>
#include <foal/tensor/element.hpp>

namespace foal::device::cuda_ops {

enum class convolution_kind { forward, input_gradient, weight_gradient };

/// What cuDNN knows of a convolution before it meets numbers. Maps [samples, height, width, channels] as foal has them;
/// weights [filters, kernel, kernel, channels], which is the order in which cuDNN knows them beside maps of that order.
struct convolution_sizes {
  convolution_kind kind = convolution_kind::forward;
  window g;
  int filters = 1, samples = 1;
  element type = element::float32;  ///< of maps and weights: float32, float64 or bfloat16, whose sums are in float32
  int alignment = 16;

  bool wide() const { return type == element::float64; }
};

/// For whom a plan is made: a handle's GPU, or, where there is none, the GPU that a descriptor of properties tells of.
struct convolution_target {
  cudnnHandle_t handle = nullptr;
  cudnnBackendDescriptor_t properties = nullptr;
};

/// Numbers of a graph's tensors, which name their addresses.
enum class convolution_tensor : std::int64_t { x = 1, weight = 2, y = 3 };

/// An engine that was found for a convolution, and all that it is described by.
struct convolution_plan {
  std::vector<descriptor> made_of;
  std::optional<descriptor> plan;  ///< none where no engine will do
  std::size_t workspace_bytes = 0;
};

namespace detail {

inline cudnnDataType_t data_type(element e) {
  return e == element::float64 ? CUDNN_DATA_DOUBLE : e == element::bfloat16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
}

inline descriptor tensor_of(convolution_tensor id, convolution_sizes const& s, int n, int channels, int height, int width) {
  std::int64_t const c = channels, h = height, w = width;
  descriptor t(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, static_cast<std::int64_t>(id));
  t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type(s.type));
  t.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, std::int64_t{s.alignment});
  t.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::array<std::int64_t, 4>{n, c, h, w});
  t.set(CUDNN_ATTR_TENSOR_STRIDES, std::array<std::int64_t, 4>{h * w * c, 1, w * c, c});
  t.finalise();
  return t;
}

inline descriptor window_of(convolution_sizes const& s) {
  using pair = std::array<std::int64_t, 2>;
  descriptor d(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  d.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  d.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, s.wide() ? CUDNN_DATA_DOUBLE : CUDNN_DATA_FLOAT);
  d.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  d.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, pair{1, 1});
  d.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, pair{s.g.stride, s.g.stride});
  d.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, pair{s.g.padding, s.g.padding});
  d.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, pair{s.g.padding, s.g.padding});
  d.finalise();
  return d;
}

/// The names of an operation's attributes.
struct operation_names {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t alpha, beta, window, weight, x, y;
};
inline operation_names names_of(convolution_kind kind) {
  if (kind == convolution_kind::forward)
    return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
            CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y};
  if (kind == convolution_kind::input_gradient)
    return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
            CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY};
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY};
}

/// An engine adds up in a fixed order, and in the numbers that are asked for. What goes by transforms (FFT, Winograd) adds
/// other numbers than a convolution has, and loses some bits by it.
inline bool serves(std::vector<cudnnBackendNumericalNote_t> const& notes, arithmetic how) {
  return std::all_of(notes.begin(), notes.end(), [how](cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP ||
           (how != arithmetic::whole && note == CUDNN_NUMERICAL_NOTE_TENSOR_CORE) ||
           (how == arithmetic::tf32 && note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS);
  });
}

}  // namespace detail

/// The graph's last descriptor is the graph.
inline std::vector<descriptor> convolution_graph(convolution_sizes const& s, convolution_target const& to) {
  std::vector<descriptor> all;
  all.push_back(detail::tensor_of(convolution_tensor::x, s, s.samples, s.g.channels, s.g.height, s.g.width));
  all.push_back(detail::tensor_of(convolution_tensor::weight, s, s.filters, s.g.channels, s.g.kernel, s.g.kernel));
  all.push_back(detail::tensor_of(convolution_tensor::y, s, s.samples, s.filters, s.g.out_height(), s.g.out_width()));
  all.push_back(detail::window_of(s));

  detail::operation_names const name = detail::names_of(s.kind);
  descriptor op(name.type);
  if (s.wide()) {
    op.set(name.alpha, 1.0);
    op.set(name.beta, 0.0);
  } else {
    op.set(name.alpha, 1.0F);
    op.set(name.beta, 0.0F);
  }
  op.set(name.x, all[0]);
  op.set(name.weight, all[1]);
  op.set(name.y, all[2]);
  op.set(name.window, all[3]);
  op.finalise();
  descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  if (to.handle != nullptr) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, to.handle);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, op);
  graph.finalise();
  all.push_back(std::move(op));
  all.push_back(std::move(graph));
  return all;
}

/// The first engine that cuDNN's heuristic names, for no run is timed, whose sums have one order, whose arithmetic is the
/// one asked for, and which does with so much workspace.
inline convolution_plan plan_convolution(convolution_sizes const& s, convolution_target const& to, arithmetic how,
                                         std::size_t most_workspace) {
  convolution_plan out;
  out.made_of = convolution_graph(s, to);
  for (auto const mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    descriptor heuristic(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, out.made_of.back());
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
    if (to.handle == nullptr) heuristic.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, to.properties);
    if (!heuristic.can_finalise()) continue;
    for (descriptor& config : heuristic.parts(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)) {
      descriptor const engine = config.part(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
      if (!detail::serves(engine.notes(), how)) continue;
      descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      if (to.handle != nullptr)
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, to.handle);
      else
        plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, to.properties);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
      if (!plan.can_finalise()) continue;
      auto const bytes = static_cast<std::size_t>(plan.number(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE));
      if (bytes > most_workspace) continue;
      out.workspace_bytes = bytes;
      out.plan.emplace(std::move(plan));
      out.made_of.push_back(std::move(config));
      return out;
    }
  }
  return out;
}

}  // namespace foal::device::cuda_ops
