// Arrays of safetensors files as vectors of numbers: samples and targets for data::memory, whatever width they were kept in.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/checkpoint/safetensors_file.hpp>

namespace foal::checkpoint {

/// Numbers in the order of the array (row-major).
template <class T>
struct values {
  std::vector<std::uint64_t> shape;
  std::vector<T> numbers;
};

/// Reads one tensor of what read_safetensors_file() gave: values_of<float>(c, "images"), values_of<std::int32_t>(c,
/// "labels"). Floating point (F16, BF16, F32, F64) is read as float or double, whole numbers (BOOL, I8 to I64, U8 to U32) as
/// any integer type in which every one of them fits; between the two kinds nothing is converted. Throws foal::error
/// otherwise, or where there is no such tensor. file: for the sentence.
template <class T>
  requires std::floating_point<T> || std::integral<T>
values<T> values_of(safetensors_content const& c, std::string_view name, std::string_view file = "these tensors") {
  using read = std::conditional_t<std::floating_point<T>, T, std::int64_t>;
  for (stored_tensor const& t : c.tensors) {
    if (t.name != name) continue;
    element_reader<read> const element = reader_of<read>(t.dtype);
    require(element != nullptr, "cannot read ", name, " of ", file, ", because it is of type ", t.dtype, " where ",
            std::floating_point<T> ? "F16, BF16, F32 or F64" : "BOOL, I8 to I64 or U8 to U32", " is expected; convert it");
    std::uint64_t const size = (t.end - t.begin) / (bits_of(t.dtype) / 8);
    values<T> all{t.shape, std::vector<T>(size)};
    for (std::size_t i = 0; i < size; ++i) {
      read const v = element(c.buffer.data() + t.begin, i);
      if constexpr (std::integral<T>)
        require(std::in_range<T>(v), "cannot read ", name, " of ", file, ", because element ", i, " is ", v,
                " where at least ", std::numeric_limits<T>::min(), " and at most ", std::numeric_limits<T>::max(),
                " are expected; read it as 64-bit integers");
      all.numbers[i] = static_cast<T>(v);
    }
    return all;
  }
  throw error(sentence("cannot read ", name, " of ", file, ", because there is no such tensor; give one of the ",
                       c.tensors.size(), " that it has"));
}

}  // namespace foal::checkpoint
