// The network "small": 2+2 layers, d 128, feed-forward 512, norms before.
#include "train.hpp"

namespace {

struct translate_small : foal::zoo::transformer<translate::size_of(2, 128, 4, 512, 10, foal::zoo::norm::before)> {};

}  // namespace

translate::network const& translate::small() {
  static network const n = make_network<translate_small>("small", "2+2 layers, d 128, feed-forward 512, norms before");
  return n;
}
