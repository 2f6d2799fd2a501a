// ResNet-20 for 32 x 32 colour images.
#include "train.hpp"

struct resnet20_cifar_net : foal::zoo::resnet20<> {};

resnet::network const& resnet::resnet20_cifar() {
  static network const n = make_network<resnet20_cifar_net>("resnet20");
  return n;
}
