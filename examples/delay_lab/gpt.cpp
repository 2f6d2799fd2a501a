// A character GPT of 8 layers, 52 stages, on any text; profiles of fewer ranks put several stages on one.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/data/lines.hpp>
#include <foal/data/spelled_numbers.hpp>
#include <foal/data/window_source.hpp>
#include <foal/text/alphabet.hpp>
#include <foal/zoo/gpt.hpp>

#include "train.hpp"

namespace delay_lab {

inline constexpr int gpt_vocabulary = 128, gpt_window = 32, gpt_tested = 32;

}  // namespace delay_lab

struct delay_lab_gpt : foal::zoo::gpt<foal::zoo::gpt_size{.layers = 8,
                                                          .width = 32,
                                                          .heads = 4,
                                                          .vocabulary = delay_lab::gpt_vocabulary,
                                                          .longest = delay_lab::gpt_window,
                                                          .dropout_percent = 0,
                                                          .tied = false}> {};

namespace delay_lab {

namespace {

/// A text as numbers: what is learned, and windows that are not.
struct numbered_text {
  std::vector<std::int32_t> learned;
  foal::data::window_source test;

  explicit numbered_text(std::string const& text) {
    auto const letters = foal::text::alphabet::of(text);
    foal::require(letters.vocabulary().size() <= gpt_vocabulary, "cannot train on this text, because it has ",
                  letters.vocabulary().size(), " kinds of characters, four marks among them, and the network here ",
                  gpt_vocabulary, " tokens; give a text with fewer");
    auto const cut = foal::data::cut_text(text, 0.1);
    learned = letters.encode(cut.train);
    std::vector<std::int32_t> rest = letters.encode(cut.validation);
    rest.resize(std::min<std::size_t>(rest.size(), gpt_tested * gpt_window + 1));
    foal::require(learned.size() > gpt_window + 1 && rest.size() > gpt_window, "cannot train on this text, because it has ",
                  learned.size() + rest.size(), " characters, of which a tenth is judged; give one of ", 20 * gpt_window,
                  " or more");
    test = foal::data::window_source(std::move(rest), {.length = gpt_window});
  }
};

std::string spelled() {
  std::string all;
  for (std::string const& line : foal::data::spelled_numbers({.train = 4000, .validation = 1, .test = 1}).train.source)
    all += line + "\n";
  return all;
}

std::string& text_to_learn() {
  static std::string text;
  return text;
}
numbered_text const& the_text() {
  static numbered_text const all(text_to_learn().empty() ? spelled() : text_to_learn());
  return all;
}

struct gpt_task {
  using net = delay_lab_gpt;
  using loss = foal::loss::cross_entropy;
  using initial = foal::initialisation::declared;
  using target = std::int32_t;
  static constexpr int minibatch = 8, evaluated = 32;
  static constexpr bool has(answer a) { return few_answers(a); }

  explicit gpt_task(std::uint64_t seed) : seed_(seed) {}
  int write_input(long long i, float* x) const {
    std::transform(begin_of(i), begin_of(i) + gpt_window, x, [](std::int32_t t) { return static_cast<float>(t); });
    return gpt_window;
  }
  int write_target(long long i, std::int32_t* y) const {
    std::copy_n(begin_of(i) + 1, gpt_window, y);
    return gpt_window;
  }
  foal::data::window_source const& test() const { return the_text().test; }
  static double judged(double loss) { return loss; }

 private:
  std::int32_t const* begin_of(long long i) const {
    auto const& all = the_text().learned;
    foal::random_key const key{seed_, foal::purpose::user, 0, static_cast<std::uint64_t>(i)};
    return all.data() + foal::random_word(key, 0) % (all.size() - gpt_window - 1);
  }
  std::uint64_t seed_;
};

}  // namespace

void read_text(std::string const& path) { text_to_learn() = foal::data::read_text(path); }

network const& gpt() {
  static network const n = make_network<gpt_task>(
      "gpt", "character GPT, 8 layers of width 32 in 52 stages, windows of 32 characters, 8 an update", 400, 2);
  return n;
}

}  // namespace delay_lab
