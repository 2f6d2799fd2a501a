// Arrays of NumPy's. Any bytes are read or refused with a sentence; what was read is written and read again alike; and any
// extents given to the writer are refused, or come back.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include <foal/data/npy.hpp>

#include "tests/fuzz/file_of_bytes.hpp"

namespace {

using namespace foal::data;
using foal_fuzz::must;

foal_fuzz::file_of_bytes& file() {
  static foal_fuzz::file_of_bytes one;
  return one;
}

/// Bit for bit: a NaN is itself.
template <class T>
void write_and_read(std::vector<long long> const& extent, std::vector<T> const& values) {
  file().clear();
  write_npy(file().path(), extent, values.data());
  npy<T> back;
  try {
    back = read_npy<T>(file().path());
  } catch (foal::error const&) {
    must(false);  // what the writer writes the reader reads
  }
  must(back.extent == extent && back.values.size() == values.size());
  must(values.empty() || std::memcmp(back.values.data(), values.data(), values.size() * sizeof(T)) == 0);
}

template <class T>
void read_as(std::uint8_t const* data, std::size_t size) {
  file().set(data, size);
  npy<T> a;
  try {
    a = read_npy<T>(file().path());
  } catch (foal::error const&) {
    return;
  }
  must(a.values.size() == foal::saturating_size(a.extent));
  try {
    write_and_read(a.extent, a.values);
  } catch (foal::error const&) {
    must(false);  // what was read can be written
  }
}

template <class T>
void write_described(std::uint8_t const* data, std::size_t size) {
  std::vector<long long> extent;
  for (std::size_t i = 0; i + 1 < size; i += 2)  // a factor and a power of two
    extent.push_back(static_cast<long long>(std::uint64_t{data[i]} << (data[i + 1] & 63U)));
  std::uint64_t count = 0;
  bool const negative = std::any_of(extent.begin(), extent.end(), [](long long e) { return e < 0; });
  if (!negative) count = foal::saturating_size(extent);
  // Between these sizes the writer may believe what it is told, and no such array is there.
  if (count > 4096 && count <= static_cast<std::uint64_t>(std::numeric_limits<std::ptrdiff_t>::max()) / sizeof(T)) return;
  std::vector<T> const values(count <= 4096 ? count : 1, T{7});
  try {
    write_and_read(extent, values);
  } catch (foal::error const&) {
    must(negative || extent.size() > 32 || count > 4096);  // nothing else is refused
    return;
  }
  must(!negative && extent.size() <= 32);
}

}  // namespace

/// The first byte W: what is written is described; otherwise: a file.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size > 0 && data[0] == 'W') {
    write_described<float>(data + 1, size - 1);
    write_described<std::int64_t>(data + 1, size - 1);
    return 0;
  }
  read_as<float>(data, size);
  read_as<double>(data, size);
  read_as<std::int32_t>(data, size);
  read_as<std::int64_t>(data, size);
  return 0;
}
