// ResNet-50 for 8 x 8 grey images.
#include "train.hpp"

struct resnet50_digits_net : foal::zoo::resnet50<foal::zoo::resnet_size{.channels = 1, .height = 8, .width = 8}> {};

resnet::network const& resnet::resnet50_digits() {
  static network const n = make_network<resnet50_digits_net>("resnet50");
  return n;
}
