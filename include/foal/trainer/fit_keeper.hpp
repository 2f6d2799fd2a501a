// Who keeps checkpoints of a fit: all that a fit knows of it (foal/checkpoint.hpp has what is in them).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <foal/model/description.hpp>
#include <foal/observe/fit_history.hpp>
#include <foal/trainer/cut.hpp>
#include <foal/trainer/data_items.hpp>
#include <foal/trainer/engine.hpp>
#include <foal/trainer/fit_teller.hpp>

namespace foal {

/// Counts of a fit before it begins.
struct fit_counts {
  long long warmup = 0, per_epoch = 0, begin = 0, epochs = 0;  ///< the last two: updates and epochs before it
};

/// What a fit shows of its trainer before it begins.
struct fit_place : fit_counts {
  executor::engine* engine = nullptr;
  table::run_tables const* tables = nullptr;
  model_row const* rows = nullptr;  ///< of the model's description
  int row_count = 0;
  report::fingerprint run{};                                 ///< what the bits of the fit depend on
  long long minibatches = 0;                                 ///< of the fit
  std::function<policy_state()> policies{};                  ///< what they know
  std::function<void(policy_state const&, bool)> restore{};  ///< true: they know that; false: throws where they could not
  executor::process_place here{};                            ///< all processes make a keeper and call its functions alike
  std::function<std::vector<std::string>(std::string const&)> exchange{};  ///< the texts of all; empty: this one is alone
  std::function<std::string(int, int, std::string const&)> swap{};         ///< to a process, from one
};

/// How it begins.
struct fit_start {
  enum class how { anew, resumes, after, done } as = how::anew;  ///< resumes: the engine's run; after: `before` minibatches
  long long before = 0;
  fit_history told{};
};

/// Of one fit, on its calling thread.
class fit_keeper {
 public:
  fit_keeper() = default;
  fit_keeper(fit_keeper const&) = delete;
  fit_keeper& operator=(fit_keeper const&) = delete;
  virtual ~fit_keeper() = default;
  virtual fit_start begin(fit_place const& place) = 0;
  virtual executor::run_cuts cuts() = 0;
  /// Of the run that came to its end, or was paused by an answer to a copy.
  virtual void finish(executor::run_result const& result, fit_history const& told) = 0;
  /// Sentences that have not been taken yet.
  virtual std::vector<std::string> take_notes() = 0;
  virtual int interrupted() const = 0;
};

/// Makes the keeper of a fit; empty: there is none. Anything with make() is one.
class any_keeper {
 public:
  any_keeper() = default;
  template <class Options>
    requires requires(Options const& o) { std::unique_ptr<fit_keeper>(o.make()); }
  any_keeper(Options options)  // NOLINT: options stand where a keeper is wanted
      : make_([options = std::move(options)] { return std::unique_ptr<fit_keeper>(options.make()); }) {}
  std::unique_ptr<fit_keeper> make() const { return make_ ? make_() : nullptr; }
  explicit operator bool() const { return static_cast<bool>(make_); }

 private:
  std::function<std::unique_ptr<fit_keeper>()> make_;
};

namespace detail {

/// request: of the whole fit, with its source. values: of the policies. Types: trainer_types.
template <class Types, class Config>
fit_place place_of(executor::engine& engine, table::run_tables const& tables, table::run_values const& run, Config& values,
                   report::fingerprint trainer, executor::run_request const& request, data_sizes const& data,
                   fit_counts const& counts) {
  fit_place p;
  static_cast<fit_counts&>(p) = counts;
  p.engine = &engine;
  p.tables = &tables;
  p.rows = Types::model_type::description.row;
  p.row_count = Types::model_type::description.size;
  p.run = std::move(trainer);
  add_data_items(p.run, tables, run, request.source, data);
  p.run.items.emplace_back("updates between evaluations", report::shortest(request.evaluate_every));
  p.minibatches = request.minibatches;
  p.policies = [&values] { return state_of_policies(values); };
  p.restore = [&values](policy_state const& from, bool changes) { restore_policies(values, from, changes); };
  using executor_type = typename Types::template policy<role::executor>;
  if constexpr (requires { executor_type::exchange(std::string()); }) {
    p.here = executor_type::place();
    if (p.here.count > 1) p.exchange = executor_type::exchange;
    if constexpr (requires { executor_type::swap(0, 0, std::string()); }) p.swap = executor_type::swap;
  }
  return p;
}

/// A fit's part with its keeper, where it has one.
class kept_fit {
 public:
  /// place(): asked where there is one.
  template <class Place>
  kept_fit(any_keeper const& by, executor::run_request& request, Place const& place) : keeper_(by.make()) {
    if (!keeper_) return;
    start = keeper_->begin(place());
    request.cuts = keeper_->cuts();
    request.evaluated.resume(start.told.evaluations);
    if (start.as != fit_start::how::after) return;
    request.trained_before = start.before;
    request.minibatches -= start.before;
  }

  bool is(fit_start::how as) const { return start.as == as; }
  void note(fit_teller& to) const {
    if (!keeper_) return;
    for (std::string& text : keeper_->take_notes()) to.note(std::move(text));
  }
  void finish(executor::run_result const& result, fit_report& report, fit_teller& to) const {
    if (!keeper_) return;
    keeper_->finish(result, {result.sums, result.evaluations, result.seconds, result.ended});
    report.interrupted = keeper_->interrupted();
    note(to);
  }

  fit_start start;

 private:
  std::unique_ptr<fit_keeper> keeper_;
};

}  // namespace detail

}  // namespace foal
