// Reads and writes arrays as .npy files (NumPy's format, NEP 1, versions 1.0 and 2.0): C order, little-endian.
#pragma once

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

/// Interprets the payload as elements of type From and converts them; an integer must fit.
template <class From, class T>
std::vector<T> npy_convert(std::string const& path, std::vector<std::uint8_t> const& bytes) {
  std::vector<T> values(bytes.size() / sizeof(From));
  for (std::size_t i = 0; i < values.size(); ++i) {
    From value;
    std::memcpy(&value, bytes.data() + i * sizeof(From), sizeof(From));
    if constexpr (std::integral<T>)
      require(std::in_range<T>(value), "cannot read ", path, ", because element ", i, " is ", value, " where at most ",
              std::numeric_limits<T>::max(), " and at least ", std::numeric_limits<T>::min(),
              " are expected; read it as 64-bit integers");
    values[i] = static_cast<T>(value);
  }
  return values;
}

}  // namespace detail

/// Reads an array. Floating point of either width is converted to the width asked for (rounded to nearest), integers
/// likewise if every one fits; between the two kinds nothing is converted. Another element type, Fortran order, and a
/// truncated, oversized or foreign file are refused with a sentence.
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
  std::uint64_t size = 1;
  bool empty = false;
  std::string layout = sentence(before + length, " + ", wide ? 8 : 4);
  for (long long const e : header.extent) {
    empty = empty || e == 0;
    size = saturating_product(size, static_cast<std::uint64_t>(e));
    layout += sentence(" x ", e);
  }
  size = empty ? 0 : saturating_product(size, wide ? 8 : 4);
  std::vector<std::uint8_t> const bytes = read_rest(from, before + length, size, layout);
  using narrow_type = std::conditional_t<std::floating_point<T>, float, std::int32_t>;
  using wide_type = std::conditional_t<std::floating_point<T>, double, std::int64_t>;
  return {header.extent,
          wide ? detail::npy_convert<wide_type, T>(path, bytes) : detail::npy_convert<narrow_type, T>(path, bytes)};
}

/// Writes the product of `extent` values as version 1.0, the header padded so that the values start at a multiple of 64
/// bytes. Throws foal::error if an extent is negative, there are more than 32, or the file cannot be written;
/// what was there before stays.
template <npy_element T>
void write_npy(std::string const& path, std::vector<long long> const& extent, T const* values) {
  require(extent.size() <= 32, "cannot write ", path, ", because the array has ", extent.size(),
          " extents where at most 32 are expected; reshape it");
  std::string text = sentence("{'descr': '", detail::npy_descr<T>(), "', 'fortran_order': False, 'shape': (");
  std::size_t count = 1;
  for (long long const e : extent) {
    require(e >= 0, "cannot write ", path, ", because an extent is ", e, "; give extents of at least 0");
    text += sentence(e, extent.size() == 1 ? "," : &e == &extent.back() ? "" : ", ");
    count *= static_cast<std::size_t>(e);
  }
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
  to.write(values, count * sizeof(T));
  to.commit();
}

}  // namespace foal::data
