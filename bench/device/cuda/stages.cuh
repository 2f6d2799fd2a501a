// Fine stages on one GPU: an asynchronous pipeline against one that is flushed.
#pragma once

#include <foal/core/atomic_file.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/relu.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/report/trace_json.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include <algorithm>
#include <vector>

#include "measure.cuh"

namespace bench::on_cuda {

template <int Stages, int Width>
struct fine_mlp
    : foal::stages<foal::input<Width>, foal::repeat<Stages - 1, foal::linear<Width>, foal::relu>, foal::linear<Width>> {
  static constexpr int width = Width;
};

/// A few samples again and again.
struct few_samples {
  static constexpr int count = 64;
  int features, microbatch_size;
  std::vector<float> x;

  few_samples(int features_of_one, int size) : features(features_of_one), microbatch_size(size) {
    x.resize(static_cast<std::size_t>(count * features));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = foal::random_unit({1, foal::purpose::user, 0, 0}, static_cast<std::uint32_t>(i));
  }
  void inputs(long long m, float* to, float*) const {
    std::copy_n(x.data() + m * microbatch_size % count * features, microbatch_size * features, to);
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < microbatch_size; ++i) t[i] = static_cast<std::int32_t>((m * microbatch_size + i) % features);
  }
};

struct stages_plan {
  int microbatches = 8, microbatch_size = 8, workers = 1;
  foal::recording record = foal::recording::never;  ///< of one worker
  int minibatches = 60;                             ///< that are timed
  std::string traces{};                             ///< a folder for the traces; empty: none
};

/// Net by Schedule, a rank a stage.
template <class Net, class Schedule>
class stages_run {
  using run = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::momentum, foal::on<foal::device::cuda>,
                            foal::executor::threads>;

 public:
  static constexpr int stages = run::stages;

  explicit stages_run(stages_plan const& p)
      : p_(p),
        data_(Net::width, p.microbatch_size),
        run_({.microbatch_size = p.microbatch_size,
              .microbatches = p.microbatches,
              .workers = p.workers,
              .lr = {.rate = 1e-5},
              .evaluation = false,
              .record = p.record}) {}

  /// Minibatches a second once the pipeline is full: a short run's time taken from a long one's, so that filling and
  /// draining count for neither.
  double rate() {
    double const few = seconds(fill()), many = seconds(fill() + p_.minibatches);
    return p_.minibatches / std::max(many - few, 1e-9);
  }
  /// The GPU's spans of two minibatches of a full pipeline, and the workers' calls of these.
  std::vector<foal::report::span> window() {
    int const minibatches = fill() + 4;
    auto const ops = static_cast<std::size_t>(minibatches * (2 * p_.microbatches + 2) * stages);
    foal::report::trace trace(p_.workers, ops);
    long long const before = begun_;
    seconds(minibatches, &trace);
    long long const first = before + static_cast<long long>(fill() + 1) * p_.microbatches;
    auto spans = trace.all_spans();
    std::erase_if(spans, [&](foal::report::span const& s) {
      return s.microbatch < first || s.microbatch >= first + 2LL * p_.microbatches;
    });
    dropped_ = trace.dropped();
    return spans;
  }
  long long dropped() const { return dropped_; }

 private:
  /// Minibatches until every stage is at work and, where periods are recorded, they are.
  int fill() const {
    int const full = (2 * stages + p_.microbatches - 1) / p_.microbatches + 1;
    return recorded() ? 4 * full + 2 : full;  // as many recordings as a ring has microbatches of periods, a power of 2
  }
  bool recorded() const { return p_.record != foal::recording::never; }
  double seconds(int minibatches, foal::report::trace* traces = nullptr) {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.traces = traces;
    auto const result = run_.run(data_, request);
    foal::require(!result.diverged, "cannot measure this run, because it diverged; lower the rate");
    begun_ += static_cast<long long>(minibatches) * p_.microbatches;
    return result.seconds;
  }

  stages_plan p_;
  few_samples data_;
  run run_;
  long long begun_ = 0, dropped_ = 0;
};

/// How many units the GPU works on at once, in the mean of the spans' time.
inline double units_at_work(std::vector<foal::report::span> spans) {
  std::erase_if(spans, [](foal::report::span const& s) { return s.device < 0; });
  return foal::report::busy_share(spans, 1);
}

/// PipeMare's schedule over GPipe's on Net: the ratio of their rates beside (N + R - 1) / N, which it would be where a stage
/// takes the same time in both and stages side by side do not slow each other. The traces say what they do.
template <class Net>
void compare_stages(outcome& out, stages_plan const& p, int rounds) {
  stages_run<Net, foal::schedule::gpipe> flushed(p);
  stages_run<Net, foal::schedule::pipemare> asynchronous(p);
  constexpr int stages = decltype(flushed)::stages;
  std::string const name = foal::sentence(stages, " stages, N ", p.microbatches, " of ", p.microbatch_size, ", workers ",
                                          p.workers, p.record != foal::recording::never ? ", recorded: " : ": ");
  auto const rates = take_turns(
      rounds, [&] { return flushed.rate(); }, [&] { return asynchronous.rate(); });
  double const bound = static_cast<double>(p.microbatches + stages - 1) / p.microbatches;
  out.add(name + "flushed", spread_of(rates[0]), "minibatches/s");
  out.add(name + "asynchronous", spread_of(rates[1]), "minibatches/s");
  out.add(name + "asynchronous / flushed", ratio_of(rates[1], rates[0]), "");
  out.add(name + "(N + R - 1) / N", {bound, bound, bound}, "");
  if (p.record != foal::recording::never) return;  // a trace takes a run apart, op by op
  auto const look = [&](char const* which, auto& run) {
    auto const spans = run.window();
    double const units = units_at_work(spans);
    out.add(name + "units at work at once, " + which, {units, units, units}, "");
    if (p.traces.empty()) return;
    std::string const path =
        foal::sentence(p.traces, "/stages", stages, "_n", p.microbatches, "_w", p.workers, "_", which, ".trace.json");
    foal::write_file(path, foal::report::trace_json(spans, run.dropped()));
  };
  look("flushed", flushed);
  look("asynchronous", asynchronous);
}

}  // namespace bench::on_cuda
