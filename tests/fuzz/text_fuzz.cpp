// Texts of any bytes: vocabularies, merges and lines are read, or refused with a sentence; what is read is written and read
// back, and pieces of words make the words.
#include <foal/data/text_files.hpp>
#include <foal/data/window_source.hpp>
#include <foal/text/alphabet.hpp>

#include "tests/fuzz/input_folder.hpp"

namespace {

using foal_fuzz::must;

template <class T>
void round_trip(std::string_view text) {
  T const first = T::load(text, "input");
  std::string const saved = first.saved();
  must(T::load(saved, "saved").saved() == saved, "what was saved is read as something else");
}

void cut_words(foal::text::bpe const& code, std::string_view line) {
  for (std::string_view const word : foal::text::words(line)) {
    std::string joined;
    for (std::string const& piece : code.split(word)) joined += piece;
    must(joined == std::string(word) + foal::text::end_of_word, "pieces that do not make the word");
  }
}

void read_lines(foal_fuzz::input_folder const& folder, std::string_view text) {
  std::string_view other = text;
  std::string_view const one = foal_fuzz::take_part(other);
  folder.put("train.a", one);
  folder.put("train.b", other);
  std::string const whole = foal::data::read_text(folder / "train.b");
  foal::data::text_cut const cut = foal::data::cut_text(whole, 0.3);
  must(cut.train + cut.validation == whole, "a cut that loses text");
  std::vector<std::string> const lines = foal::data::lines_of(whole);
  must(lines.size() == lines.capacity(), "room for lines that are none");
  auto const letters = foal::text::alphabet::of(whole);
  must(letters.decode(letters.encode(whole)) == whole, "an alphabet that loses its own text");
  must(foal::text::byte_alphabet::decode(foal::text::byte_alphabet::encode(whole)) == whole, "bytes that are lost");
  foal::data::window_source const windows(letters.encode(whole), {.length = 5});
  must(windows.classes() <= letters.vocabulary().size(), "classes beyond the alphabet");
  foal::data::parallel_lines(folder.path(), "train", "a", "b");
}

foal::text::subwords loaded(std::string_view merges, std::string_view vocabulary) {
  return {foal::text::bpe::load(merges, "merges"), foal::text::vocabulary::load(vocabulary, "vocabulary"), "both"};
}

void learn(std::string_view text) {
  foal::text::word_counts counts;
  text = text.substr(0, 2048);
  foal::text::count_words(text, counts);
  foal::text::subwords code = foal::text::subwords::learn(counts, 40);
  cut_words(code.merges(), text);
  foal::text::subwords again = loaded(code.merges().saved(), code.vocabulary().saved());
  must(again.encode(text) == code.encode(text), "subwords that were read encode otherwise");
  std::string joined;
  for (std::string_view const word : foal::text::words(text)) joined.append(joined.empty() ? "" : " ").append(word);
  must(again.decode(again.encode(text)) == joined, "words that are lost in their pieces");
}

void read_subwords(std::string_view text) {
  std::string_view const merges = foal_fuzz::take_part(text);
  foal::text::subwords given = loaded(merges, text);
  must(given.decode(given.encode("low lower a b")).size() < 10000, "a text out of all bounds");
  for (std::int32_t id = foal::text::first_token; id < given.vocabulary().size(); ++id)
    must(given.vocabulary().id(given.vocabulary().token(id)) == id, "a number that is another token's");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static foal_fuzz::input_folder const folder;
  std::string_view text = foal_fuzz::text_of(data, size);
  unsigned const mode = foal_fuzz::take_byte(text) % 6;
  try {
    if (mode == 0) round_trip<foal::text::vocabulary>(text);
    if (mode == 1) {
      round_trip<foal::text::bpe>(text);
      cut_words(foal::text::bpe::load(text, "input"), text);
    }
    if (mode == 2) read_subwords(text);
    if (mode == 3) read_lines(folder, text);
    if (mode == 4) learn(text);
    if (mode == 5) must(foal::text::unescaped(foal::text::escaped(text), "here") == text, "a token that is not read back");
  } catch (foal::error const&) {
    must(mode != 4 && mode != 5, "a text of its own is refused");
  }
  return 0;
}
