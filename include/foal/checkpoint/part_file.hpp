// A part of a checkpoint as a file: tensors that stay where they are while it is written, and what is asked of one read.
#pragma once

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/checkpoint/safetensors_file.hpp>
#include <foal/report/number.hpp>

namespace foal::checkpoint {

/// What a part is to hold. Arrays are pointed to; numbers are kept here.
class part_content {
 public:
  metadata about;

  void clear() {
    about.clear();
    tensors_.clear();
    at_.clear();
    kept_.clear();
    bytes_ = 0;
  }
  /// An array that lies elsewhere until the part is written.
  void add(std::string name, std::string dtype, std::vector<std::uint64_t> shape, void const* from, std::size_t n) {
    tensors_.push_back({std::move(name), std::move(dtype), std::move(shape), bytes_, bytes_ + n});
    if (n > 0) at_.emplace_back(bytes_, static_cast<std::uint8_t const*>(from));
    bytes_ += n;
  }
  /// Rows of `columns` whole numbers or floating-point ones.
  template <class T>
  void add_numbers(std::string name, std::vector<T> const& all, std::uint64_t columns = 0) {
    static_assert(std::is_same_v<T, std::int64_t> || std::is_same_v<T, double>);
    std::vector<std::uint64_t> shape{all.size()};
    if (columns > 0) shape = {all.size() / columns, columns};
    add_bytes(std::move(name), std::is_same_v<T, double> ? "F64" : "I64", std::move(shape), all.data(),
              all.size() * sizeof(T));
  }
  /// Bytes that are copied.
  void add_bytes(std::string name, std::string dtype, std::vector<std::uint64_t> shape, void const* from, std::size_t n) {
    auto& own = kept_.emplace_back(static_cast<std::uint8_t const*>(from), static_cast<std::uint8_t const*>(from) + n);
    add(std::move(name), std::move(dtype), std::move(shape), own.data(), n);
  }

  std::uint64_t bytes() const { return bytes_; }
  file_mark write(std::string const& path) const {
    return write_safetensors_file(path, about, tensors_, bytes_, [this](stored_tensor const& t) { return find(t); });
  }
  /// The same in memory.
  safetensors_content whole() const {
    safetensors_content c{about, tensors_, std::vector<std::uint8_t>(bytes_)};
    for (stored_tensor const& t : tensors_)
      if (t.end > t.begin) std::memcpy(c.buffer.data() + t.begin, find(t), t.end - t.begin);
    return c;
  }

 private:
  std::uint8_t const* find(stored_tensor const& t) const {
    auto const at =
        std::lower_bound(at_.begin(), at_.end(), t.begin, [](auto const& x, std::uint64_t b) { return x.first < b; });
    return at == at_.end() ? nullptr : at->second;
  }

  std::vector<stored_tensor> tensors_;
  std::vector<std::pair<std::uint64_t, std::uint8_t const*>>
      at_;  ///< of those that are not empty: place in the file, in memory
  std::deque<std::vector<std::uint8_t>> kept_;
  std::uint64_t bytes_ = 0;
};

/// Names and values, a line each.
inline std::string lines_of(std::vector<std::pair<std::string, std::string>> const& all) {
  std::string text;
  for (auto const& [name, value] : all) text += name + "=" + value + "\n";
  return text;
}

/// What is asked of a part that was read. Throws foal::error, with the file's name, for what is not there.
class part_view {
 public:
  part_view(std::string const& path, safetensors_content const& c) : path_(path), c_(c) {
    for (stored_tensor const& t : c.tensors) tensors_.emplace(t.name, &t);
  }

  template <class... Why>
  [[noreturn]] void refuse(Why const&... why) const {
    throw error(sentence("cannot go on from ", path_, ", because ", why..., "; use another checkpoint"));
  }

  std::string const& text(std::string const& key) const {
    auto const at = c_.about.find(key);
    if (at == c_.about.end()) refuse("it has no '", key, "'");
    return at->second;
  }
  template <class T>
  T number(std::string const& key) const {
    return number_of<T>(key, text(key));
  }
  template <class T>
  T number_of(std::string const& key, std::string_view text) const {
    T x{};
    auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), x);
    if (fault != std::errc{} || end != text.data() + text.size())
      refuse("its '", key, "' is '", text, "', which is no number");
    return x;
  }
  std::vector<std::pair<std::string, std::string>> lines(std::string const& key) const {
    std::vector<std::pair<std::string, std::string>> all;
    for (std::string_view rest = text(key); !rest.empty();) {
      std::size_t const end = std::min(rest.find('\n'), rest.size());
      std::string_view const line = rest.substr(0, end);
      std::size_t const sign = line.find('=');
      if (sign == std::string_view::npos) refuse("its '", key, "' has a line without a value: '", line, "'");
      all.emplace_back(line.substr(0, sign), line.substr(sign + 1));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return all;
  }

  /// Null: there is none of that name.
  stored_tensor const* find(std::string const& name) const {
    auto const at = tensors_.find(name);
    return at == tensors_.end() ? nullptr : at->second;
  }
  stored_tensor const& tensor(std::string const& name) const {
    stored_tensor const* const t = find(name);
    if (t == nullptr) refuse("it has no tensor '", name, "'");
    return *t;
  }
  std::uint8_t const* at(stored_tensor const& t) const { return c_.buffer.data() + t.begin; }
  static std::size_t size(stored_tensor const& t) { return static_cast<std::size_t>(t.end - t.begin); }

  /// All numbers of a tensor, in rows of `columns`.
  template <class T>
  std::vector<T> numbers(std::string const& name, std::size_t columns = 1) const {
    stored_tensor const& t = tensor(name);
    char const* const dtype = std::is_same_v<T, double> ? "F64" : "I64";
    if (t.dtype != dtype || size(t) % (columns * sizeof(T)) != 0)
      refuse("its tensor '", name, "' is of type ", t.dtype, " and shape ", checkpoint::text(t.shape), " where ", dtype,
             " and ", columns, " in a row are expected");
    std::vector<T> all(size(t) / sizeof(T));
    if (!all.empty()) std::memcpy(all.data(), at(t), size(t));
    return all;
  }
  std::vector<stored_tensor> const& tensors() const { return c_.tensors; }

 private:
  std::string const& path_;
  safetensors_content const& c_;
  std::map<std::string, stored_tensor const*> tensors_;
};

}  // namespace foal::checkpoint
