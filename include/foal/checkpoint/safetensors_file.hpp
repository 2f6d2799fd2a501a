// The safetensors format: named arrays in one file, as https://github.com/huggingface/safetensors describes it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/safetensors_content.hpp>
#include <foal/core/atomic_file.hpp>
#include <foal/data/file.hpp>
#include <foal/report/json.hpp>
#include <foal/report/json_reader.hpp>

namespace foal::checkpoint {

static_assert(std::endian::native == std::endian::little,
              "cannot use safetensors files, because their numbers are little-endian");

/// What tells a file from every other: its length, and the digest of its header's text, which has those of its tensors.
struct file_mark {
  std::uint64_t bytes = 0;
  std::string digest{};
  bool operator==(file_mark const&) const = default;
};

/// A file whose header has been read and checked: its length, its JSON, every type, shape and offset, and that the tensors
/// cover the buffer exactly. Nothing is believed before. Memory: the header's text while it is read, then what it says, at
/// most 8 MB and four times the text.
class safetensors_reader {
 public:
  /// Throws foal::error where the file cannot be read or its header is not sound.
  explicit safetensors_reader(std::string const& path) : from_(path) {
    std::uint8_t start[8] = {};
    std::size_t const got = from_.read(start, sizeof start);
    require(got == sizeof start, "cannot read ", path, ", because it has ", got,
            " bytes where a header's length in 8 bytes is expected; fetch the file again");
    std::uint64_t length = 0;
    std::memcpy(&length, start, sizeof length);
    std::uint64_t const most = std::min(detail::most_header, from_.most() - sizeof start);
    require(length <= most, "cannot read ", path, ", because its header's length is ", length, " bytes where at most ", most,
            " are expected; fetch the file again");
    std::string header(length, ' ');
    require(from_.read(header.data(), length) == length, "cannot read ", path,
            ", because it ends in its header; the file changed while it was read, try again");
    require(!header.empty() && header[0] == '{', "cannot read ", path,
            ", because its header does not begin with '{'; give a safetensors file");
    read_header(header);
    bytes_ = from_.most() - sizeof start - length;
    mark_ = {from_.most(), digest_of(header.data(), header.size())};
    detail::content_check const check = checks();
    check.cover(tensors_, bytes_);
    bool marked = header.find(digest_key) != std::string::npos;
    for (auto const& [key, value] : about_) marked = marked || detail::is_misspelt_digest(key, value);
    require(!marked || about_.contains(digest_key), "cannot read ", path, ", because it bears foal's mark and its ",
            digest_key, " is missing or misspelt: the file is damaged; fetch it again");
    digest_ = detail::header_digest(about_, tensors_);
    for (stored_tensor& t : tensors_) {
      std::string const key = detail::tensor_digest_key(t.name);
      if (key.empty()) continue;
      if (auto given = about_.extract(key)) t.digest = std::move(given.mapped());
    }
    check.about(about_);
  }

  metadata const& about() const { return about_; }                        ///< without the digests of tensors
  std::vector<stored_tensor> const& tensors() const { return tensors_; }  ///< in the order of the buffer
  std::uint64_t bytes() const { return bytes_; }                          ///< of the buffer
  file_mark const& mark() const { return mark_; }

  /// Gives the header away, with this buffer.
  safetensors_content content(std::vector<std::uint8_t> buffer) && {
    return {std::move(about_), std::move(tensors_), std::move(buffer)};
  }

  /// Reads the buffer, once: tensor after tensor to where to(t) says, nullptr for one that is not wanted, and calls done(t).
  /// Throws foal::error where the file is damaged: before done(t) for a tensor with a digest of its own, behind the last
  /// tensor for the others and the header. Until this has returned nothing that was read may be used for good. Memory for
  /// one piece of 1 MiB.
  template <class To, class Done>
  void read(To to, Done done) {
    byte_digest all = digest_;
    std::vector<std::uint8_t> unwanted;
    constexpr std::uint64_t piece = 1U << 20U;
    for (stored_tensor const& t : tensors_) {
      std::uint8_t* const place = to(t);
      std::uint64_t const size = t.end - t.begin;
      word_digest own;
      if (place == nullptr) unwanted.resize(std::max<std::uint64_t>(unwanted.size(), std::min(piece, size)));
      for (std::uint64_t at = 0; at < size;) {
        std::uint64_t const n = std::min(piece, size - at);
        std::uint8_t* const bytes = place == nullptr ? unwanted.data() : place + at;
        require(from_.read(bytes, n) == n, "cannot read ", from_.path(), ", because it ends in its tensor '", t.name,
                "'; the file changed while it was read, try again");
        if (t.digest.empty())
          all.add(bytes, n);
        else
          own.add(bytes, n);
        at += n;
      }
      require(t.digest.empty() || own.hexadecimal() == t.digest, "cannot read ", from_.path(),
              ", because the digest of its tensor '", t.name, "' is ", own.hexadecimal(), " where ", t.digest,
              " is expected: the file is damaged; fetch it again");
      done(t);
    }
    std::uint8_t beyond = 0;
    require(from_.read(&beyond, 1) == 0, "cannot read ", from_.path(), ", because it goes on behind its ", bytes_,
            " bytes of tensors; the file changed while it was read, try again");
    if (auto const given = about_.find(digest_key); given != about_.end()) {
      std::string const found = all.hexadecimal();
      require(found == given->second, "cannot read ", from_.path(), ", because its digest is ", found, " where ",
              given->second,
              " is expected: the file is damaged, or was changed by a program that does not know the digest; ",
              "fetch it again, or write it without its metadata");
    }
  }

 private:
  detail::content_check checks() const { return {"cannot read", from_.path(), "fetch the file again"}; }

  void read_header(std::string const& header) {
    // Counted first: a vector that grows holds its elements twice.
    std::size_t count = 0;
    each_member(header, [&](std::string const& name, report::json_reader& json) {
      if (name == detail::metadata_name) {
        json.object([&](std::string const&) { json.string(); });
        return;
      }
      read_tensor(json, name);
      ++count;
    });
    tensors_.reserve(count);
    bool described = false;
    each_member(header, [&](std::string const& name, report::json_reader& json) {
      if (name != detail::metadata_name) {
        tensors_.push_back(read_tensor(json, name));
        return;
      }
      if (std::exchange(described, true)) checks().refuse("its header names '", name, "' twice");
      json.object([&](std::string const& key) {
        bool const fresh = about_.emplace(key, json.string()).second;
        if (!fresh) checks().refuse("its metadata names '", key, "' twice");
        if (about_.size() > detail::most_metadata + count) checks().about(about_);  // each tensor may have a digest
      });
    });
  }

  template <class Member>
  void each_member(std::string const& header, Member member) const {
    report::json_reader json(from_.path(), header);
    json.object([&](std::string const& name) { member(name, json); });
    json.end();
  }

  stored_tensor read_tensor(report::json_reader& json, std::string const& name) const {
    stored_tensor t;
    std::uint64_t shape[detail::most_extents], offsets[2] = {};
    std::size_t extents = 0, bounds = 0, fields = 0;
    bool seen[3] = {};
    json.object([&](std::string const& field) {
      constexpr std::string_view known[] = {"dtype", "shape", "data_offsets"};
      auto const which = std::find(std::begin(known), std::end(known), field) - std::begin(known);
      if (which == 3)
        checks().refuse("its tensor '", name, "' has a field '", field,
                        "' where dtype, shape and data_offsets are expected");
      if (std::exchange(seen[which], true)) checks().refuse("'", field, "' of its tensor '", name, "' comes twice");
      ++fields;
      if (which == 0) t.dtype = json.string();
      if (which == 1)
        json.array([&] {
          std::uint64_t const extent = json.number();
          if (extents == detail::most_extents)
            checks().refuse("its tensor '", name, "' has more than ", detail::most_extents, " extents");
          shape[extents++] = extent;
        });
      if (which == 2)
        json.array([&] {
          std::uint64_t const bound = json.number();
          if (bounds < 2) offsets[bounds] = bound;
          ++bounds;
        });
    });
    if (fields != 3 || bounds != 2)
      checks().refuse("its tensor '", name, "' has ", fields, " fields and ", bounds,
                      " data_offsets where dtype, shape and 2 data_offsets are expected");
    t.name = name;
    t.shape.assign(shape, shape + extents);
    t.begin = offsets[0];
    t.end = offsets[1];
    checks().tensor(t);
    return t;
  }

  data::file from_;
  metadata about_;
  std::vector<stored_tensor> tensors_;
  std::uint64_t bytes_ = 0;
  byte_digest digest_;  // before the tensors without one of their own
  file_mark mark_;
};

/// Reads a file whole. Memory: the buffer once, beside it what safetensors_reader takes.
inline safetensors_content read_safetensors_file(std::string const& path) {
  safetensors_reader from(path);
  std::vector<std::uint8_t> buffer(from.bytes());
  from.read([&](stored_tensor const& t) { return buffer.data() + t.begin; }, [](stored_tensor const&) {});
  return std::move(from).content(std::move(buffer));
}

/// The same of those tensors of which wanted(t) is true. The others are read, and checked, too; memory is for what is
/// wanted.
template <class Wanted>
safetensors_content read_safetensors_file(std::string const& path, Wanted const& wanted) {
  safetensors_reader from(path);
  safetensors_content some{from.about(), {}, {}};
  std::uint64_t bytes = 0;
  for (stored_tensor const& t : from.tensors()) {
    if (!wanted(t)) continue;
    stored_tensor& own = some.tensors.emplace_back(t);
    own.begin = std::exchange(bytes, bytes + (t.end - t.begin));
    own.end = bytes;
  }
  some.buffer.resize(bytes);
  std::size_t next = 0;
  from.read(
      [&](stored_tensor const& t) {
        bool const is = next < some.tensors.size() && some.tensors[next].name == t.name;
        return is ? some.buffer.data() + some.tensors[next++].begin : nullptr;
      },
      [](stored_tensor const&) {});
  return some;
}

namespace detail {

/// What a file begins with, its length before it; the buffer begins at a multiple of 8 bytes.
inline std::string header_text(metadata const& about, std::vector<stored_tensor> const& tensors) {
  std::string header;
  report::json_writer json(header);
  json.begin_object().key(metadata_name).begin_object();
  for (auto const& [key, value] : about) json.key(key).value(value);
  json.end_object();
  for (stored_tensor const& t : tensors) {
    json.key(t.name).begin_object().key("dtype").value(t.dtype).key("shape").begin_array();
    for (std::uint64_t const e : t.shape) json.value(e);
    json.end_array().key("data_offsets").begin_array().value(t.begin).value(t.end).end_array().end_object();
  }
  json.end_object();
  header.append((8 - header.size() % 8) % 8, ' ');
  std::uint64_t const length = header.size();
  return std::string(reinterpret_cast<char const*>(&length), sizeof length) + header;
}

/// Each digest is taken of what is just about to be copied: the bytes come from memory once.
template <class BytesOf>
void write_with_digests(atomic_file& to, metadata& about, std::vector<stored_tensor> const& tensors,
                        BytesOf const& bytes_of) {
  constexpr std::size_t piece = std::size_t{1} << 17U;
  for (stored_tensor const& t : tensors) {
    word_digest digest;
    std::uint8_t const* from = bytes_of(t);
    for (std::size_t rest = t.end - t.begin; rest > 0;) {
      std::size_t const n = std::min(rest, piece);
      digest.add(from, n);
      to.write(from, n);
      from += n;
      rest -= n;
    }
    if (std::string const key = tensor_digest_key(t.name); !key.empty()) about[key] = digest.hexadecimal();
  }
}

}  // namespace detail

/// Writes the tensors, whose offsets must cover a buffer one after the other, with their digests; whole or not at all.
/// bytes_of(t): where the bytes of a tensor lie, asked twice. Throws foal::error, and leaves what is there, where
/// read_safetensors_file() would refuse the file: for a name or metadata that is not UTF-8, a name that comes twice, a type
/// that foal does not know, a shape or offsets that do not fit. Of the metadata what stands under digest_key, or begins with
/// tensor_digest_prefix, gives way to its own. Memory: the header.
template <class BytesOf>
file_mark write_safetensors_file(std::string const& path, metadata about, std::vector<stored_tensor> tensors,
                                 std::uint64_t bytes, BytesOf const& bytes_of) {
  detail::content_check const check("cannot write", path, "give what a safetensors file can hold");
  std::erase_if(about, [](auto const& entry) { return entry.first.starts_with(tensor_digest_prefix); });
  about[digest_marks_key] = digest_marks;
  about[digest_key] = std::string(16, '0');
  check.about(about);
  for (stored_tensor const& t : tensors) check.tensor(t);
  check.cover(tensors, bytes);
  atomic_file to(path);
  bool const digests_follow = bytes >= detail::large_file && to.past_cache();
  for (stored_tensor const& t : tensors)
    if (std::string const key = detail::tensor_digest_key(t.name); !key.empty())
      about[key] = digests_follow ? about[digest_key] : digest_of_array(bytes_of(t), t.end - t.begin);
  std::string header = detail::header_text(about, tensors);
  std::size_t const length = header.size() - sizeof(std::uint64_t);
  require(length <= detail::most_header, "cannot write ", path, ", because its header would be ", length,
          " bytes where at most ", detail::most_header, " are allowed; write fewer tensors");
  if (digests_follow) {
    to.write(header.data(), header.size());
    detail::write_with_digests(to, about, tensors, bytes_of);
  }
  byte_digest all = detail::header_digest(about, tensors);
  for (stored_tensor const& t : tensors)
    if (detail::tensor_digest_key(t.name).empty()) all.add(bytes_of(t), t.end - t.begin);
  about[digest_key] = all.hexadecimal();
  header = detail::header_text(about, tensors);
  if (digests_follow) {
    to.write_over_begin(header);
  } else {
    to.write(header.data(), header.size());
    for (stored_tensor const& t : tensors) to.write(bytes_of(t), t.end - t.begin);
  }
  to.commit();
  return {header.size() + bytes, digest_of(header.data() + sizeof(std::uint64_t), length)};
}

/// The same of tensors that lie in one buffer.
inline file_mark write_safetensors_file(std::string const& path, safetensors_content c) {
  return write_safetensors_file(path, std::move(c.about), std::move(c.tensors), c.buffer.size(),
                                [&c](stored_tensor const& t) { return c.buffer.data() + t.begin; });
}

}  // namespace foal::checkpoint
