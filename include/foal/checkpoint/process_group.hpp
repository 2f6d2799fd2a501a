// The processes that keep one checkpoint together: what each tells all.
#pragma once

#include <cstddef>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/fingerprint.hpp>
#include <foal/transport/contract.hpp>

namespace foal::checkpoint {

/// One process's view of them; by itself one alone. All functions but alone() and leads() are ones that all processes call,
/// in the same order, on the thread that trains.
struct process_group {
  transport::process_place here{};
  std::function<std::vector<std::string>(std::string const&)> exchange{};  ///< the texts of all, by process
  /// Sends bytes to one process, and gives those that another has sent here; each is sent to by one.
  std::function<std::string(int to, int from, std::string const&)> swap{};

  bool alone() const { return here.count == 1; }
  bool leads() const { return here.number == 0; }

  /// What each says, by process.
  std::vector<std::string> texts(std::string const& mine) const {
    return alone() ? std::vector<std::string>{mine} : exchange(mine);
  }
  /// What process 0 says.
  std::string from_leader(std::string const& mine) const { return texts(leads() ? mine : std::string()).front(); }

  /// The bytes of one process in all, however many. bytes: of that one.
  std::string spread(int from, std::string const& bytes) const {
    if (alone()) return bytes;
    constexpr std::size_t piece = 1U << 28U;
    std::size_t const size = std::stoull(texts(std::to_string(bytes.size()))[static_cast<std::size_t>(from)]);
    std::string all;
    for (std::size_t at = 0; at < size; at += piece)
      all += texts(here.number == from ? bytes.substr(at, piece) : std::string())[static_cast<std::size_t>(from)];
    return all;
  }

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

/// Throws foal::error in all processes unless they have one run, and these items, in common. What one of them knows of the
/// run, all know behind it.
inline void agree_on(process_group const& group, report::fingerprint& run,
                     std::vector<std::pair<std::string, std::string>> const& besides) {
  if (group.alone()) return;
  report::fingerprint mine = run;
  mine.items.insert(mine.items.end(), besides.begin(), besides.end());
  std::vector<report::fingerprint> all;
  for (std::string const& text : group.texts(report::packed(mine))) all.push_back(report::unpacked(text));
  for (std::size_t p = 1; p < all.size(); ++p) {
    std::string const differs = report::difference(all[0], all[p], {"in process 0", sentence("in process ", p)});
    require(differs.empty(), "cannot keep checkpoints together, because the runs are not the same: ", differs,
            "; build and set up both alike");
  }
  for (auto& [name, value] : run.items)
    for (report::fingerprint const& other : all)
      for (auto const& [its, known] : other.items)
        if (value == report::not_here && its == name) value = known;
}

}  // namespace foal::checkpoint
