// Tensors of which each of several processes writes a piece, where its replicas share out the optimizer's states: names and
// bytes of pieces, and one tensor of all.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <foal/checkpoint/part_file.hpp>
#include <foal/executor/saved_array.hpp>

namespace foal::checkpoint {

/// A piece as its name says it: "optimizer.0.3.linear.weight[128:256]" has elements 128 to 255 of that tensor, in the order
/// in which foal has them.
struct piece_name {
  std::string of;
  std::uint64_t begin = 0, end = 0;

  std::string text() const { return of + "[" + std::to_string(begin) + ":" + std::to_string(end) + "]"; }
  /// Nothing: it is the name of no piece.
  static std::optional<piece_name> read(std::string_view text) {
    std::size_t const open = text.rfind('['), colon = text.rfind(':');
    if (open == text.npos || colon == text.npos || colon < open || !text.ends_with(']')) return {};
    piece_name all{std::string(text.substr(0, open))};
    auto const number = [](std::string_view digits, std::uint64_t& to) {
      auto const [rest, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), to);
      return fault == std::errc{} && rest == digits.data() + digits.size();
    };
    bool const reads = number(text.substr(open + 1, colon - open - 1), all.begin) &&
                       number(text.substr(colon + 1, text.size() - colon - 2), all.end);
    if (!reads || all.begin >= all.end) return {};
    return all;
  }
};

namespace detail {

/// What an array has of `part` of its bytes, as pieces of a tensor that begins at byte `begin` and has elements of `each`.
/// They are pointed to.
inline void add_pieces(part_content& to, executor::saved_array const& from, std::string const& name,
                       executor::byte_range part, std::size_t begin, std::size_t each, std::string const& dtype) {
  for (executor::byte_range const& r : from.has) {
    executor::byte_range const both{std::max(r.begin, part.begin), std::min(r.end, part.end)};
    if (both.begin >= both.end) continue;
    piece_name const own{name, (both.begin - begin) / each, (both.end - begin) / each};
    to.add(own.text(), dtype, {own.end - own.begin}, executor::bytes_of(from, both), both.end - both.begin);
  }
}

/// The pieces of a file's tensors, by the names of these, taken out of the list.
class pieces_of_tensors {
 public:
  struct tensor {
    std::string dtype{};
    std::vector<std::uint8_t> bytes{};
  };

  /// Takes them out of the tensors of a file.
  void take(safetensors_content& from) {
    std::erase_if(from.tensors, [&](stored_tensor const& t) {
      auto own = piece_name::read(t.name);
      if (!own) return false;
      auto const first = from.buffer.begin() + static_cast<std::ptrdiff_t>(t.begin);
      all_[own->of].push_back(
          {own->begin, own->end, t.dtype, {first, first + static_cast<std::ptrdiff_t>(t.end - t.begin)}});
      return true;
    });
  }
  std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (auto const& [name, pieces] : all_) found.push_back(name);
    return found;
  }
  /// One behind the other; gaps: whether there may be some between them. Throws foal::error where pieces are missing, or
  /// overlap. path: of the file that it is said of. Nothing: there are none of that name.
  std::optional<tensor> joined(std::string const& name, std::string const& path, bool gaps) {
    auto const at = all_.find(name);
    if (at == all_.end()) return {};
    std::vector<piece>& pieces = at->second;
    std::sort(pieces.begin(), pieces.end(), [](piece const& a, piece const& b) { return a.begin < b.begin; });
    tensor whole{pieces.front().dtype, {}};
    std::uint64_t to = 0;
    for (piece const& p : pieces) {
      require(gaps ? p.begin >= to : p.begin == to, "cannot go on from ", path, ", because a piece of ", name,
              " begins at element ", p.begin, " where ", to, " is expected; use another checkpoint");
      to = p.end;
      whole.bytes.insert(whole.bytes.end(), p.bytes.begin(), p.bytes.end());
    }
    return whole;
  }

 private:
  struct piece {
    std::uint64_t begin = 0, end = 0;
    std::string dtype{};
    std::vector<std::uint8_t> bytes{};
  };
  std::map<std::string, std::vector<piece>> all_;
};

/// Behind the tensors that it has.
inline void append(safetensors_content& to, std::string name, std::string dtype, std::vector<std::uint64_t> shape,
                   std::vector<std::uint8_t> const& bytes) {
  std::uint64_t const begin = to.buffer.size();
  to.buffer.insert(to.buffer.end(), bytes.begin(), bytes.end());
  to.tensors.push_back({std::move(name), std::move(dtype), std::move(shape), begin, to.buffer.size()});
}

}  // namespace detail

}  // namespace foal::checkpoint
