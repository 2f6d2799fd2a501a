// Which of several devices each worker is on.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// The number of this process's first worker among those of all processes, in the order of their ranks, when each has as
/// many.
inline int workers_before(std::vector<int> const& worker_of, int workers) {
  auto const here = std::find_if(worker_of.begin(), worker_of.end(), [](int w) { return w >= 0; });
  std::vector<int> processes(worker_of.begin(), here);
  std::sort(processes.begin(), processes.end());
  return workers * static_cast<int>(std::unique(processes.begin(), processes.end()) - processes.begin());
}

/// The ordinal of each worker's device. A worker's memory is one piece, so it is on one device: as .ordinals say for all of
/// its ranks, or, where they are empty, its number among all workers modulo the number of devices. worker_of: of each rank,
/// negative where another process hosts it. Throws foal::error where that cannot be.
inline std::vector<int> ordinals_of_workers(table::run_tables const& t, table::run_values const& v,
                                            std::vector<int> const& worker_of) {
  int const count = t.device.count == nullptr ? 1 : t.device.count();
  auto const ranks = static_cast<int>(worker_of.size());
  require(v.ordinals.empty() || static_cast<int>(v.ordinals.size()) == ranks, "cannot place ", ranks,
          " ranks on devices, because .ordinals has ", v.ordinals.size(), " entries; give one for each rank, or none");
  std::vector<int> all(static_cast<std::size_t>(v.workers), -1);
  std::vector<int> first(all);
  int const before = workers_before(worker_of, v.workers);
  for (int r = 0; r < ranks; ++r) {
    int const worker = worker_of[static_cast<std::size_t>(r)];
    int const given = v.ordinals.empty() ? (before + worker) % std::max(count, 1) : v.ordinals[static_cast<std::size_t>(r)];
    if (!v.ordinals.empty())
      require(given >= 0 && given < count, "cannot place rank ", r, " on device ", given, ", because there ",
              count == 1 ? "is 1" : sentence("are ", count), "; give .ordinals of 0 to ", count - 1);
    if (worker < 0) continue;
    int& of = all[static_cast<std::size_t>(worker)];
    if (of < 0) {
      of = given;
      first[static_cast<std::size_t>(worker)] = r;
      continue;
    }
    require(v.ordinals.empty() || of == given, "cannot place rank ", first[static_cast<std::size_t>(worker)], " on device ",
            of, " and rank ", r, " on device ", given, ", because worker ", worker,
            " hosts both and has its memory on one device; use more .workers, or give both the same of .ordinals");
  }
  for (int& o : all) o = std::max(o, 0);
  return all;
}

}  // namespace foal::executor
