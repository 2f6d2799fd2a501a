// What one call of engine::run() is asked for, and what it gives back.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/executor/cut.hpp>
#include <foal/executor/drive.hpp>
#include <foal/executor/recorded_periods.hpp>
#include <foal/observe/evaluation.hpp>

namespace foal::executor {

/// What a callback of an evaluation answers.
enum class training { goes_on, ends };

/// A function of an evaluation_result that gives `training`, or nothing: the training goes on. While it is called, on the
/// thread that called fit() or run(), reading the trainer's weights and statistics (write_safetensors(), predictor::take())
/// gives those that were evaluated. After one that `ends` the run ends: the minibatches that the pipeline has begun by then,
/// which the schedule says and the clock does not, are trained to their end, and all stages have had the same updates. Where
/// it can answer, no other minibatch is begun before it has. What it throws ends the run too, an evaluation later, and comes
/// out when all stages have had the same updates. Of several processes each calls its own, with the same result, and reads
/// what it hosts, process 0 when all others have come back; its answer is the one that counts. One with a member
/// resume(std::vector<evaluation_result> const&) is told by a fit that goes on from a checkpoint what there was before. One
/// with members known() and know(std::string const&) begins each run of several processes with what process 0's has known().
class evaluated_callback {
 public:
  evaluated_callback() = default;
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, evaluated_callback> && std::invocable<F&, evaluation_result const&>)
  evaluated_callback(F f)  // NOLINT: a lambda stands where a callback is wanted
      : can_end_(std::same_as<std::invoke_result_t<F&, evaluation_result const&>, training>) {
    using result = std::invoke_result_t<F&, evaluation_result const&>;
    static_assert(std::same_as<result, training> || std::is_void_v<result>,
                  "foal: cannot take this callback of evaluations, because it returns neither nothing nor foal::training; "
                  "return foal::training::goes_on or foal::training::ends");
    auto const own = std::make_shared<F>(std::move(f));
    if constexpr (requires { own->resume(std::vector<evaluation_result>{}); })
      resume_ = [own](std::vector<evaluation_result> const& before) { own->resume(before); };
    if constexpr (requires { own->know(own->known()); }) {
      known_ = [own] { return own->known(); };
      know_ = [own](std::string const& of_first) { own->know(of_first); };
    }
    call_ = [own](evaluation_result const& r) {
      if constexpr (std::same_as<result, training>)
        return (*own)(r);
      else {
        (*own)(r);
        return training::goes_on;
      }
    };
  }

  explicit operator bool() const { return static_cast<bool>(call_); }
  bool can_end() const { return can_end_; }
  training operator()(evaluation_result const& r) const { return call_ ? call_(r) : training::goes_on; }
  /// Of a fit that goes on from a checkpoint: its evaluations before, which are not called for again.
  void resume(std::vector<evaluation_result> const& before) const {
    if (resume_) resume_(before);
  }

  /// Of several processes, in all of them before a run. from_first(text) gives process 0's text to each.
  template <class FromFirst>
  void begin_alike(FromFirst const& from_first) const {
    std::string const of_first = from_first(known_ ? known_() : std::string());
    if (know_) know_(of_first);
  }

  /// This callback, with first(r) before it.
  template <class First>
  evaluated_callback after(First first) const {
    evaluated_callback both;
    both.can_end_ = can_end_;
    both.known_ = known_;
    both.know_ = know_;
    auto const own = std::make_shared<First>(std::move(first));
    both.resume_ = [own, then = *this](std::vector<evaluation_result> const& before) {
      if constexpr (requires { own->resume(before); }) own->resume(before);
      then.resume(before);
    };
    both.call_ = [own, then = *this](evaluation_result const& r) {
      (*own)(r);
      return then(r);
    };
    return both;
  }

 private:
  std::function<training(evaluation_result const&)> call_;
  std::function<void(std::vector<evaluation_result> const&)> resume_;
  std::function<std::string()> known_;
  std::function<void(std::string const&)> know_;
  bool can_end_ = false;
};

/// Copies of a run that goes on: its workers stand at one place, a start of a period, for as long as a copy takes. All on
/// the calling thread.
struct run_cuts {
  long long every = 0;             ///< where the updates that every stage has had are a multiple of it; 0: nowhere
  std::function<bool()> wanted{};  ///< whether one is wanted as soon as can be; asked every few milliseconds
  /// Where the copy of the run after so many updates goes; null: there is none.
  std::function<run_cut*(long long update)> room{};
  /// It is there. What this call has found until then: sums of losses that are complete (the cut has the others), and
  /// evaluations; microbatches that were trained. If it answers that the training ends, the run pauses there.
  std::function<training(std::vector<loss::loss_result> const& sums, std::vector<evaluation_result> const& evaluations,
                         long long microbatches)>
      taken{};

  explicit operator bool() const { return static_cast<bool>(room); }
};

/// What one call of run() is asked for, besides training.
///
/// What is not the training does not lose it. What `tick`, `summed`, `waits`, `evaluated`, the evaluation itself, `watch`,
/// `disturb` or the trainer's hook throws is kept while the minibatches that have been begun are trained to their end. Then
/// it comes out, and the trainer can train on. Where that end is depends on the program alone, except for `tick`, `summed`,
/// `waits` and `pauses`, which are called by the clock, and where several processes train, which agree on a place as they
/// work. What the source of the training throws stops the run where it is. Of several processes all throw the same: a
/// foal::error with the sentence of the first in the program's order.
struct run_request {
  long long minibatches = 0;
  table::source_functions source{};
  table::evaluation_source evaluation{};
  long long evaluate_every = 0;                             ///< updates; 0: no evaluations
  evaluated_callback evaluated{};                           ///< on the calling thread
  std::function<void(long long microbatches_done)> tick{};  ///< on the calling thread, every few milliseconds
  /// Sum i of losses is complete; comes before the evaluation of the same update. On the calling thread.
  std::function<void(long long i, loss::loss_result const& sum)> summed{};
  /// What nothing comes of, and for how many seconds: when an evaluation begins, and while a run has stood still for
  /// `patience` seconds. On the calling thread.
  std::function<void(std::string const& what, double seconds)> waits{};
  double patience = 3;
  /// Where no worker has run an op for so long the run ends: what each of them waits for, or is in, is written on stderr,
  /// and run() throws foal::error; a worker that does not come back from its op ends the process, with status 1. To be
  /// chosen longer than any op, the loading of its data with it. Evaluations and callbacks may take as long as they like. Of
  /// several processes, which end together within half a minute, longer than a microbatch's way through all others, and than
  /// any callback but `evaluated`; it is the same in all. 0, as it is not known how long a program's ops take: nobody looks.
  double stall_seconds = 0;
  observer watch{};
  disturbance disturb{};
  /// A buffer per worker; on an asynchronous device that tells times, its lanes too (report::trace::device_spans).
  report::trace* traces = nullptr;
  op_ranges ranges{};        ///< around every op: for a profiler (foal/nvtx.hpp)
  long long loss_every = 0;  ///< minibatches of one sum of losses; 0: one sum for all
  bool every_loss = false;   ///< keep the loss of each microbatch too: 24 bytes each
  /// Where the run pauses, all workers before the same op: resume() goes on, to the bits of a run without a pause.
  std::optional<run_place> pause{};
  /// Asked now and then, on the calling thread: true pauses the run as early as can be. Where that is the clock says; all
  /// workers, of several processes all, stand before the same op. A run that is at its end before does not pause.
  std::function<bool()> pauses{};
  run_cuts cuts{};
  /// Minibatches that this call had trained before, in another process: sums of losses and evaluations come where they would
  /// have come.
  long long trained_before = 0;
};

struct run_result {
  std::vector<loss::loss_result> sums;    ///< of losses, as the forwards saw them, by request.loss_every minibatches
  std::vector<loss::loss_result> losses;  ///< of each microbatch, where request.every_loss asks for them
  /// In one of several processes: of the replicas whose last stage is here. What is above is theirs, until it is shared.
  std::vector<replica_losses> of_replicas;
  long long microbatches = 0;  ///< whose loss was computed
  std::vector<evaluation_result> evaluations;
  std::optional<divergence> diverged;
  bool ended = false;                          ///< by a callback, before all minibatches were trained
  bool paused = false;                         ///< resume() trains the rest; its sums go on with that one's last
  std::vector<table::diagnostic> diagnostics;  ///< by update, then by stage
  double seconds = 0;                          ///< of training, evaluations on the same thread included
  /// Of a trainer with .record: how its periods were done, and, where none was recorded, why.
  period_counts periods{};
  std::string not_recorded{};
};

}  // namespace foal::executor

namespace foal {

using executor::training;

}  // namespace foal
