// Saves a run beside its training, by all of its processes: each writes what it hosts.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/background_writer.hpp>
#include <foal/checkpoint/process_group.hpp>
#include <foal/checkpoint/run_file.hpp>
#include <foal/checkpoint/shared_save.hpp>
#include <foal/report/fingerprint.hpp>

namespace foal::checkpoint {

/// Where and how much of it.
struct saving_place {
  std::string directory, model;
  int keep = 1;  ///< the newest so many whole ones
};

/// One process's part. All processes call begin() and settle() alike, on the thread that trains; what cannot be written is a
/// note in each.
class save_together {
 public:
  save_together() = default;
  save_together(save_together const&) = delete;
  save_together& operator=(save_together const&) = delete;
  /// Whom an exception has ended tells the others nothing.
  ~save_together() {
    marks_.expect();
    writer_.wait();
  }

  void place(saving_place where, process_group group) {
    where_ = std::move(where);
    group_ = std::move(group);
  }

  /// A checkpoint is being written here.
  bool busy() const { return writer_.busy(); }
  /// What is saved next: to be filled after settle().
  saved_run run;

  /// Begins to write it, of a run with this identity. named stays as it is until the next settle().
  void begin(manifest m, std::vector<named_array> const& named) {
    if (!group_.alone() && !opened(m.update)) return;
    writer_.begin([this, m = std::move(m), &named] { write(m, named); });
  }

  /// Waits until all have written, and tells all which signal has come to any of them; 0: none. The first process waits for
  /// the others' parts, unless one of them cannot write.
  int settle(int signal) {
    std::string fault;
    if (!group_.leads() || group_.alone()) fault = settled();
    if (group_.alone()) {
      note(fault);
      return signal;
    }
    report::fingerprint mine;
    mine.items = {{"signal", std::to_string(signal)}, {"fault", fault}};
    bool failed = false;
    std::size_t p = 0;
    for (std::string const& text : group_.texts(report::packed(mine))) {
      auto const of = report::unpacked(text);
      if (signal == 0) signal = std::stoi(of.items[0].second);
      std::string const& its = of.items[1].second;
      failed = failed || !its.empty();
      if (!its.empty()) note(sentence("process ", p, " ", its));
      ++p;
    }
    if (!group_.leads()) return signal;
    if (failed)
      marks_.give_up();
    else
      marks_.expect();
    fault = settled();
    if (!failed) note(fault);
    return signal;
  }

  /// What went wrong, each time that is something else than before.
  std::vector<std::string> take_notes() { return std::exchange(notes_, {}); }

 private:
  /// The first process makes the folder before any writes there.
  bool opened(std::uint64_t update) {
    std::string fault;
    if (group_.leads()) try {
        static_cast<void>(begin_checkpoint(where_.directory, update));
      } catch (error const& e) {
        fault = e.what();
      }
    fault = group_.from_leader(fault);
    note(fault);
    marks_.reset();
    return fault.empty();
  }
  void write(manifest m, std::vector<named_array> const& named) {
    encode(parts_, run, named, where_.model);
    std::string const folder =
        group_.alone() ? begin_checkpoint(where_.directory, m.update) : where_.directory + "/" + step_folder(m.update);
    share_names const name(group_.here.number);
    m.parts = {{name.weights, parts_.weights.write(folder + "/" + name.weights)},
               {name.run, parts_.run.write(folder + "/" + name.run)}};
    if (!group_.leads()) return write_mark(folder, group_.here.number, m);
    finish_shared(folder, std::move(m), group_.here.count, marks_);
    keep_newest(where_.directory, where_.keep, {}, reading::headers);
  }
  std::string settled() {
    writer_.wait();
    return writer_.take_fault();
  }
  void note(std::string const& fault) {
    if (fault.empty() || fault == fault_) return;
    fault_ = fault;
    notes_.push_back(sentence(fault, " (the training goes on, and the next checkpoint is tried)"));
  }

  saving_place where_;
  process_group group_;
  run_parts parts_;
  others_marks marks_;
  std::string fault_;
  std::vector<std::string> notes_;
  background_writer writer_;  // the last one: it ends first
};

}  // namespace foal::checkpoint
