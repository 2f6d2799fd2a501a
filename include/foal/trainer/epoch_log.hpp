// The lines of a fit's metrics: one an epoch, with what is known of it, behind those of the trainer's earlier fits.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <exception>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <foal/executor/diagnostic.hpp>
#include <foal/executor/evaluation.hpp>
#include <foal/lower/run_tables.hpp>
#include <foal/report/json_lines.hpp>

namespace foal::detail {

/// What is known of an epoch.
struct epoch_line {
  long long epoch = 0, update = 0;  ///< of the trainer, from 1; the updates that end it
  double train_loss = std::numeric_limits<double>::quiet_NaN();  ///< mean, as the forwards saw it
  std::optional<executor::evaluation_result> test{};
  double learning_rate = 0;                    ///< of the last stage's last update
  double seconds = 0, samples_per_second = 0;  ///< of all fits of the trainer; of this epoch

  void write(report::json_writer& json) const {
    json.begin_object().member("epoch", epoch).member("update", update).member("train_loss", train_loss);
    if (test) json.member("test_loss", test->loss);
    if (test && !std::isnan(test->accuracy)) json.member("test_accuracy", test->accuracy);
    json.member("learning_rate", learning_rate).member("seconds", seconds);
    json.member("samples_per_second", samples_per_second).end_object();
  }
};

/// The rate of the last stage's update number `update`, from 1; `warmup` updates belong to the first phase of two.
inline double rate_of(lower::run_tables const& t, long long update, long long warmup) {
  bool const two = t.phases.size() > 1;
  lower::phase_table const& phase = two && update <= warmup ? t.phases.front() : t.phases.back();
  schedule::program program = phase.program;
  bool const asynchronous = &phase == &t.phases.back() && program.view().asynchronous;
  return t.rate(t.rate_value, {update - 1, asynchronous, update - 1 - (two ? warmup : 0), phase.facts.stage.back().tau_fwd});
}

/// The metrics that a trainer's fits write. A path is begun anew by the first fit that names it, unless it is to append;
/// the trainer's later fits go on. What cannot be written is no fault of the training: it is tried again with the next line.
class epoch_log {
 public:
  /// Before a fit; nothing for an empty path. Throws foal::error where the file cannot be written.
  void begin(std::string const& path, bool append) {
    lines_.reset();
    waiting_.clear();
    fault_.clear();
    if (path.empty()) return;
    std::error_code code;
    std::string const name = std::filesystem::absolute(path, code).lexically_normal().string();
    bool const known = std::find(begun_.begin(), begun_.end(), name) != begun_.end();
    lines_.emplace(path, append || known);
    if (!known) begun_.push_back(name);
  }

  /// An epoch has ended, one after the other. `tested`: its evaluation is still to come, and the line waits for it.
  void ended(epoch_line const& line, bool tested) {
    if (!lines_) return;
    constexpr std::size_t most = 4096;  // more are not kept where none can be written
    if (waiting_.size() == most) waiting_.pop_front();
    waiting_.push_back({line, tested});
    write_known();
  }

  /// Of an epoch whose end has been told.
  void evaluated(executor::evaluation_result const& r) {
    for (waiting& w : waiting_)
      if (w.line.update == r.update) {
        w.line.test = r;
        w.tested = false;
      }
    write_known();
  }

  /// After the run: no evaluation is waited for any longer. Then the diagnostics, a line each.
  void finish(std::vector<executor::diagnostic> const& diagnostics) {
    for (waiting& w : waiting_) w.tested = false;
    write_known();
    for (auto const& d : diagnostics)
      if (!write([&d](report::json_writer& json) { d.write(json); })) break;
    lines_.reset();
  }

  /// Why a line could not be written when it was first tried; empty: nothing of the kind. Gives each reason once.
  std::string take_fault() { return std::exchange(fault_, {}); }

 private:
  struct waiting {
    epoch_line line;
    bool tested;
  };

  void write_known() {
    for (; !waiting_.empty() && !waiting_.front().tested; waiting_.pop_front())
      if (!write([&](report::json_writer& json) { waiting_.front().line.write(json); })) return;
    told_ = false;
  }

  template <class Fill>
  bool write(Fill const& fill) {
    if (!lines_) return false;
    try {
      lines_->write(fill);
      return true;
    } catch (std::exception const& failed) {
      if (!std::exchange(told_, true))
        fault_ = sentence(failed.what(), " (the training goes on, and each epoch tries again)");
      return false;
    }
  }

  std::vector<std::string> begun_;
  std::optional<report::json_lines> lines_;
  std::deque<waiting> waiting_;
  std::string fault_;
  bool told_ = false;
};

}  // namespace foal::detail
