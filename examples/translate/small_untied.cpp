// The network "small_untied": as "small", with a matrix over tokens for each embedding and for the scores.
#include "train.hpp"

namespace {

struct translate_small_untied
    : foal::zoo::transformer<translate::size_of(2, 128, 4, 512, 10, foal::zoo::norm::before, foal::zoo::sharing::none)> {};

}  // namespace

translate::network const& translate::small_untied() {
  static network const n = make_network<translate_small_untied>(
      "small_untied", "2+2 layers, d 128, feed-forward 512, norms before, no shared weights");
  return n;
}
