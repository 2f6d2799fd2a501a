// A checkpoint that several processes write: each its parts, and a mark that says so; process 0 makes one of them.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>

#include <foal/checkpoint/directory.hpp>

namespace foal::checkpoint {

/// The names of a process's files in a checkpoint: "weights-002.safetensors", "run-002.safetensors", "process-002.json".
struct share_names {
  std::string weights, run, mark;

  explicit share_names(int process) {
    std::string digits = std::to_string(process);
    if (digits.size() < 3) digits.insert(0, 3 - digits.size(), '0');
    weights = "weights-" + digits + ".safetensors";
    run = "run-" + digits + ".safetensors";
    mark = mark_prefix + digits + ".json";
  }
};

/// Process 0's wait for the marks of the others, on the thread that writes. The thread that trains may end it.
class others_marks {
 public:
  /// Another one cannot write: nothing more is waited for.
  void give_up() { state_ = gives_up; }
  /// They have written, or the fit has ended where nobody told: their marks are seen soon, or never.
  void expect() {
    int was = waits;
    state_.compare_exchange_strong(was, expects);
  }
  /// For the next save.
  void reset() { state_ = waits; }

  /// The parts that process `number` has written to the checkpoint of an update, as its mark says. Throws foal::error where
  /// that is another's, or does not come.
  std::vector<part> parts_of(int number, std::string const& folder, std::uint64_t update) const {
    std::string const path = folder + "/" + share_names(number).mark;
    auto nap = std::chrono::milliseconds(1);
    for (auto expected = std::chrono::steady_clock::duration::zero(); what_is(path) == under_name::nothing;
         expected += nap) {
      require(state_ != gives_up, "cannot finish ", folder, ", because process ", number,
              " or another one cannot write its parts; see what it says");
      if (state_ == waits) expected = {};
      require(expected < patience, "cannot finish ", folder, ", because process ", number,
              " has written no parts there; name a directory that all processes share");
      std::this_thread::sleep_for(nap);
      nap = std::min(2 * nap, std::chrono::milliseconds(20));
    }
    manifest m = read_manifest(path);
    require(m.update == update, "cannot finish ", folder, ", because ", path, " is of update ", m.update, " where ", update,
            " is expected; name a directory of this fit alone");
    return std::move(m.parts);
  }

 private:
  enum state : int { waits, expects, gives_up };
  /// A file system of several machines may show late what is there.
  static constexpr std::chrono::seconds patience{10};

  std::atomic<int> state_{waits};
};

/// Of a process that does not lead: its parts are written, and m names them.
inline void write_mark(std::string const& folder, int process, manifest const& m) {
  std::string const path = folder + "/" + share_names(process).mark;
  write_file(path, manifest_text(m, path));
}

/// Process 0's: makes one checkpoint of its own parts, which m names, and those of the others. others: marks that are
/// waited for.
inline void finish_shared(std::string const& folder, manifest m, int processes, others_marks const& others) {
  for (int p = 1; p < processes; ++p)
    for (part& of : others.parts_of(p, folder, m.update)) m.parts.push_back(std::move(of));
  finish_checkpoint(folder, m);
  for (int p = 1; p < processes; ++p) detail::remove_file(folder + "/" + share_names(p).mark);
}

}  // namespace foal::checkpoint
