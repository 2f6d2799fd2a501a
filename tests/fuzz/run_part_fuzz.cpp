// Run parts of checkpoints. Any bytes are read or refused with a sentence, though no digest tells that they are damaged:
// what they say of units, losses, arrays and the fit comes to be checked.
#include <cstddef>
#include <cstdint>

#include <foal/checkpoint/run_file.hpp>

#include "tests/fuzz/file_of_bytes.hpp"

namespace {

using namespace foal::checkpoint;

foal_fuzz::file_of_bytes& file() {
  static foal_fuzz::file_of_bytes one;
  return one;
}

/// Of a run that has nothing with a name.
safetensors_content no_weights() {
  safetensors_content c;
  c.about = {
      {detail::part_key, "weights"}, {detail::update_key, "4"}, {detail::epochs_key, "0"}, {detail::policies_key, ""}};
  return c;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static safetensors_content const weights = no_weights();
  try {
    file().set(data, size);
    saved_run const all = run_of("weights", weights, file().path(), read_safetensors_file(file().path()), {});
    foal_fuzz::must(all.run.update == 4, "a run whose update is not that of its weights");
    std::size_t bytes = 0;
    for (foal::executor::saved_array const& a : all.run.arrays)
      for (foal::executor::saved_slot const& s : a.slots) bytes += s.bytes.size();
    foal_fuzz::must(bytes <= size, "arrays that are larger than their file");
  } catch (foal::error const&) {
  }
  return 0;
}
