// The network "small_post": 2+2 layers, d 128, feed-forward 512, norms after.
#include "train.hpp"

namespace {

struct translate_small_post : foal::zoo::transformer<translate::size_of(2, 128, 4, 512, 10, foal::zoo::norm::after)> {};

}  // namespace

translate::network const& translate::small_post() {
  static network const n =
      make_network<translate_small_post>("small_post", "2+2 layers, d 128, feed-forward 512, norms after");
  return n;
}
