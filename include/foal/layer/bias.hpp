// Whether a layer with a product adds a bias.
#pragma once

#include <foal/core/config.hpp>

namespace foal {

/// none: the layer declares no bias (a norm follows). per_channel: one trainable number per output channel.
enum class bias { none, per_channel };

}  // namespace foal
