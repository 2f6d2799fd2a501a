// What a safetensors file holds, what must be true of it whether it is read or written, and its digests.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/checkpoint/digest.hpp>
#include <foal/checkpoint/element_types.hpp>
#include <foal/core/checked.hpp>
#include <foal/core/error.hpp>
#include <foal/core/utf8.hpp>

namespace foal::checkpoint {

using metadata = std::map<std::string, std::string>;

/// One array of a file: row-major, its bytes at [begin, end) of the buffer.
struct stored_tensor {
  std::string name, dtype;  ///< dtype as the format writes it: F32, F64, BF16, I64 ...
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;
  std::string digest{};  ///< of its bytes, as the file that it was read from gives it; empty: that has none for it
};

/// A file's arrays and its buffer.
struct safetensors_content {
  metadata about;
  std::vector<stored_tensor> tensors;  ///< in the order of the buffer
  std::vector<std::uint8_t> buffer;
};

/// "[64, 3, 3, 3]"
inline std::string text(std::vector<std::uint64_t> const& shape) {
  std::string all = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) all += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return all + "]";
}

/// The digest that foal puts among the metadata under this key: of names, types, shapes and offsets, of the other metadata,
/// among which are the digests of tensors, and of the bytes of each tensor that has none of its own. Files without one are
/// read too; in files with one no damage goes unseen.
inline constexpr char const* digest_key = "foal.digest";

/// Beside it foal writes that name several times more. Where it occurs anywhere in a header there must be a digest, so that
/// damage to its own name is seen too.
inline constexpr char const* digest_marks_key = "foal.digest.marks";
inline constexpr char const* digest_marks = "foal.digest foal.digest foal.digest foal.digest";

/// Under this and its name stands the digest of a tensor's bytes (word_digest); older builds of foal wrote none. They are no
/// part of safetensors_content::about: a reader puts them into the tensors, a writer computes them anew.
inline constexpr char const* tensor_digest_prefix = "foal.digest.";

namespace detail {

/// The key of a tensor's digest; empty for the one name whose key is taken, digest_marks_key.
inline std::string tensor_digest_key(std::string const& name) {
  std::string key = tensor_digest_prefix + name;
  return key == digest_marks_key ? std::string() : key;
}

/// What digest_key is to have, but for the bytes of the tensors without a digest of their own, which follow in the order of
/// the buffer. about: with the digests of tensors.
inline byte_digest header_digest(metadata const& about, std::vector<stored_tensor> const& tensors) {
  byte_digest all;
  auto const add = [&all](std::string const& s) { all.add(s.c_str(), s.size() + 1); };
  for (auto const& [key, value] : about)
    if (key != digest_key) add(key), add(value);
  for (stored_tensor const& t : tensors) {
    add(t.name), add(t.dtype), add(text(t.shape));
    all.add(&t.begin, sizeof t.begin), all.add(&t.end, sizeof t.end);
  }
  return all;
}

/// Longest header that the format's own library reads.
inline constexpr std::uint64_t most_header = 100'000'000;
inline constexpr std::uint64_t large_file = std::uint64_t{16} << 20U;  ///< bytes: from here on past the cache of files
inline constexpr std::size_t most_extents = 32, most_metadata = 65'536;
inline constexpr char const* metadata_name = "__metadata__";

/// Changes of one character that make one short text the other.
constexpr std::size_t edits(std::string_view a, std::string_view b) {
  std::array<std::size_t, 32> row{};
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      std::size_t const change = corner + (a[i - 1] == b[j - 1] ? 0U : 1U);
      corner = std::exchange(row[j], std::min({change, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row[b.size()];
}

/// Whether an entry of the metadata looks like a digest whose name is damaged: files of older builds name it only once.
inline bool is_misspelt_digest(std::string_view key, std::string_view value) {
  constexpr std::size_t damage = 4;
  constexpr std::string_view name = digest_key;
  if (key == name || key.size() + damage < name.size() || key.size() > name.size() + damage) return false;
  auto const hex = std::count_if(value.begin(), value.end(), [](char c) {
    return std::string_view("0123456789abcdef").find(c) != std::string_view::npos;
  });
  return hex >= 12 && value.size() >= 12 && value.size() <= 20 && edits(key, name) <= damage;
}

/// The checks of what is in a file. doing: "cannot read" or "cannot write"; advice: what to do then.
class content_check {
 public:
  content_check(char const* doing, std::string const& path, char const* advice)
      : doing_(doing), path_(path), advice_(advice) {}

  template <class... Parts>
  [[noreturn]] void refuse(Parts const&... why) const {
    throw error(sentence(doing_, " ", path_, ", because ", why..., "; ", advice_));
  }

  /// all: without the digests of tensors.
  void about(metadata const& all) const {
    if (all.size() > most_metadata)
      refuse("its metadata has ", all.size(), " entries where at most ", most_metadata, " are expected");
    for (auto const& [key, value] : all) utf8(key, "a key of its metadata"), utf8(value, "its metadata '", key, "'");
  }

  /// What can be said of a tensor without the others.
  void tensor(stored_tensor const& t) const {
    utf8(t.name, "the name of a tensor");
    if (t.name == metadata_name)
      refuse("it has a tensor of the name ", metadata_name, ", which the format keeps for itself");
    std::uint64_t const bits = bits_of(t.dtype);
    if (bits == 0)
      refuse("its tensor '", t.name, "' is of type '", t.dtype, "', which is none of the format's that foal knows");
    if (t.shape.size() > most_extents)
      refuse("its tensor '", t.name, "' has ", t.shape.size(), " extents where at most ", most_extents, " are expected");
    std::uint64_t const size = saturating_size(t.shape, bits / 8);
    if (t.begin > t.end || t.end - t.begin != size)
      refuse("its tensor '", t.name, "' of type ", t.dtype, " and shape ", text(t.shape), " lies at [", t.begin, ", ", t.end,
             ") where ", size, " bytes are expected");
  }

  /// Puts the tensors in the order of the buffer, which they must cover one after the other: none overlaps another, no byte
  /// belongs to none, no name comes twice.
  void cover(std::vector<stored_tensor>& all, std::uint64_t buffer) const {
    std::sort(all.begin(), all.end(), [](stored_tensor const& a, stored_tensor const& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    std::vector<std::uint32_t> by_name(all.size());
    std::iota(by_name.begin(), by_name.end(), 0U);
    std::sort(by_name.begin(), by_name.end(), [&](std::uint32_t a, std::uint32_t b) { return all[a].name < all[b].name; });
    for (std::size_t i = 1; i < by_name.size(); ++i)
      if (all[by_name[i]].name == all[by_name[i - 1]].name) refuse("its header names '", all[by_name[i]].name, "' twice");
    std::uint64_t covered = 0;
    for (stored_tensor const& t : all) {
      if (t.begin != covered)
        refuse("its tensor '", t.name, "' begins at byte ", t.begin, " of the buffer where ", covered,
               " is expected, the end of what comes before it");
      covered = t.end;
    }
    if (covered != buffer) refuse("its tensors end at byte ", covered, " of a buffer of ", buffer, " bytes");
  }

 private:
  template <class... What>
  void utf8(std::string_view const whole, What const&... what) const {
    for (std::string_view rest = whole; !rest.empty();) {
      std::size_t const n = utf8_sequence(rest);
      if (n == 0)
        refuse(what..., " is not UTF-8: its byte ", whole.size() - rest.size(), " is ",
               static_cast<unsigned>(static_cast<unsigned char>(rest[0])));
      rest.remove_prefix(n);
    }
  }

  std::string_view doing_;
  std::string const& path_;
  std::string_view advice_;
};

}  // namespace detail

}  // namespace foal::checkpoint
