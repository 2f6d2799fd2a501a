// Numbers in words, English beside German: the parallel corpus that foal carries with it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/data/lines.hpp>
#include <foal/data/order.hpp>

namespace foal::data {

/// The largest number that has words here.
inline constexpr int most_spelled = 999'999;

namespace detail {

inline constexpr std::array<char const*, 20> english_small = {
    "zero", "one",    "two",    "three",    "four",     "five",    "six",     "seven",     "eight",    "nine",
    "ten",  "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
inline constexpr std::array<char const*, 10> english_tens = {"",      "",      "twenty",  "thirty", "forty",
                                                             "fifty", "sixty", "seventy", "eighty", "ninety"};
// Before hundert, tausend and und, one is "ein".
inline constexpr std::array<char const*, 20> german_small = {
    "null", "ein", "zwei",  "drei",     "vier",     "fünf",     "sechs",    "sieben",   "acht",     "neun",
    "zehn", "elf", "zwölf", "dreizehn", "vierzehn", "fünfzehn", "sechzehn", "siebzehn", "achtzehn", "neunzehn"};
inline constexpr std::array<char const*, 10> german_tens = {"",        "",        "zwanzig", "dreißig", "vierzig",
                                                            "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"};

template <std::size_t Size>
std::string word(std::array<char const*, Size> const& words, int i) {
  return words[static_cast<std::size_t>(i)];
}

/// 1 to 999. `after_more`: words of thousands come before, so a rest below a hundred is joined with "and".
inline std::string english_below_thousand(int n, bool after_more) {
  int const hundreds = n / 100, rest = n % 100;
  std::string result = hundreds > 0 ? word(english_small, hundreds) + " hundred" : "";
  if (rest == 0) return result;
  if (hundreds > 0) result += ' ';
  if (hundreds > 0 || after_more) result += "and ";
  if (rest < 20) return result + word(english_small, rest);
  result += word(english_tens, rest / 10);
  return rest % 10 == 0 ? result : result + '-' + word(english_small, rest % 10);
}

/// 1 to 999. `one` is what a final 1 is called.
inline std::string german_below_thousand(int n, char const* one) {
  int const hundreds = n / 100, rest = n % 100;
  std::string const result = hundreds > 0 ? word(german_small, hundreds) + "hundert" : "";
  if (rest == 0) return result;
  if (rest == 1) return result + one;
  if (rest < 20) return result + word(german_small, rest);
  return result + (rest % 10 == 0 ? "" : word(german_small, rest % 10) + "und") + word(german_tens, rest / 10);
}

inline void require_spelled(int n) {
  require(n >= 0 && n <= most_spelled, "cannot spell a number, because it is ", n, " where 0 to ", most_spelled,
          " are expected; give such a number");
}

}  // namespace detail

/// The number in English words: 312 is "three hundred and twelve", 1045 "one thousand and forty-five". Throws foal::error
/// unless n is in 0 .. most_spelled.
inline std::string spelled_english(int n) {
  detail::require_spelled(n);
  if (n == 0) return detail::word(detail::english_small, 0);
  if (n < 1000) return detail::english_below_thousand(n, false);
  std::string const thousands = detail::english_below_thousand(n / 1000, false) + " thousand";
  return n % 1000 == 0 ? thousands : thousands + ' ' + detail::english_below_thousand(n % 1000, true);
}

/// The number as a German word: 312 is "dreihundertzwölf", 21000 "einundzwanzigtausend". Throws foal::error unless n is in
/// 0 .. most_spelled.
inline std::string spelled_german(int n) {
  detail::require_spelled(n);
  if (n == 0) return detail::word(detail::german_small, 0);
  std::string const thousands = n < 1000 ? "" : detail::german_below_thousand(n / 1000, "ein") + "tausend";
  return n % 1000 == 0 ? thousands : thousands + detail::german_below_thousand(n % 1000, "eins");
}

/// What to generate.
struct spelling {
  int train = 8000, validation = 500, test = 500;  ///< lines
  std::uint64_t seed = 1;
  int most = 99'999;  ///< the largest number
  int terms = 1;      ///< a line is a sum of 1 to so many numbers: "three plus twelve"
};

/// English lines with their German translations, in three parts of which no two share a number.
struct spelled_corpus {
  parallel_text train, validation, test;
};

/// Generates the corpus. The numbers are those of 0 .. most in the order of the seed: the first go to train, the next to
/// validation, then test; every number comes once, so a model is judged on numbers that it has not seen. A function of its
/// argument alone. Throws foal::error where the numbers do not suffice or are out of range.
inline spelled_corpus spelled_numbers(spelling what = {}) {
  require(what.train > 0 && what.validation > 0 && what.test > 0 && what.terms > 0, "cannot spell numbers, because ",
          what.train, " training, ", what.validation, " validation and ", what.test, " test lines of up to ", what.terms,
          " numbers are asked for; ask for at least 1 of each");
  require_number(what.most >= 0 && what.most <= most_spelled, "spelling", "most", what.most, "0 to 999999");
  long long const lines = static_cast<long long>(what.train) + what.validation + what.test, numbers = what.most + 1LL;
  require(lines * what.terms <= numbers, "cannot spell numbers, because ", lines, " lines of up to ", what.terms,
          " numbers need ", lines * what.terms, " and from 0 to ", what.most, " there are ", numbers,
          "; ask for fewer lines or larger numbers");
  long long next = 0;
  auto const write = [&](int count, std::uint32_t part) {
    parallel_text result;
    for (int i = 0; i < count; ++i) {
      std::uint32_t const bits = random_word({what.seed, purpose::synthetic, part, static_cast<std::uint64_t>(i)}, 0);
      auto const terms = 1 + static_cast<int>((bits * static_cast<std::uint64_t>(what.terms)) >> 32U);
      std::string english, german;
      for (int k = 0; k < terms; ++k) {
        int const n = static_cast<int>(shuffled(what.seed, 0, numbers, next++));
        english += (k == 0 ? "" : " plus ") + spelled_english(n);
        german += (k == 0 ? "" : " plus ") + spelled_german(n);
      }
      result.source.push_back(english);
      result.target.push_back(german);
    }
    return result;
  };
  spelled_corpus result;
  result.train = write(what.train, 0);
  result.validation = write(what.validation, 1);
  result.test = write(what.test, 2);
  return result;
}

}  // namespace foal::data
