// A table whose size is known at run time, made for constant evaluation, and cheap to compile.
#pragma once

#include <cstddef>
#include <utility>

#include <foal/core/config.hpp>

namespace foal {

/// What a std::vector<T> of one size would be. That is built element by element through a dozen functions each, and the
/// compilers' limits of constant evaluation count calls; here an element costs a step. For the same reason it costs a
/// compiler a tenth of what a std::vector of one more type does. Indexes without a check.
template <class T>
class flat_table {
 public:
  constexpr flat_table() = default;
  /// Of T{}, which need not be moved or copied.
  constexpr explicit flat_table(std::size_t size) : data_(new T[size]{}), size_(size) {}
  constexpr flat_table(std::size_t size, T value) { assign(size, value); }
  constexpr flat_table(flat_table&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  constexpr flat_table(flat_table const& other) : data_(new T[other.size_]{}), size_(other.size_) {
    for (std::size_t i = 0; i < size_; ++i) data_[i] = other.data_[i];
  }
  constexpr flat_table& operator=(flat_table other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  constexpr ~flat_table() { delete[] data_; }

  constexpr void assign(std::size_t size, T value) {
    T* const fresh = new T[size]{};
    delete[] data_;
    data_ = fresh;
    size_ = size;
    if (value == T{}) return;
    for (std::size_t i = 0; i < size; ++i) fresh[i] = value;
  }

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T* data() { return data_; }
  constexpr T const* data() const { return data_; }
  constexpr T& operator[](std::size_t i) { return data_[i]; }
  constexpr T const& operator[](std::size_t i) const { return data_[i]; }
  constexpr T* begin() { return data_; }
  constexpr T* end() { return data_ + size_; }
  constexpr T const* begin() const { return data_; }
  constexpr T const* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

using int_table = flat_table<int>;

}  // namespace foal
