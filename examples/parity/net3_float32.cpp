// The network net3 of parity in float.
#include "train.hpp"

template parity::record<float> parity::train<parity::net3, float>(problem const&);
