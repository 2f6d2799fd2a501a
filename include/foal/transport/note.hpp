// What processes tell each other beside the messages of their channels: seldom, and in few numbers.
#pragma once

#include <type_traits>

#include <foal/core/config.hpp>

namespace foal::transport {

/// ask: to agree on an end or a pause. hold, held, cut, ready, go: the steps of that. stop: an op has failed. stopped, over:
/// the workers of one process, of all, are at their end. From `stands` on, whether the run stands still: stall_agreement
/// says what they mean.
enum class note_kind : int {
  ask,
  hold,
  held,
  cut,
  ready,
  go,
  stop,
  stopped,
  over,
  stands,
  where,
  here,
  away,
  calm,
  stalled
};

/// Of fixed size, and to be copied as bytes. Process 0 tells all and hears all; the others tell it alone, and hear it alone.
struct note {
  note_kind kind = note_kind::ask;
  int from = 0;            ///< process
  long long a = 0, b = 0;  ///< what they are, agreement says
};
static_assert(std::is_trivially_copyable_v<note>);

}  // namespace foal::transport
