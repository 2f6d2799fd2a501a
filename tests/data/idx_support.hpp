// A small data set in the IDX format, written to a directory.
#pragma once

#include <string>

#include "tests/support/files.hpp"

namespace foal_test {

inline void append(bytes& to, std::uint32_t word) {
  for (unsigned shift : {24U, 16U, 8U, 0U}) to.push_back(static_cast<std::uint8_t>(word >> shift));
}

/// n images of 3 x 2 pixels: pixel i of image k is (50 k + 7 i) mod 256.
inline bytes idx_images(std::uint32_t n) {
  bytes file;
  for (std::uint32_t const word : {0x803U, n, 3U, 2U}) append(file, word);
  for (std::uint32_t k = 0; k < n; ++k)
    for (std::uint32_t i = 0; i < 6; ++i) file.push_back(static_cast<std::uint8_t>(50 * k + 7 * i));
  return file;
}

/// Labels 0, 1, 2, 0, 1 ...
inline bytes idx_labels(std::uint32_t n) {
  bytes file;
  for (std::uint32_t const word : {0x801U, n}) append(file, word);
  for (std::uint32_t k = 0; k < n; ++k) file.push_back(static_cast<std::uint8_t>(k % 3));
  return file;
}

inline constexpr char const* idx_names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                            "t10k-labels-idx1-ubyte"};

/// Five training and three test images.
inline void write_idx(temporary_directory const& to) {
  write(to / idx_names[0], idx_images(5));
  write(to / idx_names[1], idx_labels(5));
  write(to / idx_names[2], idx_images(3));
  write(to / idx_names[3], idx_labels(3));
}

}  // namespace foal_test
