// The executor that parity runs on is chosen at run time, so that its trainers are compiled once.
#pragma once

#include <cstring>
#include <memory>

#include <foal/executor/drive.hpp>
#include <foal/report/fingerprint.hpp>

namespace parity {

/// How this process and the others train together, as functions.
struct processes {
  foal::executor::process_place (*place)() = nullptr;
  void (*agree)(foal::report::fingerprint const&) = nullptr;
  void (*drive)(std::span<foal::executor::worker>, foal::executor::service const&) = nullptr;
  std::vector<std::string> (*exchange)(std::string const&) = nullptr;
  std::shared_ptr<void> session{};  ///< to be kept until main() ends
};

/// Those that mpirun has started. Throws foal::error where the program has been built without foal::mpi.
processes processes_of_mpi(int& argc, char**& argv);

struct chosen_executor {
  using role = foal::role::executor;
  static constexpr char const* name = "threads or processes";
  static constexpr bool threaded = true;
  static inline processes const* many = nullptr;  ///< null: threads of this process

  static foal::executor::process_place place() { return many != nullptr ? many->place() : foal::executor::process_place{}; }
  static void agree(foal::report::fingerprint const& f) {
    if (many != nullptr) many->agree(f);
  }
  static void drive(std::span<foal::executor::worker> workers, foal::executor::service const& run) {
    many != nullptr ? many->drive(workers, run) : foal::executor::threads::drive(workers, run);
  }

  /// Puts what other processes have recorded where this one has recorded nothing.
  template <class T>
  static void fill_in(std::vector<T>& mine, T nothing) {
    if (many == nullptr) return;
    std::string const bytes(reinterpret_cast<char const*>(mine.data()), mine.size() * sizeof(T));
    for (std::string const& of_other : many->exchange(bytes)) {
      std::vector<T> other(of_other.size() / sizeof(T));
      std::memcpy(other.data(), of_other.data(), of_other.size());
      for (std::size_t i = 0; i < mine.size(); ++i)
        if (std::memcmp(&mine[i], &nothing, sizeof(T)) == 0) mine[i] = other.at(i);
    }
  }
};

}  // namespace parity
