// Loads image data sets in the IDX format: MNIST, Fashion-MNIST, KMNIST, EMNIST and the like.
// Format: LeCun, Cortes, Burges, "The MNIST database": big-endian 32-bit magic number and extents, then the bytes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/core/file.hpp>
#include <foal/data/file.hpp>
#include <foal/data/split.hpp>

namespace foal::data {

/// Files as they are; what idx() uses unless given data::gzip{}.
struct raw {
  static constexpr char const* suffix = "";
  using file = data::file;
};

namespace detail {

/// One IDX file of unsigned bytes.
struct idx_file {
  std::string path;
  std::vector<std::uint32_t> extent;
  std::vector<std::uint8_t> bytes;
};

inline std::string hexadecimal(std::uint32_t v) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[(v >> static_cast<unsigned>(shift)) & 15U];
  return text;
}

/// Reads the header, then as many bytes as it announces, if they are wanted. rank: 3 for images, 1 for labels.
template <class File>
idx_file read_idx(File from, int rank, char const* what, bool wanted) {
  std::uint64_t header = 0;
  auto const word = [&](char const* field) {
    std::uint8_t b[4] = {};
    std::size_t const got = from.read(b, 4);
    require(got == 4, "cannot read ", from.path(), ", because it ends after ", header + got, " bytes, in the ", field,
            ", where an IDX ", what, " file has a header of ", 4 + 4 * rank, " bytes; fetch the file again");
    header += 4;
    return (std::uint32_t{b[0]} << 24U) | (std::uint32_t{b[1]} << 16U) | (std::uint32_t{b[2]} << 8U) | std::uint32_t{b[3]};
  };
  std::uint32_t const magic = word("magic number"), expected = 0x800U + static_cast<std::uint32_t>(rank);
  require(magic == expected, "cannot read ", from.path(), ", because its magic number is ", hexadecimal(magic),
          " where an IDX ", what, " file has ", hexadecimal(expected),
          "; check that the file is of this format and not compressed");
  idx_file result{from.path(), {}, {}};
  std::uint64_t size = 1;
  std::string layout = sentence(4 + 4 * rank, " + ");
  char const* const fields[] = {"number of samples", "number of rows", "number of columns"};
  for (int i = 0; i < rank; ++i) {
    std::uint32_t const extent = word(fields[i]);
    require(extent > 0, "cannot read ", from.path(), ", because its ", fields[i],
            " is 0 where at least 1 is expected; fetch the file again");
    result.extent.push_back(extent);
    size = saturating_product(size, extent);
    layout += sentence(i == 0 ? "" : " x ", extent);
  }
  if (wanted) result.bytes = read_rest(from, header, size, layout);
  return result;
}

/// Finds one of the four files, whose name comes in two spellings, packed or not. A folder of one spelling does not hide a
/// file of another; a file that is there and cannot be read is never passed over.
template <class Reader>
idx_file find_idx(std::string const& directory, std::string const& stem, std::string const& kind, int rank, char const* what,
                  bool wanted) {
  std::string const names[] = {directory + "/" + stem + "-" + kind, directory + "/" + stem + "." + kind};
  std::string folder;
  auto const usable = [&](std::string const& name) {
    under_name const found = what_is(name);
    if (found == under_name::folder && folder.empty()) folder = name;
    return found != under_name::nothing && found != under_name::folder;
  };
  for (std::string const& name : names)
    if (usable(name)) return read_idx(file(name), rank, what, wanted);
  if constexpr (Reader::suffix[0] != '\0') {
    for (std::string const& name : names)
      if (usable(name + Reader::suffix)) return read_idx(typename Reader::file(name + Reader::suffix), rank, what, wanted);
  } else {
    for (std::string const& name : names)
      require(
          what_is(name + ".gz") != under_name::file, "cannot load ", name, ", because there is only ", name,
          ".gz, which is compressed; unpack it with gunzip, or include foal/data/gzip.hpp and call idx(directory, gzip{})");
  }
  if (!folder.empty()) require_file(folder);
  throw error(sentence("cannot load ", names[0], ", because no such file is there, nor one spelled ", stem, ".", kind,
                       "; give the directory that holds the four files of an IDX data set"));
}

template <class Reader>
std::pair<idx_file, idx_file> idx_pair(std::string const& directory, std::string const& stem, bool inputs) {
  idx_file images = find_idx<Reader>(directory, stem + "-images", "idx3-ubyte", 3, "image", inputs);
  idx_file labels = find_idx<Reader>(directory, stem + "-labels", "idx1-ubyte", 1, "label", true);
  require(images.extent[0] == labels.extent[0], "cannot load ", images.path, ", because it holds ", images.extent[0],
          " images and ", labels.path, " holds ", labels.extent[0], " labels; use files that belong together");
  require(saturating_product(images.extent[1], images.extent[2]) <= std::numeric_limits<int>::max(), "cannot load ",
          images.path, ", because its images are ", images.extent[1], " x ", images.extent[2],
          " pixels where at most 2147483647 are expected; use smaller images");
  return {std::move(images), std::move(labels)};
}

}  // namespace detail

/// Loads {train,t10k}-{images-idx3,labels-idx1}-ubyte (or with a dot before idx) from a directory. Classes are counted up to
/// the largest label of both splits. A file that is missing, cannot be read, is truncated, oversized or of another format is
/// refused with a sentence. which: the part that is kept; images that are not wanted are not read behind their header, and
/// labels, a byte each, are read to count the classes.
template <class Reader = raw>
dataset idx(std::string const& directory, Reader = {}, part which = part::both) {
  require_folder(directory, "an IDX data set");
  auto [train_images, train_labels] = detail::idx_pair<Reader>(directory, "train", has_inputs(which));
  auto [test_images, test_labels] = detail::idx_pair<Reader>(directory, "t10k", has_inputs(which));
  require(train_images.extent[1] == test_images.extent[1] && train_images.extent[2] == test_images.extent[2], "cannot load ",
          test_images.path, ", because its images are ", test_images.extent[1], " x ", test_images.extent[2],
          " pixels and those of ", train_images.path, " are ", train_images.extent[1], " x ", train_images.extent[2],
          "; use files that belong together");
  shape const sample = image(1, static_cast<int>(train_images.extent[1]), static_cast<int>(train_images.extent[2]));
  auto const largest = [](detail::idx_file const& labels) {
    return int{*std::max_element(labels.bytes.begin(), labels.bytes.end())};
  };
  int const classes = 1 + std::max(largest(train_labels), largest(test_labels));
  normalisation const scale = normalisation::measure(1, train_images.bytes);
  auto const assemble = [&](detail::idx_file& images, detail::idx_file const& labels) {
    std::vector<std::int32_t> of;
    if (has_targets(which)) of.assign(labels.bytes.begin(), labels.bytes.end());
    return split(which, labels.bytes.size(), sample, classes, std::move(images.bytes), std::move(of), scale);
  };
  return {assemble(train_images, train_labels), assemble(test_images, test_labels), "idx"};
}
inline dataset idx(std::string const& directory, part which) { return idx(directory, raw{}, which); }

}  // namespace foal::data
