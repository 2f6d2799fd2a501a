// What ops on a part of a vocabulary take, and what travels from part to part.
#pragma once

#include <foal/core/config.hpp>

namespace foal::device {

/// The tokens first .. first + count - 1 of a vocabulary.
struct vocabulary_part {
  int first = 0, count = 0;
};

/// What is known, at one position, of the scores of all tokens so far; the parts of a vocabulary pass it on, a row of
/// `columns` numbers a position.
struct joined_scores {
  static constexpr int log_sum = 0;        ///< log of the sum of their exponentials
  static constexpr int of_target = 1;      ///< the target's; 0 while its part has not come
  static constexpr int total = 2;          ///< their sum
  static constexpr int largest = 3;        ///< the largest
  static constexpr int largest_token = 4;  ///< the first token that has it
  static constexpr int columns = 5;
};

}  // namespace foal::device
