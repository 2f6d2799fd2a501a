// Windows over one long text of token numbers: the source of a language model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/sequence.hpp>
#include <foal/text/vocabulary.hpp>

namespace foal::data {

/// How to cut windows.
struct windowing {
  int length = 64;     ///< positions of a window
  int stride = 0;      ///< from one window's begin to the next one's; 0: the length, so that every token is a target once
  int vocabulary = 0;  ///< token numbers must be below; 0: any
};

/// Window i holds the tokens from i * stride on; the target of a token is the one after it. All windows have the full length
/// but for the last, which ends with the text. A sequence_source.
class window_source {
 public:
  window_source() = default;

  /// Throws foal::error where the text has fewer than two tokens, a number is not of the vocabulary, or `how` is out of
  /// range.
  window_source(std::vector<std::int32_t> tokens, windowing how) : tokens_(std::move(tokens)), how_(how) {
    if (how_.stride == 0) how_.stride = how_.length;
    require_number(how_.vocabulary >= 0, "windowing", "vocabulary", how_.vocabulary, "0 or more");
    require(how_.length > 0 && how_.stride > 0 && how_.stride <= how_.length, "cannot cut windows, because the length is ",
            how_.length, " and the stride ", how_.stride, "; give a positive length and a stride from 1 to the length");
    require(tokens_.size() > 1, "cannot cut windows, because the text has ", tokens_.size(),
            " tokens; give at least 2, one to read and one to predict");
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      require(tokens_[i] >= 0 && tokens_[i] < tokens_below(how_.vocabulary), "cannot cut windows, because token ", i,
              " has the number ", tokens_[i], " where 0 to ", tokens_below(how_.vocabulary) - 1,
              " are expected; encode the text with the model's vocabulary");
      classes_ = std::max(classes_, tokens_[i] + 1);
    }
  }

  long long size() const {
    long long const beyond = targets() - how_.length;
    return beyond <= 0 ? (targets() > 0 ? 1 : 0) : 1 + (beyond + how_.stride - 1) / how_.stride;
  }

  /// Targets are below.
  int classes() const { return classes_; }

  int axes() const { return 1; }
  int length(long long i, int) const {
    return static_cast<int>(std::min<long long>(how_.length, targets() - i * how_.stride));
  }
  int longest(int) const { return static_cast<int>(std::min<long long>(how_.length, targets())); }
  int entries() const { return 1; }
  int entry_axis(int) const { return 1; }
  long long weight(long long i) const { return length(i, 1); }

  template <class S>
  void write_entry(long long i, int, int longest, S* x) const {
    std::int32_t const* const from = tokens_.data() + i * how_.stride;
    int const real = length(i, 1);
    for (int k = 0; k < real; ++k) x[k] = static_cast<S>(from[k]);
    std::fill(x + real, x + longest, S{text::pad});
  }

  void write_target(long long i, int longest, std::int32_t* t) const {
    std::int32_t const* const from = tokens_.data() + i * how_.stride + 1;
    std::int32_t* const end = std::copy(from, from + length(i, 1), t);
    std::fill(end, t + longest, ignored_target);
  }

 private:
  long long targets() const { return static_cast<long long>(tokens_.size()) - 1; }

  std::vector<std::int32_t> tokens_;
  windowing how_;
  int classes_ = 0;
};

static_assert(sequence_source<window_source>);

}  // namespace foal::data
