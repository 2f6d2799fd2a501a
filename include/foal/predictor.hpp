// Inference of a trained model: its forwards alone, pipelined over workers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <foal/layer/loss/collect.hpp>
#include <foal/schedule/forward_only.hpp>
#include <foal/trainer.hpp>

namespace foal {

/// Runs Net forward, as evaluations do: no dropout, running statistics. Its weights are those of initialisation until take()
/// copies others. Policies: foal::on<device>, foal::scalar<type>, executor.
template <model Net, class... Policies>
class predictor {
 public:
  using runner = trainer<Net, loss::collect, schedule::forward_only, Policies...>;
  using scalar_type = typename runner::scalar_type;

  struct config {
    int microbatch_size = 8;
    int microbatches = 1;  ///< of a round: predict() takes whole rounds
    int workers = 1;
    int ranks = 0;  ///< 0: one per stage
  };

  explicit predictor(config values) : values_(values), run_(std::make_unique<runner>(run_values(values))) {}
  predictor(predictor const&) = delete;
  predictor& operator=(predictor const&) = delete;

  /// Copies all weights and statistics of a trainer (or of another predictor's runner) of the same net. Throws foal::error
  /// where the layers of a stage differ.
  template <class Trainer>
  void take(Trainer const& from) {
    static_assert(Trainer::stages == runner::stages && Trainer::parameters == runner::parameters,
                  "foal: cannot take these weights, because the trainer is one of another net; give one of the same net");
    for (int s = 0; s < runner::stages; ++s) {
      auto const& t = run_->tables().stages[static_cast<std::size_t>(s)];
      auto const& given = from.tables().stages[static_cast<std::size_t>(s)];
      require(same(t.parameters, given.parameters) && same(t.buffers, given.buffers),
              "cannot take these weights, because stage ", s, " has the layers ", given.layer_names(),
              " and the predictor's ", t.layer_names(), "; give a trainer of the same net");
      for (std::size_t p = 0; p < t.parameters.size(); ++p)
        if (t.parameters[p].home_stage < 0) run_->set_weights(s, p, from.weights(s, p));
      for (std::size_t p = 0; p < t.buffers.size(); ++p) run_->set_statistics(s, p, from.statistics(s, p));
    }
  }

  /// Predicts microbatches 0 .. count - 1 of batches (inputs and lengths as executor::source_of() takes them; targets are
  /// not asked for); count is a multiple of .microbatches. take(microbatch, y, shape, samples): y holds `samples` outputs of
  /// that shape, and is valid until take returns; called in the order of microbatches, on a worker's thread. Throws
  /// foal::error for another count and for ragged batches; after that, and after what batches or take have thrown, it can be
  /// asked again.
  template <class Batches, class Take>
  void predict(Batches const& batches, long long count, Take take) {
    require(!executor::is_ragged(batches),
            "cannot predict these batches, because they are ragged and predictions are padded; give batches with lengths()");
    require(count >= 0 && count % values_.microbatches == 0, "cannot predict ", count,
            " microbatches, because they run in rounds of ", values_.microbatches, "; ask for a multiple of it");
    struct state {
      Take* take;
      long long next;
    } now{&take, 0};
    receive_ = [](void* self, void const* y, shape of, int samples) {
      state& s = *static_cast<state*>(self);
      (*s.take)(s.next++, static_cast<scalar_type const*>(y), of, samples);
    };
    receiver_ = &now;
    first_ = run_->updates() * values_.microbatches;
    run_->run(shifted<Batches>{&batches, first_}, {.minibatches = count / values_.microbatches});
  }

  runner const& run() const { return *run_; }

 private:
  static bool same(std::vector<lower::parameter_row> const& a, std::vector<lower::parameter_row> const& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](auto const& p, auto const& q) { return p.name == q.name && p.what.extent == q.what.extent; });
  }

  /// A runner's microbatches are numbered through all its calls; those of a prediction begin at 0.
  template <class Batches>
  struct shifted {
    Batches const* from;
    long long first;
    void inputs(long long m, int entry, scalar_type* x) const {
      if constexpr (requires { from->inputs(m, entry, x); })
        from->inputs(m - first, entry, x);
      else
        from->inputs(m - first, x, static_cast<scalar_type*>(nullptr));
    }
    void targets(long long, scalar_type*) const {}
    lengths_of_axes lengths(long long m) const {
      if constexpr (requires { from->lengths(m); })
        return from->lengths(m - first);
      else
        return {};
    }
  };

  typename runner::config run_values(config const& c) {
    typename runner::config r;
    r.microbatch_size = c.microbatch_size;
    r.microbatches = c.microbatches;
    r.workers = c.workers;
    r.ranks = c.ranks;
    r.evaluation = false;
    r.loss = {[](void* self, void const* y, shape of, int samples) {
                auto* const p = static_cast<predictor*>(self);
                p->receive_(p->receiver_, y, of, samples);
              },
              this};
    return r;
  }

  config values_;
  void (*receive_)(void* self, void const* y, shape of, int samples) = nullptr;
  void* receiver_ = nullptr;
  long long first_ = 0;
  std::unique_ptr<runner> run_;
};

}  // namespace foal
