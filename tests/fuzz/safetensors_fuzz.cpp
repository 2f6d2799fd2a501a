// Weights files. Any bytes are read or refused with a sentence; what was read is written and read again alike; and whatever
// a program gives the writer is refused, or comes back as it was given.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/checkpoint/values.hpp>

#include "tests/fuzz/file_of_bytes.hpp"

namespace {

using namespace foal::checkpoint;
using foal_fuzz::must;

foal_fuzz::file_of_bytes& file() {
  static foal_fuzz::file_of_bytes one;
  return one;
}

void without_digest(safetensors_content& c) {
  c.about.erase(digest_key);
  std::erase_if(c.about, [](auto const& entry) { return entry.first.starts_with(tensor_digest_prefix); });
}

bool equal(safetensors_content a, safetensors_content b) {
  without_digest(a);
  without_digest(b);
  auto const same = [](stored_tensor const& x, stored_tensor const& y) {
    return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape && x.begin == y.begin && x.end == y.end;
  };
  return a.about == b.about && a.buffer == b.buffer &&
         std::equal(a.tensors.begin(), a.tensors.end(), b.tensors.begin(), b.tensors.end(), same);
}

/// Bytes taken one after the other; zeros at the end.
class taker {
 public:
  taker(std::uint8_t const* data, std::size_t size) : at_(data), left_(size) {}
  std::size_t below(std::size_t n) { return byte() % n; }
  std::string text() {
    std::string all(below(9), ' ');
    for (char& c : all) c = static_cast<char>(byte());
    return all;
  }

 private:
  std::uint8_t byte() {
    if (left_ == 0) return 0;
    --left_;
    return *at_++;
  }
  std::uint8_t const* at_;
  std::size_t left_;
};

safetensors_content described(taker from) {
  constexpr char const* types[] = {"F32", "F16", "BF16", "F64", "U8", "I64", "BOOL", "F31"};
  safetensors_content c;
  for (std::size_t n = from.below(4); n > 0; --n) c.about[from.text()] = from.text();
  for (std::size_t n = from.below(6); n > 0; --n) {
    stored_tensor t;
    t.name = from.below(16) == 0 ? "__metadata__" : from.text();
    t.dtype = types[from.below(8)];
    for (std::size_t rank = from.below(40) % (from.below(8) == 0 ? 40 : 4); rank > 0; --rank)
      t.shape.push_back(from.below(16) == 0 ? std::uint64_t{1} << from.below(64) : from.below(4));
    std::uint64_t const size = foal::saturating_size(t.shape, std::max<std::uint64_t>(bits_of(t.dtype) / 8, 1));
    t.begin = c.buffer.size();
    if (size < 4096) c.buffer.resize(c.buffer.size() + size, static_cast<std::uint8_t>(from.below(256)));
    t.end = t.begin + size;  // may wrap round
    if (from.below(16) == 0) t.begin += from.below(256);
    if (from.below(16) == 0) t.end -= from.below(256);
    c.tensors.push_back(std::move(t));
  }
  if (from.below(8) == 0) c.buffer.resize(from.below(256));
  if (from.below(2) == 0) std::reverse(c.tensors.begin(), c.tensors.end());
  return c;
}

void write_and_read(safetensors_content c) {
  file().clear();
  write_safetensors_file(file().path(), c);
  safetensors_content back;
  try {
    back = read_safetensors_file(file().path());
  } catch (foal::error const&) {
    must(false);  // what the writer writes the reader reads
  }
  std::sort(c.tensors.begin(), c.tensors.end(), [](stored_tensor const& a, stored_tensor const& b) {
    return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
  });
  must(equal(back, c));
}

template <class T>
void take_values(safetensors_content const& c) {
  for (stored_tensor const& t : c.tensors) try {
      auto const v = values_of<T>(c, t.name);
      must(v.numbers.size() == foal::saturating_size(v.shape));
    } catch (foal::error const&) {
    }
}

}  // namespace

/// The first byte W: what is written is described; otherwise: a file.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    if (size > 0 && data[0] == 'W') {
      write_and_read(described({data + 1, size - 1}));
      return 0;
    }
    file().set(data, size);
    safetensors_content const c = read_safetensors_file(file().path());
    take_values<float>(c);
    take_values<std::int32_t>(c);
    take_values<std::uint8_t>(c);
    try {
      write_and_read(c);
    } catch (foal::error const&) {
      must(false);  // what was read can be written
    }
  } catch (foal::error const&) {
  }
  return 0;
}
