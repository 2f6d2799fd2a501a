// The network net7 of parity in float.
#include "train.hpp"

template parity::record<float> parity::train<parity::net7, float>(problem const&);
