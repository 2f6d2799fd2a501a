// The reader of a header's JSON: any bytes are read or refused with a sentence.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <foal/checkpoint/json.hpp>

namespace {

/// The header of a weights file: objects of objects, strings and arrays of whole numbers.
void read_header(std::string_view text) {
  foal::checkpoint::json_reader reader("a file", text);
  reader.object([&](std::string const& name) {
    if (name == "__metadata__") {
      reader.object([&](std::string const&) { reader.string(); });
      return;
    }
    reader.object([&](std::string const& key) {
      if (key == "dtype")
        reader.string();
      else
        reader.array([&] { reader.number(); });
    });
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    read_header({reinterpret_cast<char const*>(data), size});
  } catch (foal::error const&) {
  }
  return 0;
}
