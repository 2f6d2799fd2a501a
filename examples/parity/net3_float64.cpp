// The network net3 of parity in double.
#include "train.hpp"

template parity::record<double> parity::train<parity::net3, double>(problem const&);
