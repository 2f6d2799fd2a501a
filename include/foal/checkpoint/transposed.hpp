// An array in PyTorch's order, and back: both are matrices, one the transpose of the other with its columns in some order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <foal/checkpoint/layout.hpp>

namespace foal::checkpoint {

namespace detail {

template <class T, bool Back>
void transpose(T const* from, T* to, std::vector<std::size_t> const& place, std::size_t columns) {
  std::size_t const rows = place.size();
  constexpr std::size_t block = 16;  // lines of a cache that are written side by side
  for (std::size_t first = 0; first < columns; first += block) {
    std::size_t const last = std::min(columns, first + block);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t o = first; o < last; ++o)
        if constexpr (Back)
          to[i * columns + o] = from[o * rows + place[i]];
        else
          to[o * rows + place[i]] = from[i * columns + o];
  }
}

template <bool Back>
void transpose(array_layout const& layout, std::size_t element, std::size_t size, void const* from, void* to) {
  auto const extent = [&](int d) { return static_cast<std::size_t>(layout.extent.extent[d]); };
  std::size_t const columns = layout.how == array_layout::kind::linear ? extent(1)
                              : layout.how == array_layout::kind::conv ? extent(3)
                                                                       : 1;
  std::vector<std::size_t> place(size / columns);
  for (std::size_t i = 0; i < place.size(); ++i) place[i] = layout.place(i * columns);
  auto const as = [&](auto number) {
    using T = decltype(number);
    transpose<T, Back>(static_cast<T const*>(from), static_cast<T*>(to), place, columns);
  };
  if (element == 8)
    as(std::uint64_t{});
  else if (element == 4)
    as(std::uint32_t{});
  else if (element == 2)
    as(std::uint16_t{});
  else
    as(std::uint8_t{});
}

}  // namespace detail

/// Writes foal's array of `size` elements of `element` bytes each, aligned to these, in PyTorch's order.
inline void to_pytorch(array_layout const& layout, std::size_t element, std::size_t size, void const* from, void* to) {
  if (layout.how == array_layout::kind::same)
    std::memcpy(to, from, size * element);
  else
    detail::transpose<false>(layout, element, size, from, to);
}
/// The other way round.
inline void from_pytorch(array_layout const& layout, std::size_t element, std::size_t size, void const* from, void* to) {
  if (layout.how == array_layout::kind::same)
    std::memcpy(to, from, size * element);
  else
    detail::transpose<true>(layout, element, size, from, to);
}

}  // namespace foal::checkpoint
