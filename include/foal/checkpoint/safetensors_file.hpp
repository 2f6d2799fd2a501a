// The safetensors format: named arrays in one file, as https://github.com/huggingface/safetensors describes it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/json.hpp>
#include <foal/core/atomic_file.hpp>
#include <foal/data/file.hpp>
#include <foal/report/json.hpp>

namespace foal::checkpoint {

static_assert(std::endian::native == std::endian::little,
              "cannot use safetensors files, because their numbers are little-endian");

using metadata = std::map<std::string, std::string>;

/// One array of a file: row-major, its bytes at [begin, end) of the buffer.
struct stored_tensor {
  std::string name, dtype;  ///< dtype as the format writes it: F32, F64, BF16, I64 ...
  std::vector<std::uint64_t> shape;
  std::uint64_t begin = 0, end = 0;
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

/// The digest that foal puts among the metadata under this key: 64-bit FNV-1a of names, types, shapes and offsets, of the
/// other metadata, and of the buffer. Files without one are read too; in files with one no damage goes unseen.
inline constexpr char const* digest_key = "foal.digest";

inline std::string digest(safetensors_content const& c) {
  std::uint64_t h = 0xcbf29ce484222325U;
  auto const add = [&h](void const* from, std::size_t n) {
    auto const* bytes = static_cast<std::uint8_t const*>(from);
    for (std::size_t i = 0; i < n; ++i) h = (h ^ bytes[i]) * 0x100000001b3U;
  };
  auto const add_text = [&add](std::string const& s) { add(s.c_str(), s.size() + 1); };
  for (auto const& [key, value] : c.about)
    if (key != digest_key) add_text(key), add_text(value);
  for (stored_tensor const& t : c.tensors)
    add_text(t.name), add_text(t.dtype), add_text(text(t.shape)), add(&t.begin, sizeof t.begin), add(&t.end, sizeof t.end);
  add(c.buffer.data(), c.buffer.size());
  std::string hex(16, '0');
  for (std::size_t i = 16; i-- > 0; h >>= 4U) hex[i] = "0123456789abcdef"[h & 15U];
  return hex;
}

namespace detail {

/// Longest header that the format's own library reads.
inline constexpr std::uint64_t most_header = 100'000'000;

/// Bits of one element; 0: unknown.
inline std::uint64_t bits_of(std::string const& dtype) {
  constexpr std::pair<char const*, std::uint64_t> known[] = {
      {"BOOL", 8},  {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},
      {"BF16", 16}, {"I32", 32}, {"U32", 32}, {"F32", 32},    {"I64", 64},    {"U64", 64}, {"F64", 64}, {"C64", 64}};
  for (auto const& [name, bits] : known)
    if (dtype == name) return bits;
  return 0;
}

inline stored_tensor read_tensor(json_reader& json, std::string const& path, std::string const& name) {
  stored_tensor t;
  t.name = name;
  std::vector<std::uint64_t> offsets;
  std::vector<std::string> fields;
  json.object([&](std::string const& field) {
    require(std::find(fields.begin(), fields.end(), field) == fields.end(), "cannot read ", path, ", because '", field,
            "' of its tensor '", name, "' comes twice; fetch the file again");
    fields.push_back(field);
    if (field == "dtype")
      t.dtype = json.string();
    else if (field == "shape")
      json.array([&] { t.shape.push_back(json.number()); });
    else if (field == "data_offsets")
      json.array([&] { offsets.push_back(json.number()); });
    else
      throw error(sentence("cannot read ", path, ", because its tensor '", name, "' has a field '", field,
                           "' where dtype, shape and data_offsets are expected; fetch the file again"));
  });
  require(fields.size() == 3 && offsets.size() == 2, "cannot read ", path, ", because its tensor '", name, "' has ",
          fields.size(), " fields and ", offsets.size(),
          " data_offsets where dtype, shape and 2 data_offsets are expected; fetch the file again");
  std::uint64_t const bits = bits_of(t.dtype);
  require(bits > 0, "cannot read ", path, ", because its tensor '", name, "' is of type '", t.dtype,
          "', which is none of the format's that foal knows; convert it to F32");
  t.begin = offsets[0];
  t.end = offsets[1];
  bool const empty = std::find(t.shape.begin(), t.shape.end(), 0U) != t.shape.end();
  std::uint64_t size = bits / 8;
  for (std::uint64_t const e : t.shape) size = empty ? 0 : saturating_product(size, e);
  require(t.begin <= t.end && t.end - t.begin == size, "cannot read ", path, ", because its tensor '", name, "' of type ",
          t.dtype, " and shape ", text(t.shape), " lies at [", t.begin, ", ", t.end, ") where ", size,
          " bytes are expected; fetch the file again");
  return t;
}

/// The arrays must cover the buffer one after the other: none overlaps another, no byte belongs to none.
inline void check_cover(std::string const& path, std::vector<stored_tensor>& all, std::uint64_t buffer) {
  std::stable_sort(all.begin(), all.end(), [](stored_tensor const& a, stored_tensor const& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t covered = 0;
  for (stored_tensor const& t : all) {
    require(t.begin == covered, "cannot read ", path, ", because its tensor '", t.name, "' begins at byte ", t.begin,
            " of the buffer where ", covered, " is expected, the end of what comes before it; fetch the file again");
    covered = t.end;
  }
  require(covered == buffer, "cannot read ", path, ", because its tensors end at byte ", covered, " of a buffer of ", buffer,
          " bytes; fetch the file again");
}

}  // namespace detail

/// Reads a file whole. Nothing is believed before it has been checked: the header's length, its JSON, every type, shape and
/// offset, that the tensors cover the buffer exactly, and the digest where there is one. Memory stays below twice the file.
inline safetensors_content read_safetensors_file(std::string const& path) {
  data::file from(path);
  std::uint8_t start[8] = {};
  std::size_t const got = from.read(start, sizeof start);
  require(got == sizeof start, "cannot read ", path, ", because it has ", got,
          " bytes where a header's length in 8 bytes is expected; fetch the file again");
  std::uint64_t length = 0;
  std::memcpy(&length, start, sizeof length);
  require(length <= detail::most_header && length <= from.most() - sizeof start, "cannot read ", path,
          ", because its header's length is ", length, " bytes where at most ",
          std::min(detail::most_header, from.most() - sizeof start), " are expected; fetch the file again");
  std::string header(length, ' ');
  require(from.read(header.data(), length) == length, "cannot read ", path,
          ", because it ends in its header; the file changed while it was read, try again");
  require(!header.empty() && header[0] == '{', "cannot read ", path,
          ", because its header does not begin with '{'; give a safetensors file");

  safetensors_content c;
  std::map<std::string, int> names;
  json_reader json(path, header);
  json.object([&](std::string const& name) {
    require(++names[name] == 1, "cannot read ", path, ", because its header names '", name, "' twice; fetch the file again");
    if (name != "__metadata__") {
      c.tensors.push_back(detail::read_tensor(json, path, name));
      return;
    }
    json.object([&](std::string const& key) {
      bool const fresh = c.about.emplace(key, json.string()).second;
      require(fresh, "cannot read ", path, ", because its metadata names '", key, "' twice; fetch the file again");
    });
  });
  json.end();
  std::uint64_t const buffer = from.most() - sizeof start - length;
  detail::check_cover(path, c.tensors, buffer);
  c.buffer = data::read_rest(from, sizeof start + length, buffer, sentence(sizeof start, " + ", length, " + ", buffer));
  if (auto const given = c.about.find(digest_key); given != c.about.end()) {
    std::string const found = digest(c);
    require(found == given->second, "cannot read ", path, ", because its digest is ", found, " where ", given->second,
            " is expected: the file is damaged; fetch it again");
  }
  return c;
}

/// Writes the tensors, whose offsets must cover the buffer in their order, and a digest; whole or not at all.
inline void write_safetensors_file(std::string const& path, safetensors_content c) {
  detail::check_cover(path, c.tensors, c.buffer.size());
  c.about[digest_key] = digest(c);
  std::string header;
  report::json_writer json(header);
  json.begin_object().key("__metadata__").begin_object();
  for (auto const& [key, value] : c.about) json.key(key).value(value);
  json.end_object();
  for (stored_tensor const& t : c.tensors) {
    json.key(t.name).begin_object().key("dtype").value(t.dtype).key("shape").begin_array();
    for (std::uint64_t const e : t.shape) json.value(e);
    json.end_array().key("data_offsets").begin_array().value(t.begin).value(t.end).end_array().end_object();
  }
  json.end_object();
  header.append((8 - header.size() % 8) % 8, ' ');  // the buffer begins at a multiple of 8 bytes
  require(header.size() <= detail::most_header, "cannot write ", path, ", because its header would be ", header.size(),
          " bytes where at most ", detail::most_header, " are allowed; write fewer tensors");
  std::uint64_t const length = header.size();
  atomic_file to(path);
  to.write(&length, sizeof length);
  to.write(header.data(), header.size());
  to.write(c.buffer.data(), c.buffer.size());
  to.commit();
}

}  // namespace foal::checkpoint
