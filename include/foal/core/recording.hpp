// Whether a run records what its queues do in a period, and has it done again.
#pragma once

#include <foal/core/config.hpp>

namespace foal {

/// Of a trainer's .record. A period (a minibatch of a synchronous schedule) is recorded once it repeats itself, and then
/// done again by one launch, to the bits of calls. where_possible: what cannot be recorded is called, and a run says why.
/// always: a run of which nothing can be recorded is refused.
enum class recording { never, where_possible, always };

}  // namespace foal
