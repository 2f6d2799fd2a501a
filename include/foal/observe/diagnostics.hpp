// Measures what delay does to a run, stage by stage, at every n-th update. Looks only: the run's bits stay the same.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <foal/executor/probe.hpp>
#include <foal/observe/fresh_gradient.hpp>
#include <foal/table/diagnostic.hpp>

namespace foal::executor {

/// Keeps each stage's last weight versions, as many as a microbatch in flight spans, to compare B's weights with those that
/// F read. Needs host memory and a scalar of 4 or 8 bytes (float or double).
class diagnostics : public probe {
 public:
  /// units: those of replica 0 come first; it keeps versions of those that are here.
  diagnostics(table::run_tables const& tables, table::run_values const& values, std::vector<bound_stage> const& units)
      : t_(tables), every_(values.diagnostics.every), memory_(tables), states_(tables.stages.size()) {
    require(every_ > 0, "cannot take diagnostics every ", every_,
            " updates, because that is no distance; give .diagnostics.every of 1 or more, or 0 for none");
    require(
        tables.device.host_memory,
        "cannot take diagnostics of this run, because they are computed on the host, which cannot read the device's memory; "
        "train on foal::device::host, or leave .diagnostics out");
    require(!values.diagnostics.fresh || values.workers == 1, "cannot compute fresh gradients on ", values.workers,
            " workers, because that takes the weights of all stages at one version; use .workers = 1, which trains the same "
            "bits, or leave .diagnostics.fresh out");
    for (std::size_t i = 0; i < t_.stages.size(); ++i) {
      if (units[i].worker < 0) continue;
      table::stage_table const& s = t_.stages[i];
      state& own = states_[i];
      int const number = static_cast<int>(i);
      int gap = 0;
      for (auto const& phase : t_.phases)
        gap = std::max(gap, phase.facts.stage[static_cast<std::size_t>(number)].version_gap);
      own.versions.count = static_cast<std::uint32_t>(gap) + 2;  // the oldest one read, the live one, the one before it
      own.versions.stride = bytes_of(t_.types.weights, s.weight_elements);
      own.entry =
          memory_.add("weight versions for diagnostics", number, t_.types.weights, s.weight_elements * own.versions.count);
      if (values.diagnostics.fresh)
        own.delayed = memory_.add("gradients for diagnostics", number, t_.types.gradients, s.trained_elements);
    }
    memory_.allocate();
    for (state& s : states_)
      if (s.versions.stride > 0) s.versions.base = memory_.at(s.entry);
    if (values.diagnostics.fresh) fresh_ = std::make_unique<fresh_gradient>(tables, values);
  }

  /// Bytes of everything that diagnostics keep.
  std::size_t bytes() const { return memory_.plan().bytes() + (fresh_ ? fresh_->plan().bytes() : 0); }
  bool computes_fresh() const { return fresh_ != nullptr; }
  long long every() const { return every_; }

  /// Before the first op of a phase; at most `minibatches` more are to come.
  void begin_phase(std::vector<bound_stage> const& stages, table::source_functions const& source, long long minibatches) {
    source_ = source;
    captured_ = updating_ = 0;
    for (bound_stage const& b : stages) {
      if (b.replica != 0 || b.worker < 0) continue;  // probes are shown that one alone, and what is here
      state& s = of(b);
      keep(b);
      s.updates = !b.forward_only && !b.input_gradient_only;
      updating_ += s.updates ? 1 : 0;
      if (fresh_ && !s.updates) fresh_->set(b);
      constexpr long long most_reserved = 4096;  // a list up to this length does not grow while the run is at work
      std::size_t const room = s.rows.size() + static_cast<std::size_t>(std::min(minibatches / every_, most_reserved)) + 1;
      s.rows.reserve(room);
      s.fresh.reserve(room);
    }
  }

  /// After a pause, in the midst of a phase.
  void resume_phase(table::source_functions const& source) { source_ = source; }

  void before_backward(bound_stage const& b, std::uint32_t m, weight_set read) override {
    if (!sampled(b)) return;
    state& s = of(b);
    std::uint32_t const forward = b.forward_version(m);
    auto const* const old = static_cast<std::byte const*>(s.versions.at(forward));
    sums all, predicted;
    for (table::parameter_row const& p : b.table->parameters) {
      std::size_t const offset = bytes_of(p.type, p.offset);
      all.add(p.type, p.size, old + offset, b.w + offset, b.w + offset, nullptr);
      if (p.backward_offset < 0) continue;
      auto const* const u = static_cast<std::byte const*>(b.in_set(read, p));
      predicted.add(p.type, p.size, u, b.w + offset, old + offset, b.w + offset);
    }
    s.now.discrepancy += all.bb > 0 ? std::sqrt(all.aa / all.bb) : 0;
    s.now.lag += static_cast<double>(b.version - forward);
    if (double const c = predicted.cosine(); !std::isnan(c)) {
      s.now.prediction += c;
      ++s.predicted;
    }
    ++s.microbatches;
  }

  void before_update(bound_stage const& b) override {
    if (!fresh_ || !sampled(b)) return;
    state& s = of(b);
    std::copy_n(b.g, bytes_of(t_.types.gradients, b.table->trained_elements), memory_.at(s.delayed));
    fresh_->set(b);
    if (++captured_ < updating_) return;
    captured_ = 0;
    fresh_->compute(source_, b.updates);
    for (std::size_t i = 0; i < states_.size(); ++i) {
      if (!states_[i].updates) continue;
      sums both;
      both.add(t_.types.gradients, t_.stages[i].trained_elements, memory_.at(states_[i].delayed), nullptr,
               fresh_->of(static_cast<int>(i)), nullptr);
      states_[i].fresh.push_back(both.cosine());
    }
  }

  void after_update(bound_stage const& b, double rate) override {
    state& s = of(b);
    if (b.updates % every_ == 0) {
      auto const* const before = static_cast<std::byte const*>(s.versions.at(b.version - 1));
      sums step;
      step.add(t_.types.weights, b.table->trained_elements, b.w, before, before, nullptr);
      table::diagnostic row = s.now;
      double const n = std::max(1, s.microbatches);
      row.update = b.updates;
      row.stage = b.number;
      row.rate = rate;
      row.discrepancy /= n;
      row.lag /= n;
      row.prediction = s.predicted > 0 ? row.prediction / s.predicted : std::numeric_limits<double>::quiet_NaN();
      row.update_norm = step.bb > 0 ? std::sqrt(step.aa / step.bb) : 0;
      s.rows.push_back(row);
      s.now = {.prediction = 0};
      s.predicted = s.microbatches = 0;
    }
    keep(b);
  }

  /// What has been measured since the last call, by update and then by stage.
  std::vector<table::diagnostic> take() {
    std::vector<table::diagnostic> all;
    for (state& s : states_) {
      for (std::size_t i = 0; i < s.rows.size(); ++i) {
        if (i < s.fresh.size()) s.rows[i].fresh = s.fresh[i];
        all.push_back(s.rows[i]);
      }
      s.rows.clear();
      s.fresh.clear();
    }
    std::stable_sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.update < b.update; });
    return all;
  }

 private:
  struct state {
    ring versions;  ///< version v of the phase in slot v mod count
    std::size_t entry = 0, delayed = 0;
    table::diagnostic now{.prediction = 0};  ///< sums over the minibatch's microbatches
    int predicted = 0, microbatches = 0;
    bool updates = false;  ///< the stage has a U
    std::vector<table::diagnostic> rows;
    std::vector<double> fresh;
  };

  /// |a - zero|^2, |b - zero|^2 and their product, in double and in the order of the elements.
  struct sums {
    double aa = 0, bb = 0, ab = 0;

    /// Null: zeros.
    void add(element type, long long n, std::byte const* a, std::byte const* a_zero, std::byte const* b,
             std::byte const* b_zero) {
      if (type == element::float32)
        typed<float>(n, a, a_zero, b, b_zero);
      else
        typed<double>(n, a, a_zero, b, b_zero);
    }
    /// Not a number where one of the two is zero.
    double cosine() const { return aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : std::numeric_limits<double>::quiet_NaN(); }

   private:
    template <class S>
    void typed(long long n, std::byte const* a, std::byte const* a_zero, std::byte const* b, std::byte const* b_zero) {
      auto const at = [](std::byte const* from, long long i) {
        return from == nullptr ? 0.0 : static_cast<double>(reinterpret_cast<S const*>(from)[i]);
      };
      for (long long i = 0; i < n; ++i) {
        double const x = at(a, i) - at(a_zero, i), y = at(b, i) - at(b_zero, i);
        aa += x * x;
        bb += y * y;
        ab += x * y;
      }
    }
  };

  bool sampled(bound_stage const& b) const { return (b.updates + 1) % every_ == 0; }
  state& of(bound_stage const& b) { return states_[static_cast<std::size_t>(b.number)]; }
  void keep(bound_stage const& b) {
    ring const& to = of(b).versions;
    std::copy_n(b.w, to.stride, static_cast<std::byte*>(to.at(b.version)));
  }

  table::run_tables const& t_;
  long long every_;
  probe_memory memory_;
  flat_table<state> states_;
  std::unique_ptr<fresh_gradient> fresh_;
  table::source_functions source_{};
  std::size_t captured_ = 0, updating_ = 0;  ///< stages with a U: seen in this minibatch, and all of them
};

}  // namespace foal::executor
