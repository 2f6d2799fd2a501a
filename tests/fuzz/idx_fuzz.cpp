// IDX files of any content give a data set that holds together, or a sentence.
//
// The first byte: which of the four files is the rest, the others being whole; beyond them, images and labels of both
// splits.
#include <foal/data/idx.hpp>

#include "tests/fuzz/input_folder.hpp"

namespace {

constexpr char const* names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                 "t10k-labels-idx1-ubyte"};
constexpr std::string_view images{
    "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03"
    "abcdefghijkl",
    28};
constexpr std::string_view labels{"\0\0\x08\x01\0\0\0\x02\x01\x02", 10};

void check(foal::data::split const& s) {
  foal_fuzz::must(s.size() > 0 && s.classes() > 0 && s.classes() <= 256, "a split without samples or classes");
  for (long long i = 0; i < s.size(); ++i) {
    foal_fuzz::must(s.label(i) < s.classes(), "a label beyond the classes");
    foal_fuzz::must(static_cast<long long>(s.pixels(i).size()) == s.sample().size(), "another number of pixels");
  }
  std::vector<float> x(static_cast<std::size_t>(s.sample().size()));
  s.write_sample(s.size() - 1, x.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static foal_fuzz::input_folder const folder;
  std::string_view rest = foal_fuzz::text_of(data, size);
  unsigned const mode = foal_fuzz::take_byte(rest) % 5;
  std::string_view const part = mode == 4 ? foal_fuzz::take_part(rest) : rest;
  for (unsigned i = 0; i < 4; ++i) {
    bool const is_image = i % 2 == 0;
    std::string_view const whole = is_image ? images : labels;
    folder.put(names[i], mode == 4 ? is_image ? part : rest : mode == i ? rest : whole);
  }
  try {
    foal::data::dataset const d = foal::data::idx(folder.path());
    check(d.train);
    check(d.test);
  } catch (foal::error const&) {
  }
  return 0;
}
