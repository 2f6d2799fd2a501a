// A small corpus in two languages, for programs that translate.
#pragma once

#include <string>

#include "tests/support/program.hpp"

namespace foal::test {

/// Texts of two to five numbers, in words.
inline void write_corpus(work_folder const& folder, std::string const& split, int lines) {
  constexpr char const* english[] = {"one", "two", "three", "four", "five", "six", "seven", "eight"};
  constexpr char const* german[] = {"eins", "zwei", "drei", "vier", "fuenf", "sechs", "sieben", "acht"};
  std::string from, to;
  for (int i = 0; i < lines; ++i)
    for (int j = 0, last = 1 + i % 4; j <= last; ++j) {
      int const number = (i * 7 + j * j * (1 + i / 8)) % 8;
      char const end = j < last ? ' ' : '\n';
      from += std::string(english[number]) + end;
      to += std::string(german[number]) + end;
    }
  folder.write("corpus/" + split + ".en", from);
  folder.write("corpus/" + split + ".de", to);
}

}  // namespace foal::test
