// cuDNN's graphs of one convolution on the CPU, with the rules that foal must keep.
#include "cuda/cudnn.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "flaws.hpp"
#include "libraries.hpp"
#include "memory.hpp"
#include "queues.hpp"

using namespace foal::test::emulation;

struct cudnnContext {
  cudaStream_t stream = nullptr;
  int device = 0;
};

namespace {

using lock = std::lock_guard<call_lock>;
using four = std::array<std::int64_t, 4>;

struct value {
  cudnnBackendAttributeType_t type = CUDNN_TYPE_INT64;
  std::int64_t count = 0;
  std::vector<std::byte> bytes;
};
struct record {
  cudnnBackendDescriptorType_t type = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
  bool finalised = false;
  std::map<int, value> values;
  std::size_t engine = 0;  ///< of an engine and its configuration
};

std::set<record*>& live() {
  static std::set<record*> all;
  return all;
}
thread_local std::string last_message;

cudnnStatus_t refuse(cudnnStatus_t status, char const* why) {
  last_message = why;
  return status;
}

/// The engines of every convolution, in the order in which the heuristic names them.
struct engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  bool possible = true;
  std::size_t bytes = 0;
};
std::vector<engine> const& engines() {
  static std::vector<engine> const all{
      {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}},
      {{CUDNN_NUMERICAL_NOTE_WINOGRAD}},
      {{}, false},                        // its plan is refused
      {{}, true, std::size_t{1} << 30U},  // takes more than there is
      {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS}, true, 512},
      {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE}, true, 768},  // of bfloat16 alone
      {{CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP}},
  };
  return all;
}
constexpr std::size_t rounding_engine = 4, narrow_engine = 5, plain_engine = 6;
std::size_t bytes_of(std::size_t e) { return e == plain_engine ? libraries().engine_bytes : engines()[e].bytes; }

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_NUMERICAL_NOTE:
    case CUDNN_TYPE_FLOAT:
      return 4;
    default:
      return 8;
  }
}

template <class T>
T one(record const& d, int name) {
  T out{};
  auto const found = d.values.find(name);
  if (found != d.values.end() && found->second.bytes.size() >= sizeof(T))
    std::memcpy(&out, found->second.bytes.data(), sizeof(T));
  return out;
}
template <class T, std::size_t N>
std::array<T, N> several(record const& d, int name) {
  std::array<T, N> out{};
  auto const found = d.values.find(name);
  if (found != d.values.end() && found->second.bytes.size() == sizeof out)
    std::memcpy(out.data(), found->second.bytes.data(), sizeof out);
  return out;
}
record* part(record const& d, int name) {
  auto* const found = one<record*>(d, name);
  return live().count(found) != 0 ? found : nullptr;
}

struct tensor {
  std::int64_t id = 0, alignment = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  four size{}, step{};

  bool wide() const { return type == CUDNN_DATA_DOUBLE; }
  bool narrow() const { return type == CUDNN_DATA_BFLOAT16; }

  std::int64_t count() const { return size[0] * size[1] * size[2] * size[3]; }
  std::size_t at(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w) const {
    return static_cast<std::size_t>(n * step[0] + c * step[1] + h * step[2] + w * step[3]);
  }
  /// In the order of samples, rows, columns, channels, or samples, channels, rows, columns, without gaps.
  bool packed() const {
    four const last{size[2] * size[3] * size[1], 1, size[3] * size[1], size[1]};
    four const first{size[1] * size[2] * size[3], size[2] * size[3], size[3], 1};
    return step == last || step == first;
  }
};

enum class kind { forward, input_gradient, weight_gradient };

struct convolution {
  kind what = kind::forward;
  tensor x, w, y;
  std::int64_t stride = 1, padding = 0;
  double alpha = 1, beta = 0;
  bool rounds = false;
};

bool read_tensor(record const* d, tensor& to) {
  if (d == nullptr || d->type != CUDNN_BACKEND_TENSOR_DESCRIPTOR || !d->finalised) return false;
  to.id = one<std::int64_t>(*d, CUDNN_ATTR_TENSOR_UNIQUE_ID);
  to.alignment = one<std::int64_t>(*d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  to.type = one<cudnnDataType_t>(*d, CUDNN_ATTR_TENSOR_DATA_TYPE);
  to.size = several<std::int64_t, 4>(*d, CUDNN_ATTR_TENSOR_DIMENSIONS);
  to.step = several<std::int64_t, 4>(*d, CUDNN_ATTR_TENSOR_STRIDES);
  return to.count() > 0 && to.alignment > 0;
}

/// What an operation's attributes are named, counted from its first.
constexpr int first_of(kind k) {
  return k == kind::forward          ? CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA
         : k == kind::input_gradient ? CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA
                                     : CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA;
}

/// Null where the operation is one; else what is wrong with it.
char const* read_operation(record const& op, convolution& to) {
  to.what = op.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR         ? kind::forward
            : op.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR ? kind::input_gradient
                                                                                      : kind::weight_gradient;
  int const first = first_of(to.what);  // alpha, beta, window, weight, x, y
  record const* const window = part(op, first + 2);
  if (window == nullptr || window->type != CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR || !window->finalised)
    return "the window of a convolution is not finalised";
  if (!read_tensor(part(op, first + 3), to.w) || !read_tensor(part(op, first + 4), to.x) ||
      !read_tensor(part(op, first + 5), to.y))
    return "a tensor of a convolution is not finalised";
  std::set<std::int64_t> const ids{to.x.id, to.w.id, to.y.id};
  if (ids.size() != 3) return "tensors of a convolution have one number";
  bool const wide = to.x.wide();
  if (to.w.wide() != wide || to.y.wide() != wide) return "tensors of a convolution have different types";
  auto const compute = one<cudnnDataType_t>(*window, CUDNN_ATTR_CONVOLUTION_COMP_TYPE);
  if ((compute == CUDNN_DATA_DOUBLE) != wide) return "a convolution computes in another type than its tensors'";
  for (int const name : {first, first + 1}) {
    auto const found = op.values.find(name);
    if (found == op.values.end() || found->second.type != (wide ? CUDNN_TYPE_DOUBLE : CUDNN_TYPE_FLOAT))
      return "alpha or beta of a convolution has not the type of what it computes in";
  }
  to.alpha = wide ? one<double>(op, first) : static_cast<double>(one<float>(op, first));
  to.beta = wide ? one<double>(op, first + 1) : static_cast<double>(one<float>(op, first + 1));
  using pair = std::array<std::int64_t, 2>;
  auto const strides = several<std::int64_t, 2>(*window, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  auto const before = several<std::int64_t, 2>(*window, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  if (one<std::int64_t>(*window, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS) != 2 || strides[0] != strides[1] || strides[0] < 1 ||
      before[0] != before[1] || before != several<std::int64_t, 2>(*window, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS) ||
      several<std::int64_t, 2>(*window, CUDNN_ATTR_CONVOLUTION_DILATIONS) != pair{1, 1})
    return "a window is not one that the emulation has";
  if (one<cudnnConvolutionMode_t>(*window, CUDNN_ATTR_CONVOLUTION_CONV_MODE) != CUDNN_CROSS_CORRELATION)
    return "a convolution turns its window round";
  to.stride = strides[0];
  to.padding = before[0];
  if (!to.x.packed() || !to.y.packed()) return "maps have gaps";
  if (!to.w.packed()) return "weights are not in one of cuDNN's orders";
  bool fits = to.w.size[1] == to.x.size[1] && to.y.size[1] == to.w.size[0] && to.y.size[0] == to.x.size[0];
  for (std::size_t i : {std::size_t{2}, std::size_t{3}})
    fits = fits && to.y.size[i] == (to.x.size[i] + 2 * to.padding - to.w.size[i]) / to.stride + 1;
  return fits ? nullptr : "sizes of a convolution do not fit each other";
}

/// The convolution of a graph, a configuration or a plan; null where there is none.
record const* operation_of(record const& d) {
  if (d.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    record const* const config = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    return config == nullptr ? nullptr : operation_of(*config);
  }
  if (d.type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR || d.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    record const* const graph = part(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    return graph == nullptr || !graph->finalised ? nullptr : operation_of(*graph);
  }
  record const* const op = part(d, CUDNN_ATTR_OPERATIONGRAPH_OPS);
  return op == nullptr || !op->finalised ? nullptr : op;
}

template <class S>
void convolve(convolution const& c, S* x, S* w, S* y) {
  // What it writes is made in double first.
  tensor const& to = c.what == kind::forward ? c.y : c.what == kind::input_gradient ? c.x : c.w;
  S* const out = c.what == kind::forward ? y : c.what == kind::input_gradient ? x : w;
  std::vector<double> sums(static_cast<std::size_t>(to.count()));
  auto const factor = [&c](S v) { return c.rounds ? value_of(tf32(static_cast<float>(value_of(v)))) : value_of(v); };
  for (std::int64_t n = 0; n < c.y.size[0]; ++n)
    for (std::int64_t p = 0; p < c.y.size[2]; ++p)
      for (std::int64_t q = 0; q < c.y.size[3]; ++q)
        for (std::int64_t kh = 0; kh < c.w.size[2]; ++kh)
          for (std::int64_t kw = 0; kw < c.w.size[3]; ++kw) {
            std::int64_t const h = p * c.stride - c.padding + kh, v = q * c.stride - c.padding + kw;
            if (h < 0 || h >= c.x.size[2] || v < 0 || v >= c.x.size[3]) continue;
            for (std::int64_t f = 0; f < c.w.size[0]; ++f) {
              std::size_t const at_y = c.y.at(n, f, p, q);
              for (std::int64_t ch = 0; ch < c.w.size[1]; ++ch) {
                std::size_t const at_x = c.x.at(n, ch, h, v), at_w = c.w.at(f, ch, kh, kw);
                if (c.what == kind::forward) sums[at_y] += factor(x[at_x]) * factor(w[at_w]);
                if (c.what == kind::input_gradient) sums[at_x] += factor(y[at_y]) * factor(w[at_w]);
                if (c.what == kind::weight_gradient) sums[at_w] += factor(x[at_x]) * factor(y[at_y]);
              }
            }
          }
  for (std::size_t i = 0; i < sums.size(); ++i)
    out[i] = stored<S>(c.alpha * sums[i] + (c.beta != 0 ? c.beta * value_of(out[i]) : 0.0));
}

record* known(cudnnBackendDescriptor_t d) {
  auto* const found = static_cast<record*>(d);
  return live().count(found) != 0 ? found : nullptr;
}

cudnnStatus_t finalise(record& d) {
  convolution c;
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: {
      d.finalised = true;
      tensor t;
      if (!read_tensor(&d, t)) {
        d.finalised = false;
        return refuse(CUDNN_STATUS_BAD_PARAM, "a tensor has no elements, type, number or alignment");
      }
      break;
    }
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      if (char const* const wrong = read_operation(d, c)) return refuse(CUDNN_STATUS_BAD_PARAM, wrong);
      break;
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      if (operation_of(d) == nullptr) return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a graph has no operation");
      break;
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      if (operation_of(d) == nullptr) return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a heuristic has no graph");
      break;
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      record const* const config = part(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      if (config == nullptr || operation_of(d) == nullptr ||
          one<cudnnHandle_t>(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) == nullptr)
        return refuse(CUDNN_STATUS_BAD_PARAM, "a plan has no configuration, or no handle");
      bool const known_type = read_operation(*operation_of(d), c) == nullptr;
      if (!known_type || !engines()[config->engine].possible || (config->engine == narrow_engine && !c.x.narrow()))
        return refuse(CUDNN_STATUS_NOT_SUPPORTED, "an engine cannot serve");
      d.engine = config->engine;
      break;
    }
    default:
      break;
  }
  d.finalised = true;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  int count = 0;
  *handle = nullptr;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return refuse(CUDNN_STATUS_NOT_INITIALIZED, "there is no GPU");
  *handle = new cudnnContext;
  cudaGetDevice(&(*handle)->device);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  lock const held(calls());
  if (device_of(stream) != handle->device) return refuse(CUDNN_STATUS_BAD_PARAM, "a stream is of another device");
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}
char const* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM:
      return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED:
      return "CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED";
    case CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE:
      return "CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "a status without a name";
}
void cudnnGetLastErrorString(char* message, std::size_t bytes) {
  if (bytes == 0) return;
  std::size_t const n = std::min(bytes - 1, last_message.size());
  std::memcpy(message, last_message.data(), n);
  message[n] = 0;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t* descriptor) {
  lock const held(calls());
  auto* const made = new record;
  made->type = type;
  // The parts of others are filled in by cuDNN.
  made->finalised = type == CUDNN_BACKEND_ENGINE_DESCRIPTOR;
  live().insert(made);
  *descriptor = made;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  lock const held(calls());
  auto* const d = known(descriptor);
  if (d == nullptr) {
    report("a descriptor of cuDNN is destroyed that is none");
    return CUDNN_STATUS_BAD_PARAM;
  }
  live().erase(d);
  delete d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  lock const held(calls());
  auto* const d = known(descriptor);
  return d == nullptr ? refuse(CUDNN_STATUS_BAD_PARAM, "there is no such descriptor") : finalise(*d);
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t count, void const* values) {
  lock const held(calls());
  auto* const d = known(descriptor);
  if (d == nullptr || values == nullptr || count < 1) return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute has no value");
  if (d->finalised) return refuse(CUDNN_STATUS_BAD_PARAM, "an attribute is set after its descriptor was finalised");
  value v;
  v.type = type;
  v.count = count;
  auto const* const first = static_cast<std::byte const*>(values);
  v.bytes.assign(first, first + static_cast<std::size_t>(count) * size_of(type));
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    record* one_of = nullptr;
    std::memcpy(&one_of, v.bytes.data(), sizeof one_of);
    if (known(one_of) == nullptr || !one_of->finalised)
      return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a descriptor is used before it is finalised");
  }
  d->values[name] = std::move(v);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, std::int64_t room, std::int64_t* count,
                                       void* values) {
  lock const held(calls());
  auto* const d = known(descriptor);
  if (d == nullptr || !d->finalised) return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "what is asked is not finalised");
  auto** const parts = static_cast<record**>(values);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
      *count = static_cast<std::int64_t>(libraries().convolutions ? engines().size() : rounding_engine);
      convolution c;
      bool const read = read_operation(*operation_of(*d), c) == nullptr;
      if (!read || c.x.type != c.w.type || c.y.type != c.w.type) *count = 0;  // of bfloat16 and float it knows none
      if (values == nullptr) return CUDNN_STATUS_SUCCESS;
      *count = std::min(*count, room);
      for (std::size_t i = 0; i < static_cast<std::size_t>(*count); ++i) {
        if (known(parts[i]) == nullptr || parts[i]->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
          return refuse(CUDNN_STATUS_BAD_PARAM, "a result has no descriptor of its own");
        parts[i]->values[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH] = d->values[CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH];
        parts[i]->engine = i;
        parts[i]->finalised = true;
      }
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      *count = 1;
      if (room < 1 || known(parts[0]) == nullptr || parts[0]->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
        return refuse(CUDNN_STATUS_BAD_PARAM, "an engine has no descriptor of its own");
      parts[0]->engine = d->engine;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: {
      auto const& notes = engines()[d->engine].notes;
      *count = static_cast<std::int64_t>(notes.size());
      if (room < *count) return refuse(CUDNN_STATUS_BAD_PARAM, "there is no room for an engine's notes");
      std::copy(notes.begin(), notes.end(), static_cast<cudnnBackendNumericalNote_t*>(values));
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      if (type != CUDNN_TYPE_INT64) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
      *count = 1;
      *static_cast<std::int64_t*>(values) = static_cast<std::int64_t>(bytes_of(d->engine));
      return CUDNN_STATUS_SUCCESS;
    default:
      return refuse(CUDNN_STATUS_NOT_SUPPORTED, "the emulation has no such attribute to give");
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
  lock const held(calls());
  record const *const p = known(plan), *const v = known(pack);
  if (handle == nullptr || p == nullptr || v == nullptr || !p->finalised || !v->finalised)
    return refuse(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a plan or its addresses are not finalised");
  if (one<cudnnHandle_t>(*p, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) != handle)
    return refuse(CUDNN_STATUS_BAD_PARAM, "a plan is of another handle");
  record const* const op = operation_of(*p);
  convolution c;
  if (op == nullptr || read_operation(*op, c) != nullptr)
    return refuse(CUDNN_STATUS_BAD_PARAM, "what a plan was made of is gone");
  for (cudnnBackendNumericalNote_t const note : engines()[p->engine].notes)
    if (note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)
      report("an engine of cuDNN adds up in any order: its bits may differ from run to run");
  c.rounds = p->engine == rounding_engine && !c.x.wide();
  auto const ids = several<std::int64_t, 3>(*v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  auto const at = several<void*, 3>(*v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  auto* const workspace = one<void*>(*v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  std::array<void*, 3> place{};
  std::array<tensor const*, 3> const tensors{&c.x, &c.w, &c.y};
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t k = 0; k < 3; ++k)
      if (ids[k] == tensors[i]->id) place[i] = at[k];
    if (place[i] == nullptr) return refuse(CUDNN_STATUS_BAD_PARAM, "a tensor has no address");
    if (reinterpret_cast<std::uintptr_t>(place[i]) % static_cast<std::uintptr_t>(tensors[i]->alignment) != 0)
      return refuse(CUDNN_STATUS_BAD_PARAM, "a tensor is less aligned than its descriptor says");
  }
  std::size_t const bytes = bytes_of(p->engine);
  int const device = device_of(handle->stream);
  int current = -1;
  cudaGetDevice(&current);
  if (current != device) report("a convolution of cuDNN is called for another device than the current one");
  cudaError_t const put = enqueue(handle->stream, [c, place, workspace, bytes, device] {
    std::size_t const size = c.x.wide() ? 8 : c.x.narrow() ? 2 : 4;
    auto const of = [size](tensor const& t) { return static_cast<std::size_t>(t.count()) * size; };
    bool const good = check_range("the maps that a convolution reads", place[0], of(c.x), device) &
                      check_range("the weights of a convolution", place[1], of(c.w), device) &
                      check_range("the maps that a convolution writes", place[2], of(c.y), device) &
                      check_range("the workspace of cuDNN", workspace, bytes, device);
    if (!good) return cudaErrorIllegalAddress;
    if (bytes > 0) std::memset(workspace, 0xff, bytes);
    if (c.x.wide())
      convolve(c, static_cast<double*>(place[0]), static_cast<double*>(place[1]), static_cast<double*>(place[2]));
    else if (c.x.narrow())
      convolve(c, static_cast<std::uint16_t*>(place[0]), static_cast<std::uint16_t*>(place[1]),
               static_cast<std::uint16_t*>(place[2]));
    else
      convolve(c, static_cast<float*>(place[0]), static_cast<float*>(place[1]), static_cast<float*>(place[2]));
    return cudaSuccess;
  });
  return put == cudaSuccess ? CUDNN_STATUS_SUCCESS : refuse(CUDNN_STATUS_EXECUTION_FAILED, "the stream refuses it");
}
