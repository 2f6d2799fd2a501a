// The network "large": 3+3 layers, d 256, feed-forward 512, dropout 20 %, norms before.
#include "train.hpp"

namespace {

struct translate_large : foal::zoo::transformer<translate::size_of(3, 256, 8, 512, 20, foal::zoo::norm::before)> {};

}  // namespace

translate::network const& translate::large() {
  static network const n =
      make_network<translate_large>("large", "3+3 layers, d 256, feed-forward 512, dropout 20 %, norms before");
  return n;
}
