// ResNet-50 for 32 x 32 colour images.
#include "train.hpp"

struct resnet50_cifar_net : foal::zoo::resnet50<> {};

resnet::network const& resnet::resnet50_cifar() {
  static network const n = make_network<resnet50_cifar_net>("resnet50");
  return n;
}
