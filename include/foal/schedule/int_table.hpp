// A table of integers whose size is known at run time, made for constant evaluation.
#pragma once

#include <cstddef>
#include <utility>

#include <foal/core/config.hpp>

namespace foal::schedule {

/// What a std::vector<int> would be. That is built element by element through a dozen functions each, and the compilers'
/// limits of constant evaluation count calls; here an element costs a step. Indexes without a check.
class int_table {
 public:
  constexpr int_table() = default;
  constexpr int_table(std::size_t size, int value) { assign(size, value); }
  constexpr int_table(int_table&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  constexpr int_table(int_table const& other) : data_(new int[other.size_]{}), size_(other.size_) {
    for (std::size_t i = 0; i < size_; ++i) data_[i] = other.data_[i];
  }
  constexpr int_table& operator=(int_table other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  constexpr ~int_table() { delete[] data_; }

  constexpr void assign(std::size_t size, int value) {
    int* const fresh = new int[size]{};
    delete[] data_;
    data_ = fresh;
    size_ = size;
    if (value == 0) return;
    for (std::size_t i = 0; i < size; ++i) fresh[i] = value;
  }

  constexpr std::size_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr int* data() { return data_; }
  constexpr int const* data() const { return data_; }
  constexpr int& operator[](std::size_t i) { return data_[i]; }
  constexpr int operator[](std::size_t i) const { return data_[i]; }
  constexpr int const* begin() const { return data_; }
  constexpr int const* end() const { return data_ + size_; }

 private:
  int* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace foal::schedule
