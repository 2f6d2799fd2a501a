// CIFAR-10 files of any content give a data set that holds together, or a sentence.
#include <foal/data/cifar10.hpp>

#include "tests/fuzz/input_folder.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static foal_fuzz::input_folder const folder;
  static std::string const whole = std::string(1, '\7') + std::string(3072, 'x');
  std::string_view rest = foal_fuzz::text_of(data, size);
  // One file for training, two, or the one for tests; cut to whole records more often than chance would.
  unsigned const mode = foal_fuzz::take_byte(rest);
  if (mode >= 128) rest = rest.substr(0, rest.size() / 3073 * 3073);
  folder.put("data_batch_1.bin", mode % 3 == 2 ? std::string_view(whole) : rest);
  folder.put("test_batch.bin", mode % 3 == 2 ? rest : std::string_view(whole));
  std::string const second = folder / "data_batch_2.bin";
  if (mode % 3 == 1)
    folder.put("data_batch_2.bin", whole);
  else
    ::unlink(second.c_str());
  try {
    foal::data::dataset const d = foal::data::cifar10(folder.path());
    for (foal::data::split const* s : {&d.train, &d.test}) {
      foal_fuzz::must(s->size() > 0 && s->classes() == 10, "a split without samples");
      for (long long i = 0; i < s->size(); ++i)
        foal_fuzz::must(s->label(i) < 10 && s->pixels(i).size() == 3072, "a sample that does not hold together");
    }
    std::size_t const bytes = static_cast<std::size_t>(d.train.size() + d.test.size()) * 3073;
    foal_fuzz::must(bytes == rest.size() + whole.size() * (mode % 3 == 1 ? 2 : 1), "records that are lost or made up");
  } catch (foal::error const&) {
  }
  return 0;
}
