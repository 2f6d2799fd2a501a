// The processes that a launcher has started an example as: mpirun -n 4 ./compare ... needs no option of its own.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <foal/executor/as_launched.hpp>
#include <foal/report/number.hpp>

namespace options {

/// What begins them (options/with_mpi.cpp, options/without_mpi.cpp), to be kept until main() ends. Throws foal::error where
/// there are several and the program was built without foal::mpi.
std::shared_ptr<void> begin_processes(int& argc, char**& argv);

/// To be made at the top of main(). The first process prints, and writes files; what the others print is nowhere.
class processes {
 public:
  processes(int& argc, char**& argv);

  static int count() { return foal::executor::as_launched::place().count; }
  static bool first() { return foal::executor::as_launched::place().number == 0; }
  /// n as the first process has it: what comes from a clock, and decides what is trained.
  static long long first_says(long long n) {
    std::string const text = foal::executor::as_launched::exchange(foal::report::shortest(n)).front();
    std::from_chars(text.data(), text.data() + text.size(), n);
    return n;
  }
  /// The sums over all processes, in each of them.
  static void add_up(std::vector<long long>& numbers) {
    std::string const bytes(reinterpret_cast<char const*>(numbers.data()), numbers.size() * sizeof(long long));
    std::fill(numbers.begin(), numbers.end(), 0);
    for (std::string const& of_one : foal::executor::as_launched::exchange(bytes)) {
      std::vector<long long> other(numbers.size());
      std::memcpy(other.data(), of_one.data(), std::min(of_one.size(), bytes.size()));
      for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += other[i];
    }
  }
  /// Puts what other processes have recorded where this one has recorded `nothing`.
  template <class T>
  static void fill_in(std::vector<T>& mine, T nothing) {
    if (count() == 1) return;
    std::string const bytes(reinterpret_cast<char const*>(mine.data()), mine.size() * sizeof(T));
    for (std::string const& of_other : foal::executor::as_launched::exchange(bytes)) {
      std::vector<T> other(of_other.size() / sizeof(T));
      std::memcpy(other.data(), of_other.data(), of_other.size());
      for (std::size_t i = 0; i < mine.size(); ++i)
        if (std::memcmp(&mine[i], &nothing, sizeof(T)) == 0) mine[i] = other.at(i);
    }
  }

 private:
  std::shared_ptr<void> session_;
};

}  // namespace options
