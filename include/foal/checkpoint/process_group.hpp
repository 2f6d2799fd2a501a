// The processes that keep one checkpoint together: what each tells all.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/transport/contract.hpp>

namespace foal::checkpoint {

/// One process's view of them; by itself one alone. All functions but alone() and leads() are ones that all processes call,
/// in the same order, on the thread that trains.
struct process_group {
  transport::process_place here{};
  std::function<std::vector<std::string>(std::string const&)> exchange{};  ///< the texts of all, by process

  bool alone() const { return here.count == 1; }
  bool leads() const { return here.number == 0; }

  /// What each says, by process.
  std::vector<std::string> texts(std::string const& mine) const {
    return alone() ? std::vector<std::string>{mine} : exchange(mine);
  }
  /// What process 0 says.
  std::string from_leader(std::string const& mine) const { return texts(leads() ? mine : std::string()).front(); }

  /// Calls f(), in which nothing may be exchanged: what it throws in one process comes out of all.
  template <class F>
  void all(F const& f) const {
    if (alone()) return f();
    std::string fault;
    try {
      f();
    } catch (std::exception const& e) {
      fault = e.what();
    }
    for (std::string const& text : texts(fault)) require(text.empty(), text);
  }
};

}  // namespace foal::checkpoint
