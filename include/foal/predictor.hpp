// Inference of a trained model: its forwards alone, pipelined over workers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/data/sequences_in_order.hpp>
#include <foal/layer/loss/collect.hpp>
#include <foal/schedule/rules/forward_only.hpp>
#include <foal/trainer.hpp>

namespace foal {

/// What a model gives for one sample: its elements in the order of the shape, without padding.
template <class S>
struct prediction {
  shape of{};
  std::vector<S> values;
};

/// Runs Net forward, as evaluations do: no dropout, running statistics. Its weights are those of initialisation until take()
/// copies others. Policies: foal::on<device>, foal::scalar<type>, executor, storage and wires.
template <class Net, class... Policies>
class predictor {
 public:
  using runner = trainer<Net, loss::collect, schedule::forward_only, Policies...>;
  using model_type = typename runner::model_type;
  using scalar_type = typename runner::scalar_type;

  struct config {
    int microbatch_size = 8;
    int microbatches = 1;  ///< of a round: predict() takes whole rounds
    int workers = 1;
    int ranks = 0;  ///< 0: one per stage
    policy_of<runner, role::storage> storage{};
    policy_of<runner, role::wire> wire{};  ///< with the numbers of the trainer's, where its codec has some
  };

  explicit predictor(config values)  // foal: is each value a member of config, in its order? config c{...}; names it
      : values_(values), run_(std::make_unique<runner>(run_values(values))) {}
  predictor(predictor const&) = delete;
  predictor& operator=(predictor const&) = delete;

  /// Copies all weights and statistics of a trainer, an evaluation or another predictor of the same net, whose frozen layers
  /// and scalar type may be others. Throws foal::error, and changes nothing, where the nets differ.
  template <has_weights From>
  void take(From const& from) {
    run_->take(from);
  }
  /// The same with a trainer's averages (optim::averaged) in place of its weights; needs an update.
  template <has_weights From>
  void take_average(From const& from) {
    run_->take_average(from);
  }

  // Array by array, as a trainer's: what checkpoint::read_safetensors() and write_safetensors() need.
  table::run_tables const& tables() const { return run_->tables(); }
  std::vector<scalar_type> weights(int stage, std::size_t which) const { return run_->weights(stage, which); }
  std::vector<scalar_type> statistics(int stage, std::size_t which) const { return run_->statistics(stage, which); }
  void set_weights(int stage, std::size_t which, std::vector<scalar_type> const& v) { run_->set_weights(stage, which, v); }
  void set_statistics(int stage, std::size_t which, std::vector<scalar_type> const& v) {
    run_->set_statistics(stage, which, v);
  }

  /// What the model gives for every sample of a source, in the source's order; or of data::in_order and
  /// data::sequences_in_order, or batches like them with microbatches(), samples(m) and index(m, i), by that index.
  template <class From>
  std::vector<prediction<scalar_type>> predict(From const& from) {
    std::vector<prediction<scalar_type>> all;
    each(from, [&all](long long sample, shape of, scalar_type const* y) {
      auto const i = static_cast<std::size_t>(sample);
      if (all.size() <= i) all.resize(i + 1);
      all[i] = {of, std::vector<scalar_type>(y, y + of.size())};
    });
    return all;
  }

  /// A metric of one's own: the mean of metric(y, t) over the samples of a source. y is a std::span<S const> of what the
  /// model gives, S its scalar type; t, as the metric takes it, a std::span<S const> of the targets, one class number (an
  /// int), or a std::span<std::int32_t const>, which sequences have. Samples come in the source's order, sequences the
  /// shorter first, on a worker's thread.
  template <class Source, class Metric>
  double evaluate(Source const& source, Metric metric) {
    static_assert(sizeof(executor::gives_samples<Source>) > 0);
    using given = std::span<scalar_type const>;
    constexpr bool numbers = !data::sequence_source<Source> && std::is_invocable_v<Metric&, given, given>;
    using target = std::conditional_t<numbers, scalar_type, std::int32_t>;
    constexpr bool rows = std::is_invocable_v<Metric&, given, std::span<target const>>;
    constexpr bool takes = rows || (std::is_invocable_v<Metric&, given, target> && !data::sequence_source<Source>);
    static_assert(takes,
                  "foal: cannot call this metric, because it takes none of what a source has; let it be double f("
                  "std::span<S const> y, T t), with T an int (class number), std::span<S const> or std::span<std::int32_t "
                  "const>");
    double sum = 0;
    if constexpr (takes && executor::any_kind_of_source<Source>) {
      std::vector<target> t;
      each(source, [&](long long sample, shape of, scalar_type const* y) {
        given const output(y, static_cast<std::size_t>(of.size()));
        if constexpr (data::sequence_source<Source>) {
          int const n = source.length(sample, source.axes());
          t.resize(static_cast<std::size_t>(n));
          source.write_target(sample, n, t.data());
        } else {
          t.resize(static_cast<std::size_t>(source.target_size()));
          source.write_target(sample, t.data());
        }
        if constexpr (rows) {
          sum += static_cast<double>(metric(output, std::span<target const>(t)));
        } else {
          require(t.size() == 1, "cannot call this metric, because it takes one target and a sample has ", t.size(),
                  "; let it take a std::span of them");
          sum += static_cast<double>(metric(output, t.front()));
        }
      });
      require(source.size() > 0, "cannot evaluate, because the source holds ", source.size(), " samples; give at least 1");
    }
    return sum / static_cast<double>(source.size());
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
    executor::check_microbatch_size(batches, values_.microbatch_size);
    require(tables().targets_entry < 0, "cannot predict with ", tables().model_name,
            ", because it takes the targets as an input and gives what a loss needs of the scores; give the weights to a "
            "model without parts of the vocabulary");
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
  /// f(sample, shape, y) for every sample of a source, or of a pass over one, without padding.
  template <class From, class F>
  void each(From const& from, F f) {
    if constexpr (data::sequence_source<From>) {
      each(data::sequences_in_order<From>(from, values_.microbatch_size), f);
    } else if constexpr (data::sample_source<From>) {
      executor::check_inputs(executor::facts_of_source(from), tables().model_name, model_type::description);
      each(data::in_order<From>(from, values_.microbatch_size), f);
    } else {
      constexpr bool passes = requires(long long m, int i) {
        from.microbatches();
        from.samples(m);
        from.index(m, i);
      };
      if constexpr (!passes) {
        static_assert(sizeof(executor::gives_samples<From>) > 0);
      } else {
        struct last_ones_again {  // whole rounds; what is beyond the end is not looked at
          From const* from;
          long long last;
          long long of(long long m) const { return std::min(m, last); }
          int microbatch_size() const { return from->microbatch_size(); }
          void inputs(long long m, int entry, scalar_type* x) const {
            if constexpr (requires { from->inputs(m, entry, x); })
              from->inputs(of(m), entry, x);
            else
              from->inputs(of(m), x, static_cast<scalar_type*>(nullptr));
          }
          lengths_of_axes lengths(long long m) const {
            if constexpr (requires { from->lengths(m); })
              return from->lengths(of(m));
            else
              return {};
          }
        };
        long long const count = from.microbatches(), n = values_.microbatches;
        predict(last_ones_again{&from, count - 1}, (count + n - 1) / n * n,
                [&](long long m, scalar_type const* y, shape of, int) {
                  if (m >= count) return;
                  for (int i = 0; i < from.samples(m); ++i) {
                    shape own = of;
                    if constexpr (requires { from.lengths_of_sample(m, i); })
                      own = at_length(of, from.lengths_of_sample(m, i));
                    f(from.index(m, i), own, y + static_cast<std::ptrdiff_t>(i) * of.size());
                  }
                });
      }
    }
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
    r.storage = c.storage;
    r.wire = c.wire;
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
