// The network net7 of parity in double.
#include "train.hpp"

template parity::record<double> parity::train<parity::net7, double>(problem const&);
