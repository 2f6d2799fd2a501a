// What cuDNN's graphs are made of: a handle, descriptors with attributes, failures as sentences.
#pragma once

#include <cudnn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include <foal/core/error.hpp>

namespace foal::device::cuda_ops {

/// Throws foal::error unless the status is success. call: the call and what it was for.
template <class... Call>
void check(cudnnStatus_t status, Call const&... call) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> why{};
  cudnnGetLastErrorString(why.data(), why.size());
  throw error(sentence("cannot do ", call..., ", because cuDNN gave ", cudnnGetErrorString(status), " (", why.data(),
                       "); check that the GPU is free, has memory left, and is one that this cuDNN serves"));
}

/// A handle of cuDNN, on the GPU in use and for one stream.
class cudnn_handle {
 public:
  explicit cudnn_handle(cudaStream_t stream) {
    cudnnHandle_t made = nullptr;
    check(cudnnCreate(&made), "cudnnCreate");
    handle_.reset(made);
    check(cudnnSetStream(made, stream), "cudnnSetStream");
  }
  cudnnHandle_t get() const { return handle_.get(); }

 private:
  struct destroy {
    void operator()(cudnnContext* h) const { cudnnDestroy(h); }
  };
  std::unique_ptr<cudnnContext, destroy> handle_;
};

namespace detail {

constexpr cudnnBackendAttributeType_t type_of(std::int64_t) { return CUDNN_TYPE_INT64; }
constexpr cudnnBackendAttributeType_t type_of(float) { return CUDNN_TYPE_FLOAT; }
constexpr cudnnBackendAttributeType_t type_of(double) { return CUDNN_TYPE_DOUBLE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnDataType_t) { return CUDNN_TYPE_DATA_TYPE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnConvolutionMode_t) { return CUDNN_TYPE_CONVOLUTION_MODE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendHeurMode_t) { return CUDNN_TYPE_HEUR_MODE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendNumericalNote_t) { return CUDNN_TYPE_NUMERICAL_NOTE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnHandle_t) { return CUDNN_TYPE_HANDLE; }
constexpr cudnnBackendAttributeType_t type_of(cudnnBackendDescriptor_t) { return CUDNN_TYPE_BACKEND_DESCRIPTOR; }

}  // namespace detail

/// A descriptor of cuDNN's backend: attributes are set, then it is finalised, then it can be used. What it is made of must
/// live as long.
class descriptor {
 public:
  explicit descriptor(cudnnBackendDescriptorType_t type) {
    cudnnBackendDescriptor_t made = nullptr;
    check(cudnnBackendCreateDescriptor(type, &made), "cudnnBackendCreateDescriptor");
    handle_.reset(made);
  }
  cudnnBackendDescriptor_t get() const { return handle_.get(); }

  template <class T, std::size_t N>
  void set(cudnnBackendAttributeName_t name, std::array<T, N> const& values) {
    set(name, detail::type_of(T{}), N, values.data());
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, T value) {
    set(name, detail::type_of(value), 1, &value);
  }
  void set(cudnnBackendAttributeName_t name, descriptor const& d) { set(name, d.get()); }
  void set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t count, void const* values) {
    check(cudnnBackendSetAttribute(get(), name, type, static_cast<std::int64_t>(count), values),
          "cudnnBackendSetAttribute of attribute ", static_cast<int>(name));
  }
  void finalise() { check(cudnnBackendFinalize(get()), "cudnnBackendFinalize"); }
  /// False where cuDNN cannot serve what it describes.
  bool can_finalise() { return cudnnBackendFinalize(get()) == CUDNN_STATUS_SUCCESS; }

  std::int64_t number(cudnnBackendAttributeName_t name) const {
    std::int64_t value = 0, count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_INT64, 1, &count, &value), "cudnnBackendGetAttribute");
    return value;
  }
  std::vector<cudnnBackendNumericalNote_t> notes() const {
    std::vector<cudnnBackendNumericalNote_t> all(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, all.data()),
          "cudnnBackendGetAttribute of an engine's notes");
    all.resize(static_cast<std::size_t>(count));
    return all;
  }
  /// The descriptor of this attribute.
  descriptor part(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
    descriptor one(type);
    cudnnBackendDescriptor_t raw = one.get();
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &raw), "cudnnBackendGetAttribute");
    return one;
  }
  /// The descriptors of this attribute, in their order.
  std::vector<descriptor> parts(cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) const {
    std::int64_t count = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, nullptr),
          "cudnnBackendGetAttribute");
    std::vector<descriptor> all;
    std::vector<cudnnBackendDescriptor_t> raw;
    for (std::int64_t i = 0; i < count; ++i) raw.push_back(all.emplace_back(type).get());
    std::int64_t given = 0;
    check(cudnnBackendGetAttribute(get(), name, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, &given, raw.data()),
          "cudnnBackendGetAttribute");
    while (static_cast<std::int64_t>(all.size()) > given) all.pop_back();
    return all;
  }

 private:
  struct destroy {
    void operator()(void* d) const { cudnnBackendDestroyDescriptor(d); }
  };
  std::unique_ptr<void, destroy> handle_;
};

}  // namespace foal::device::cuda_ops
