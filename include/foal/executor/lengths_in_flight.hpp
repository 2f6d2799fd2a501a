// Whether the microbatches on their way have the lengths with which a period has been recorded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include <foal/tensor/shape.hpp>

namespace foal::executor {

/// Of a phase whose periods have `microbatches` each, of which some op of a period may still have one that is `span` behind
/// the period's first new one. Sizes of a recorded op are those of the microbatch of then, so those of now must be the same:
/// not those of the new microbatches alone, but of all that came in periods before and are still to be gone through.
class lengths_in_flight {
 public:
  lengths_in_flight() = default;
  lengths_in_flight(int microbatches, int span)
      : microbatches_(microbatches), seen_(static_cast<std::size_t>(std::max(span, 0))) {}

  /// Whether it looks at none, for no microbatch is older than a period's first.
  bool empty() const { return seen_.empty(); }

  /// Microbatch m, which is the next one, has these. What came before others were left out is forgotten.
  void see(long long m, lengths_of_axes const& n) {
    if (seen_.empty()) return;
    known_ = m == next_ ? std::min(known_ + 1, static_cast<long long>(seen_.size())) : 1;
    next_ = m + 1;
    seen_[at(m)] = n;
  }

  /// Whether those before microbatch `first` have what recorded(j) gives for the j-th microbatch of a period.
  template <class Recorded>
  bool same(long long first, Recorded const& recorded) const {
    if (seen_.empty()) return true;
    if (next_ != first || known_ < static_cast<long long>(seen_.size())) return false;
    for (long long m = first - known_; m < first; ++m)
      if (seen_[at(m)] != recorded(static_cast<int>(m % microbatches_))) return false;
    return true;
  }

 private:
  std::size_t at(long long m) const { return static_cast<std::size_t>(m) % seen_.size(); }

  int microbatches_ = 1;
  long long next_ = 0, known_ = 0;
  std::vector<lengths_of_axes> seen_{};
};

}  // namespace foal::executor
