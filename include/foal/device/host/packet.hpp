// Registers of several elements, for the kernels that are written in them: Eigen's vector types by their number of lanes.
#pragma once

#include <foal/core/config.hpp>

#include <Eigen/Core>
#include <cstddef>
#include <cstring>
#include <type_traits>
#include <utility>

namespace foal::device::host_ops {

/// Lanes elements of S in one register; one lane is S itself.
template <class S, int Lanes>
struct packet {
  using type = typename Eigen::internal::find_best_packet<S, Lanes>::type;
  static constexpr bool exists = sizeof(type) == Lanes * sizeof(S);
};
template <class S>
struct packet<S, 1> {
  using type = S;
  static constexpr bool exists = true;
};

/// A number that is known to be positive, as the extent of an array.
constexpr std::size_t extent(int n) { return static_cast<std::size_t>(n); }

/// Lanes of the widest register for S.
template <class S>
inline constexpr int full_lanes = Eigen::internal::packet_traits<S>::size;

/// Whether there are 32 vector registers instead of 16.
inline constexpr bool many_registers = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32;

/// The same address, of which the compiler does not know where it came from: it then addresses neighbours by constant
/// distances from one register, instead of keeping a register (or a spilled one) for each.
template <class T>
[[gnu::always_inline]] inline T* opaque(T* p) {
  asm("" : "+r"(p));
  return p;
}

/// Elements of Rows rows that are `down` apart, a column after the other. A pointer stands for three rows, as an instruction
/// can add a register once or twice: any other form of these addresses costs more instructions or registers.
template <class S, int Rows>
class column_walk {
 public:
  [[gnu::always_inline]] column_walk(S const* first, std::ptrdiff_t down) : down_(down) {
    for (int i = 0; i < triples; ++i) at_[i] = first + 3 * i * down;
  }
  /// To be called before the elements of a column are read.
  [[gnu::always_inline]] void settle() {
#pragma GCC unroll 8
    for (S const*& p : at_) p = opaque(p);
  }
  [[gnu::always_inline]] S element(int row) const { return at_[row / 3][row % 3 * down_]; }
  [[gnu::always_inline]] void step(std::ptrdiff_t right) {
#pragma GCC unroll 8
    for (S const*& p : at_) p += right;
  }

 private:
  static constexpr int triples = (Rows + 2) / 3;
  S const* at_[extent(triples)];
  std::ptrdiff_t down_;
};

/// The same value, in a register: the compiler may not load it anew for each use, as g++ does where an instruction can take
/// it from memory.
template <class V>
[[gnu::always_inline]] inline V in_register(V v) {
#if defined(__AVX512F__)
  asm("" : "+v"(v));
#elif defined(__x86_64__)
  asm("" : "+x"(v));
#endif
  return v;
}

namespace detail {

/// The compiler's own vectors, for shuffles: Eigen has none for all of its types, and its transposition makes g++ warn.
template <class S, int Lanes>
struct plain_vector {
  typedef S type [[gnu::vector_size(Lanes * sizeof(S))]];
};

/// Elements in 16 bytes, at least one: shuffles that stay within such a part are one instruction everywhere.
template <class S, int Lanes>
inline constexpr int part_lanes = Lanes * sizeof(S) <= 16 ? Lanes : 16 / static_cast<int>(sizeof(S));

/// In each part the elements of a and b in turn, beginning with element `From` of both.
template <int Lanes, int Part, int From, class V, int... I>
[[gnu::always_inline]] inline V interleave(V a, V b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / Part * Part + From + I % Part / 2 + I % 2 * Lanes)...);
}

/// Where a block of Half lanes of the result comes from: even blocks from a, odd ones from b, both from their even blocks
/// (From = 0) or their odd ones (From = Half).
template <int Lanes, int Half, int From, class V, int... I>
[[gnu::always_inline]] inline V swap_blocks(V a, V b, std::integer_sequence<int, I...>) {
  return __builtin_shufflevector(a, b, (I / (2 * Half) * (2 * Half) + From + I % Half + I / Half % 2 * Lanes)...);
}

template <int Lanes, int Half, class V>
[[gnu::always_inline]] inline void transpose_blocks(V* row) {
  if constexpr (Half < Lanes) {
    using lanes = std::make_integer_sequence<int, Lanes>;
#pragma GCC unroll 16
    for (int i = 0; i < Lanes; ++i) {
      if (i / Half % 2 != 0) continue;
      V const a = row[i], b = row[i + Half];
      row[i] = swap_blocks<Lanes, Half, 0>(a, b, lanes{});
      row[i + Half] = swap_blocks<Lanes, Half, Half>(a, b, lanes{});
    }
    transpose_blocks<Lanes, 2 * Half>(row);
  }
}

/// Rows become columns: first the squares within parts, where each round halves the distance between elements that belong
/// together, then these squares change places.
template <class V, std::size_t Rows>
[[gnu::always_inline]] inline void transpose_square(V (&row)[Rows]) {
  constexpr int Lanes = static_cast<int>(Rows);
  constexpr int Part = part_lanes<std::remove_cvref_t<decltype(row[0][0])>, Lanes>;
  using lanes = std::make_integer_sequence<int, Lanes>;
#pragma GCC unroll 16
  for (int first = 0; first < Lanes; first += Part) {
#pragma GCC unroll 4
    for (int round = 1; round < Part; round *= 2) {
      V next[extent(Part)];
#pragma GCC unroll 8
      for (int i = 0; i < Part / 2; ++i) {
        next[2 * i] = interleave<Lanes, Part, 0>(row[first + i], row[first + i + Part / 2], lanes{});
        next[2 * i + 1] = interleave<Lanes, Part, Part / 2>(row[first + i], row[first + i + Part / 2], lanes{});
      }
#pragma GCC unroll 16
      for (int i = 0; i < Part; ++i) row[first + i] = next[i];
    }
  }
  transpose_blocks<Lanes, Part>(row);
}

}  // namespace detail

/// to[k * Width + j] = from[k + j * right] for k < depth, j < Width: rows of `from` become columns.
template <class S, int Width>
void transpose_panel(std::ptrdiff_t depth, S const* from, std::ptrdiff_t right, S* to) {
  constexpr int lanes = full_lanes<S>;
  std::ptrdiff_t k = 0;
  if constexpr (lanes > 1 && Width % lanes == 0) {
    using vector = typename detail::plain_vector<S, lanes>::type;
    for (; k + lanes <= depth; k += lanes) {
      for (int j = 0; j < Width; j += lanes) {
        vector row[extent(lanes)];
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) std::memcpy(&row[i], from + k + (j + i) * right, sizeof(vector));
        detail::transpose_square(row);
#pragma GCC unroll 16
        for (int i = 0; i < lanes; ++i) std::memcpy(to + (k + i) * Width + j, &row[i], sizeof(vector));
      }
    }
  }
  for (; k < depth; ++k) {
    for (int j = 0; j < Width; ++j) to[k * Width + j] = from[k + j * right];
  }
}

}  // namespace foal::device::host_ops
