// Opt-in umbrella of the oneDNN device: needs oneDNN's dnnl.hpp and its library (-ldnnl).
#pragma once

#include <foal/device/onednn.hpp>
