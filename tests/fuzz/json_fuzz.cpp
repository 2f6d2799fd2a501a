// The reader of JSON, as a header and as any value: any bytes are read or refused with a sentence.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include <foal/report/escape.hpp>
#include <foal/report/json_reader.hpp>

#include "tests/fuzz/must.hpp"

namespace {

/// The header of a weights file: objects of objects, strings and arrays of whole numbers.
void read_header(std::string_view text) {
  foal::report::json_reader reader("a file", text);
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

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    std::size_t const n = foal::report::utf8_sequence(text);
    if (n == 0) return false;
    text.remove_prefix(n);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  try {
    read_header(text);
  } catch (foal::error const&) {
  }
  try {
    foal::report::json_reader reader("a file", text);
    reader.pass_over();
    reader.end();
  } catch (foal::error const&) {
    return 0;
  }
  // What is passed over as JSON is JSON to another reader, which wants UTF-8 too.
  foal_fuzz::must(!is_utf8(text) || nlohmann::json::accept(text), "JSON that is none");
  return 0;
}
