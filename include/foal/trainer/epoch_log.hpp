// The lines of a fit's metrics: one an epoch, with what is known of it, behind those of the trainer's earlier fits.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <deque>
#include <exception>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <foal/core/full_path.hpp>
#include <foal/layer/loss/result.hpp>
#include <foal/observe/evaluation.hpp>
#include <foal/report/json_lines.hpp>
#include <foal/table/diagnostic.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::detail {

/// What is known of an epoch.
struct epoch_line {
  long long epoch = 0, update = 0;                               ///< of the trainer, from 1; the updates that end it
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

/// What the lines of a fit say besides losses.
struct fit_facts {
  table::run_tables const* tables = nullptr;
  long long warmup = 0;                       ///< updates of the first phase of two
  long long epochs = 0, updates = 0;          ///< of the trainer before the fit
  long long per_epoch = 1, most = 0;          ///< updates of an epoch, epochs of the fit
  long long evaluate_every = 0, samples = 0;  ///< updates, 0: no evaluations; samples of an epoch
  double seconds = 0;                         ///< of the trainer's earlier fits
  long long trained = 0;                      ///< samples of this fit, before a checkpoint that it goes on from
};

/// The metrics that one fit writes. A path is begun anew by a trainer's first fit that names it, unless it is to append;
/// later fits go on. What cannot be written is no fault of the training: it is tried again with the next line.
class epoch_log {
 public:
  /// begun: the paths of the trainer's fits. Nothing for an empty path. Throws foal::error where the file cannot be written.
  epoch_log(std::vector<std::string>& begun, std::string const& path, bool append, fit_facts const& facts)
      : facts_(facts), begin_(clock::now()), last_(begin_) {
    if (path.empty()) return;
    std::string const name = full_path(path);
    bool const known = std::find(begun.begin(), begun.end(), name) != begun.end();
    lines_.emplace(path, append || known);
    if (!known) begun.push_back(name);
    asynchronous_ = facts_.tables->phases.back().delayed;
  }
  epoch_log(epoch_log const&) = delete;
  epoch_log& operator=(epoch_log const&) = delete;
  /// What a callback throws costs no line.
  ~epoch_log() { finish({}); }

  /// Epoch i of the fit, from 0, has ended.
  void ended(long long i, loss::loss_result const& sum) {
    if (!lines_) return;
    auto const now = clock::now();
    double const lasted = std::chrono::duration<double>(now - std::exchange(last_, now)).count();
    epoch_line line{.epoch = facts_.epochs + i + 1, .update = facts_.updates + (i + 1) * facts_.per_epoch};
    if (sum.weight > 0) line.train_loss = sum.sum / sum.weight;
    line.learning_rate = rate_of(line.update);
    line.seconds = facts_.seconds + std::chrono::duration<double>(now - begin_).count();
    line.samples_per_second = lasted > 0 ? static_cast<double>(facts_.samples) / lasted : 0;
    bool const tested =
        facts_.evaluate_every > 0 && (i + 1 == facts_.most || (line.update - facts_.updates) % facts_.evaluate_every == 0);
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
  void finish(std::vector<table::diagnostic> const& diagnostics) {
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

  /// Of the last stage's update with this number, from 1.
  double rate_of(long long update) const {
    table::run_tables const& t = *facts_.tables;
    long long const warmup = t.phases.size() > 1 ? facts_.warmup : 0;
    bool const last = update > warmup;
    table::phase_table const& phase = last ? t.phases.back() : t.phases.front();
    int const stages = static_cast<int>(t.stages.size());
    return t.rate(t.rate_value, {update - 1, last && asynchronous_, update - 1 - warmup, phase.facts.stage.back().tau_fwd,
                                 stages - 1, stages});
  }

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

  using clock = std::chrono::steady_clock;

  fit_facts facts_;
  bool asynchronous_ = false;
  clock::time_point begin_, last_;
  std::optional<report::json_lines> lines_;
  std::deque<waiting> waiting_;
  std::string fault_;
  bool told_ = false;
};

}  // namespace foal::detail
