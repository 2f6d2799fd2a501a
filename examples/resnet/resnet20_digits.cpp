// ResNet-20 for 8 x 8 grey images.
#include "train.hpp"

struct resnet20_digits_net : foal::zoo::resnet20<foal::zoo::resnet_size{.channels = 1, .height = 8, .width = 8}> {};

resnet::network const& resnet::resnet20_digits() {
  static network const n = make_network<resnet20_digits_net>("resnet20");
  return n;
}
