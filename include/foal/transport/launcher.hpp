// Which process of how many this one is, as whoever started it says in the environment.
#pragma once

#include <charconv>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include <foal/core/error.hpp>
#include <foal/transport/contract.hpp>

namespace foal::transport {

/// The variables in which a launcher says it. Slurm's are those of srun alone: a batch script has SLURM_PROCID, too.
struct launcher {
  char const* name;
  char const *number, *count, *local;
};

/// The first whose variables are set is taken: FOAL_RANK and FOAL_SIZE are the user's word, above all others.
inline constexpr launcher launchers[] = {
    {"the user", "FOAL_RANK", "FOAL_SIZE", "FOAL_LOCAL_RANK"},
    {"mpirun of Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"},
    {"mpirun of MPICH", "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID"},
    {"srun of Slurm", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_LOCALID"},
    {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK"},
};

/// What one of them says.
struct launched {
  launcher by{};
  process_place place{};
  int local = -1;  ///< number among the processes of this machine; -1: not said

  /// "process 2 of 4 of mpirun of Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)".
  std::string text() const {
    return sentence("process ", place.number, " of ", place.count, " of ", by.name, " (", by.number, ", ", by.count, ")");
  }
};

namespace detail {

inline int launcher_number(char const* variable, char const* value) {
  int n = 0;
  char const* const end = value + std::strlen(value);
  auto const [at, failed] = std::from_chars(value, end, n);
  require(failed == std::errc{} && at == end && n >= 0, "cannot tell which process this is, because ", variable, " is '",
          value, "' in the environment and no whole number from 0; correct it, or set FOAL_RANK and FOAL_SIZE");
  return n;
}

}  // namespace detail

/// Nothing where nobody says so: one process, started by hand. get: as std::getenv. Throws foal::error where what is said is
/// no place.
template <class Get>
std::optional<launched> launched_by(Get const& get) {
  for (launcher const& one : launchers) {
    char const *const number = get(one.number), *const count = get(one.count), *const local = get(one.local);
    bool const users = &one == &launchers[0];
    if (users)
      require((number == nullptr) == (count == nullptr), "cannot tell which process this is, because ",
              number == nullptr ? one.count : one.number, " is set in the environment and ",
              number == nullptr ? one.number : one.count, " is not; set both, or neither");
    if (number == nullptr || count == nullptr) continue;
    launched found{one, {detail::launcher_number(one.number, number), detail::launcher_number(one.count, count)}};
    require(found.place.number < found.place.count, "cannot be process ", number, " of ", count, ", because ", one.number,
            " counts from 0 and ", one.count, " says how many there are; correct the environment");
    if (local != nullptr) found.local = detail::launcher_number(one.local, local);
    return found;
  }
  return {};
}
inline std::optional<launched> launched_by() {
  return launched_by([](char const* name) -> char const* { return std::getenv(name); });
}

/// Throws foal::error where a launcher says another place than the library that connects the processes: what is started by
/// the mpirun of another MPI comes up as so many processes that are alone. library: its name and version.
inline void require_place(process_place here, std::optional<launched> const& said, std::string_view library) {
  if (!said || (said->place.number == here.number && said->place.count == here.count)) return;
  throw error(sentence("cannot train as process ", here.number, " of ", here.count, ", as ", library,
                       " counts them, because the environment says ", said->text(),
                       "; start the program with the launcher of this library, or set FOAL_RANK=", here.number,
                       " and FOAL_SIZE=", here.count, " if that is what you mean"));
}

}  // namespace foal::transport
