// Loads CIFAR-10 in its binary version (Krizhevsky 2009): records of one label byte and 3 x 32 x 32 channel-major pixel
// bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/file.hpp>
#include <foal/data/file.hpp>
#include <foal/data/split.hpp>

namespace foal::data {

namespace detail {

inline constexpr std::size_t cifar_plane = 32 * 32, cifar_record = 1 + 3 * cifar_plane;

/// Appends the records of one file, channels last.
inline void append_cifar(std::string const& path, std::vector<std::uint8_t>& pixels, std::vector<std::int32_t>& labels) {
  file from(path);
  require(from.most() > 0 && from.most() % cifar_record == 0, "cannot read ", path, ", because its size is ", from.most(),
          " bytes where a multiple of ", cifar_record,
          " (1 label + 3 x 32 x 32 pixels a record) is expected; fetch the file again, ",
          "or check that it is the binary version of CIFAR-10");
  std::size_t const count = from.most() / cifar_record, old = pixels.size();
  pixels.resize(old + count * 3 * cifar_plane);
  labels.reserve(labels.size() + count);
  std::uint8_t record[cifar_record];
  std::uint8_t* to = pixels.data() + old;
  for (std::size_t r = 0; r < count; ++r) {
    std::size_t const got = from.read(record, cifar_record);
    require(got == cifar_record, "cannot read ", path, ", because record ", r, " has ", got, " bytes where ", cifar_record,
            " are expected; the file changed while it was read, try again");
    require(record[0] < 10, "cannot read ", path, ", because the label of record ", r, " is ", int{record[0]},
            " where 0 to 9 is expected; check that it is the binary version of CIFAR-10");
    labels.push_back(record[0]);
    for (std::size_t i = 0; i < cifar_plane; ++i)
      for (std::size_t c = 0; c < 3; ++c) *to++ = record[1 + c * cifar_plane + i];
  }
}

}  // namespace detail

/// Loads data_batch_1.bin, data_batch_2.bin ... (the data set has five; as many as there are, up to 99, without a gap) and
/// test_batch.bin from a directory. A file that is missing, cannot be read, is truncated, oversized or of another format is
/// refused with a sentence. The name says where there are more than one and fewer than five. which: the part that is kept of
/// what is read.
inline dataset cifar10(std::string const& directory, part which = part::both) {
  constexpr int all = 5, most = 99;
  require_folder(directory, "the binary version of CIFAR-10");
  shape const sample = image(3, 32, 32);
  auto const batch = [&](int number) { return directory + "/data_batch_" + std::to_string(number) + ".bin"; };
  auto const there = [&](int number) { return what_is(batch(number)) != under_name::nothing; };
  int parts = 0, last = most;
  while (parts < most && there(parts + 1)) ++parts;
  while (last > parts && !there(last)) --last;
  require(parts == last, "cannot load ", batch(parts + 1), ", because no such file is there, and data_batch_", last,
          ".bin is; fetch the missing part, or remove those behind it");
  require(parts > 0, "cannot load ", batch(1),
          ", because no such file is there; give the directory that holds the binary version of CIFAR-10");
  std::vector<std::uint8_t> pixels, test_pixels;
  std::vector<std::int32_t> labels, test_labels;
  auto const append = [which](std::string const& path, std::vector<std::uint8_t>& to, std::vector<std::int32_t>& to_labels) {
    detail::append_cifar(path, to, to_labels);
    if (!has_inputs(which)) to.clear();
  };
  for (int number = 1; number <= parts; ++number) append(batch(number), pixels, labels);
  append(directory + "/test_batch.bin", test_pixels, test_labels);
  normalisation const scale = normalisation::measure(3, pixels);
  auto const assemble = [&](std::vector<std::uint8_t>& of, std::vector<std::int32_t>& of_labels) {
    std::size_t const n = of_labels.size();
    if (!has_targets(which)) of_labels = {};
    if (!has_inputs(which)) of = {};
    return split(which, n, sample, 10, std::move(of), std::move(of_labels), scale);
  };
  std::string name = "cifar10";
  if (parts > 1 && parts < all) name += sentence(", ", parts, " of ", all, " training files");
  return {assemble(pixels, labels), assemble(test_pixels, test_labels), std::move(name)};
}

}  // namespace foal::data
