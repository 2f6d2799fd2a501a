// The session of a program that may be started alone or, by a launcher, as several processes.
#pragma once

#include <optional>

#include <foal/executor/as_launched.hpp>
#include <foal/transport/launcher.hpp>

namespace foal::executor {

/// For a program whose trainers have executor::as_launched: a Session, made of the arguments, where a launcher has started
/// several processes, which Processes, an executor over them, then drives; else nothing, so that a program started by hand
/// asks nothing of anybody. To be made at the top of main(), before trainers. Throws foal::error where the environment or
/// the session does.
template <class Session, class Processes>
class launched_over {
 public:
  template <class... Arguments>
  explicit launched_over(Arguments&... arguments) {
    auto const launched = transport::launched_by();
    if (!launched || launched->place.count == 1) return;
    session_.emplace(arguments...);
    as_launched::join<Processes>();
  }

 private:
  std::optional<Session> session_;
};

}  // namespace foal::executor
