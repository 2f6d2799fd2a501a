// The executor of a program that may be started alone or, by a launcher, as several processes.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <foal/executor/drive.hpp>
#include <foal/report/fingerprint.hpp>

namespace foal::executor {

/// An executor over several processes as functions, as as_launched::join() takes it.
struct joined {
  process_place (*place)() = nullptr;
  void (*agree)(report::fingerprint const&) = nullptr;
  std::vector<std::string> (*exchange)(std::string const&) = nullptr;
  void (*drive)(std::span<worker>, service const&) = nullptr;
  std::string (*swap)(int to, int from, std::string const&) = nullptr;  ///< null: by exchange()
};

/// Threads of this process, or several processes, as the program was started: no trainer is compiled twice. Who begins the
/// other processes says so once, before trainers are made (executor::launched_session does).
struct as_launched {
  using role = foal::role::executor;
  static constexpr char const* name = "as_launched";
  static constexpr bool threaded = true;

  /// Processes: an executor over several processes, which from here on is what drives.
  template <class Processes>
  static void join() {
    static constexpr joined functions{Processes::place, Processes::agree, Processes::exchange, Processes::drive,
                                      swap_of<Processes>()};
    all_ = &functions;
  }

  static process_place place() { return all_ != nullptr ? all_->place() : process_place{}; }
  static void agree(report::fingerprint const& mine) {
    if (all_ != nullptr) all_->agree(mine);
  }
  /// The texts of all processes, by process; all call it.
  static std::vector<std::string> exchange(std::string const& mine) {
    return all_ != nullptr ? all_->exchange(mine) : std::vector{mine};
  }
  /// Sends bytes to one process and gives what another has sent here; all call it.
  static std::string swap(int to, int from, std::string const& bytes) {
    if (all_ == nullptr) return bytes;
    return all_->swap != nullptr ? all_->swap(to, from, bytes) : all_->exchange(bytes).at(static_cast<std::size_t>(from));
  }
  static void drive(std::span<worker> workers, service const& run) {
    all_ != nullptr ? all_->drive(workers, run) : threads::drive(workers, run);
  }

 private:
  template <class Processes>
  static constexpr auto swap_of() -> std::string (*)(int, int, std::string const&) {
    if constexpr (requires { Processes::swap(0, 0, std::string()); })
      return Processes::swap;
    else
      return nullptr;
  }

  static inline joined const* all_ = nullptr;
};

}  // namespace foal::executor
