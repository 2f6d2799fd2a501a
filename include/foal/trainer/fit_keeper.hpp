// Who keeps checkpoints of a fit: all that a fit knows of it (foal/checkpoint.hpp has what is in them).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <foal/observe/fit_history.hpp>
#include <foal/trainer/cut.hpp>
#include <foal/trainer/engine.hpp>

namespace foal {

/// What a fit shows of its trainer before it begins.
struct fit_place {
  executor::engine* engine = nullptr;
  table::run_tables const* tables = nullptr;
  model_row const* rows = nullptr;  ///< of the model's description
  int row_count = 0;
  report::fingerprint run{};                                 ///< what the bits of the fit depend on
  long long warmup = 0, per_epoch = 0, minibatches = 0;      ///< the last: of the fit
  long long begin = 0, epochs = 0;                           ///< updates and epochs before it
  std::function<policy_state()> policies{};                  ///< what they know
  std::function<void(policy_state const&, bool)> restore{};  ///< true: they know that; false: throws where they could not
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

}  // namespace foal
