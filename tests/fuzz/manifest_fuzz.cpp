// Manifests of checkpoints. Any text is read or refused with a sentence, and with the digest that fits it, too, so that what
// it says comes to be checked; what was read can be written, and is then read alike.
#include <cstddef>
#include <cstdint>
#include <string>

#include <foal/checkpoint/manifest.hpp>

#include "tests/fuzz/input_folder.hpp"

namespace {

using namespace foal::checkpoint;

void read_and_write(std::string const& text) {
  manifest m;
  try {
    m = manifest_of(text, "a file");
  } catch (foal::error const&) {
    return;
  }
  try {
    std::string const again = manifest_text(m, "a file");
    manifest const back = manifest_of(again, "a file");
    foal_fuzz::must(back.update == m.update && back.epoch == m.epoch && back.version == m.version && back.parts == m.parts &&
                        back.run.items == m.run.items && back.run.unknown == m.run.unknown,
                    "a manifest that is read in two ways");
  } catch (foal::error const&) {
    foal_fuzz::must(false, "a manifest that is read and cannot be written");
  }
}

}  // namespace

/// The text, or all of it that stands before its digest.
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string const text(foal_fuzz::text_of(data, size));
  read_and_write(text);
  read_and_write(text + "\"" + digest_of(data, size) + "\"\n}\n");
  return 0;
}
