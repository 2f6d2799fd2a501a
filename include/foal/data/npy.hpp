// Reads and writes arrays as .npy files (NumPy's format, NEP 1, versions 1.0 and 2.0): C order, little-endian.
#pragma once

#include <algorithm>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/core/atomic_file.hpp>
#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/data/file.hpp>
#include <foal/data/npy_header.hpp>

namespace foal::data {

static_assert(std::endian::native == std::endian::little, "cannot use .npy files, because their numbers are little-endian");

/// The element types that foal reads and writes.
template <class T>
concept npy_element =
    std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;

/// An array in C order: the last extent varies fastest.
template <npy_element T>
struct npy {
  std::vector<long long> extent;
  std::vector<T> values;
};

namespace detail {

template <npy_element T>
constexpr char const* npy_descr() {
  if constexpr (std::floating_point<T>)
    return sizeof(T) == 4 ? "<f4" : "<f8";
  else
    return sizeof(T) == 4 ? "<i4" : "<i8";
}

/// The bytes of an array; the largest number where they are more than any file has. Reader and writer ask it.
inline std::uint64_t npy_bytes(std::vector<long long> const& extent, std::size_t element) {
  return saturating_size(extent, element);
}

/// Reads `count` elements of type From, which the file has shown that it has, and converts them; an integer must fit. Beside
/// the values it takes memory for some thousand elements.
template <class From, class T>
std::vector<T> npy_values(file& from, std::uint64_t header, std::size_t count, std::string const& layout) {
  std::vector<T> values(count);
  auto const read = [&](From* to, std::size_t begin, std::size_t n) {
    std::size_t const got = from.read(to, n * sizeof(From));
    if (got != n * sizeof(From)) refuse_size(from, layout, header + begin * sizeof(From) + got);
  };
  if constexpr (std::same_as<From, T>) {
    read(values.data(), 0, count);
  } else {
    std::vector<From> piece(std::min<std::size_t>(count, 8192));
    for (std::size_t begin = 0; begin < count; begin += piece.size()) {
      std::size_t const n = std::min(piece.size(), count - begin);
      read(piece.data(), begin, n);
      for (std::size_t i = 0; i < n; ++i) {
        if constexpr (std::integral<T>)
          require(std::in_range<T>(piece[i]), "cannot read ", from.path(), ", because element ", begin + i, " is ", piece[i],
                  " where at most ", std::numeric_limits<T>::max(), " and at least ", std::numeric_limits<T>::min(),
                  " are expected; read it as 64-bit integers");
        values[begin + i] = static_cast<T>(piece[i]);
      }
    }
  }
  std::uint8_t beyond = 0;
  if (from.read(&beyond, 1) != 0) refuse_size(from, layout, "more than ", header + count * sizeof(From));
  return values;
}

}  // namespace detail

/// Reads an array, in the memory of its values and little more. Floating point of either width is converted to the width
/// asked for (rounded to nearest), integers likewise if every one fits; between the two kinds nothing is converted. Another
/// element type, Fortran order, and a truncated, oversized or foreign file are refused with a sentence.
template <npy_element T>
npy<T> read_npy(std::string const& path) {
  file from(path);
  std::uint8_t start[12] = {};
  std::size_t const got = from.read(start, 10);
  require(got == 10 && std::memcmp(start, "\x93NUMPY", 6) == 0, "cannot read ", path, ", because its first ", got,
          " bytes are not the magic string \\x93NUMPY, a version and a length, which start a .npy file in 10 bytes; give a "
          "file ",
          "written by numpy.save");
  require((start[6] == 1 || start[6] == 2) && start[7] == 0, "cannot read ", path, ", because its version is ",
          int{start[6]}, ".", int{start[7]}, " where 1.0 or 2.0 is expected; write it again with numpy.save");
  if (start[6] == 2)
    require(from.read(start + 10, 2) == 2, "cannot read ", path,
            ", because it ends in the length of its header where 4 bytes are expected; fetch the file again");
  std::uint64_t const before = start[6] == 1 ? 10 : 12;
  std::uint64_t const length = std::uint64_t{start[8]} | std::uint64_t{start[9]} << 8U | std::uint64_t{start[10]} << 16U |
                               std::uint64_t{start[11]} << 24U;
  require(length <= from.most() - before, "cannot read ", path, ", because its header length is ", length,
          " bytes where only ", from.most() - before, " are left in the file; fetch the file again");
  require(length <= detail::most_npy_header, "cannot read ", path, ", because its header length is ", length,
          " bytes where at most ", detail::most_npy_header, " are expected; write it again with numpy.save");
  std::string text(length, ' ');
  require(from.read(text.data(), length) == length, "cannot read ", path,
          ", because it ends in its header; the file changed while it was read, try again");
  detail::npy_header const header(path, text);
  char const* const wanted = detail::npy_descr<T>();
  require(header.descr == wanted || header.descr == (std::floating_point<T> ? sizeof(T) == 4 ? "<f8" : "<f4"
                                                     : sizeof(T) == 4       ? "<i8"
                                                                            : "<i4"),
          "cannot read ", path, ", because its element type is '", header.descr, "' where '", wanted,
          "' (or the same of the other width, 4 or 8 bytes) is expected; convert it with numpy's astype");
  require(header.order == "False", "cannot read ", path, ", because its fortran_order is ", header.order,
          " where False is expected; write numpy.ascontiguousarray of it");
  bool const wide = header.descr[2] == '8';
  std::size_t const element = wide ? 8 : 4;
  std::string layout = sentence(before + length, " + ", element);
  for (long long const e : header.extent) layout += sentence(" x ", e);
  std::uint64_t const size = detail::npy_bytes(header.extent, element);
  check_rest(from, before + length, size, layout);
  using narrow_type = std::conditional_t<std::floating_point<T>, float, std::int32_t>;
  using wide_type = std::conditional_t<std::floating_point<T>, double, std::int64_t>;
  std::size_t const count = size / element;
  return {header.extent, wide ? detail::npy_values<wide_type, T>(from, before + length, count, layout)
                              : detail::npy_values<narrow_type, T>(from, before + length, count, layout)};
}

/// Writes the product of `extent` values as version 1.0, the header padded so that the values start at a multiple of 64
/// bytes. Throws foal::error if an extent is negative, there are more than 32, their product is more than memory can hold,
/// or the file cannot be written; what was there before stays.
template <npy_element T>
void write_npy(std::string const& path, std::vector<long long> const& extent, T const* values) {
  require(extent.size() <= detail::most_npy_extents, "cannot write ", path, ", because the array has ", extent.size(),
          " extents where at most ", detail::most_npy_extents, " are expected; reshape it");
  std::string text = sentence("{'descr': '", detail::npy_descr<T>(), "', 'fortran_order': False, 'shape': (");
  std::size_t const shape_at = text.size();
  for (long long const& e : extent) {
    require(e >= 0, "cannot write ", path, ", because an extent is ", e, "; give extents of at least 0");
    text += sentence(e, extent.size() == 1 ? "," : &e == &extent.back() ? "" : ", ");
  }
  std::uint64_t const bytes = detail::npy_bytes(extent, sizeof(T));
  constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max());
  require(bytes <= most, "cannot write ", path, ", because an array of shape (", text.substr(shape_at), ") has more than ",
          most, " bytes; give the extents of the array that there is");
  text += "), }";
  text.append(63 - (10 + text.size()) % 64, ' ');
  text += '\n';
  std::string const start{'\x93',
                          'N',
                          'U',
                          'M',
                          'P',
                          'Y',
                          '\x01',
                          '\0',
                          static_cast<char>(text.size() % 256),
                          static_cast<char>(text.size() / 256)};
  atomic_file to(path);
  to.write(start.data(), start.size());
  to.write(text.data(), text.size());
  to.write(values, bytes);
  to.commit();
}

}  // namespace foal::data
