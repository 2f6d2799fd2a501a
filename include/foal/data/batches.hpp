// The stream of microbatches that a training run sees, and the file-order pass that an evaluation sees.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/data/order.hpp>
#include <foal/data/source.hpp>

namespace foal::data {

/// shuffled: anew in every epoch. in_order: as in the file. Both drop the last partial minibatch of an epoch.
/// cyclic: microbatch s is rows s*M .. s*M+M-1 modulo the number of samples; nothing is dropped.
enum class ordering { shuffled, in_order, cyclic };

/// Updates in an epoch of `source` with `microbatches` microbatches of `microbatch_size` samples a minibatch: what a
/// learning rate counts in. What does not fill a minibatch is dropped. Throws foal::error where nothing fills one.
template <class Source>
long long updates_per_epoch(Source const& source, int microbatch_size, int microbatches) {
  require(microbatch_size > 0 && microbatches > 0, "cannot count updates, because the microbatch size is ", microbatch_size,
          " and a minibatch has ", microbatches, " microbatches; give numbers above 0");
  long long const samples = static_cast<long long>(microbatch_size) * microbatches;
  require(source.size() >= samples, "cannot count updates, because a minibatch is ", microbatches, " microbatches x ",
          microbatch_size, " samples = ", samples, " samples and the source holds ", source.size(),
          "; use a smaller minibatch or more samples");
  return source.size() / samples;
}

/// How samples become microbatches.
struct batching {
  int microbatch_size = 1;  ///< M
  int microbatches = 1;     ///< N, of a minibatch
  std::uint64_t seed = 0;
  ordering order = ordering::shuffled;
};

/// Microbatches of `source`, numbered from 0 over the whole run. Refers to the source, which must live longer. The const
/// members are functions of their arguments, allocate nothing, and may be called from several threads at once.
template <sample_source Source, class... Augment>
class batches {
  static_assert(sizeof...(Augment) == 0 || source<Source>,
                "foal: cannot augment these samples, because they have several entries; let write_entry() do it");

 public:
  /// Throws foal::error if M or N is not positive, if not even one minibatch fits into an epoch, or if a number of an
  /// augmentation cannot be.
  batches(Source const& from, batching how, Augment... augment) : source_(&from), how_(how), augment_(augment...) {
    (check(augment), ...);
    require(how.microbatch_size > 0 && how.microbatches > 0, "cannot batch, because the microbatch size is ",
            how.microbatch_size, " and a minibatch has ", how.microbatches, " microbatches; give numbers above 0");
    require(from.size() > 0, "cannot batch, because the source holds 0 samples; give at least one");
    require(how.order == ordering::cyclic || minibatches_per_epoch() > 0, "cannot batch, because a minibatch is ",
            how.microbatches, " microbatches x ", how.microbatch_size, " samples = ", minibatch_samples(),
            " samples and the source holds ", from.size(), "; use a smaller minibatch or more samples");
  }
  batches(Source const&&, batching, Augment...) = delete;

  /// floor(size / (M N)); the rest of an epoch is dropped.
  long long minibatches_per_epoch() const { return source_->size() / minibatch_samples(); }

  batching const& how() const { return how_; }
  /// M.
  int microbatch_size() const { return how_.microbatch_size; }
  shape sample() const { return source_->sample(); }

  /// The epoch a microbatch belongs to.
  long long epoch(long long microbatch) const {
    return how_.order == ordering::cyclic ? ordinal(microbatch) / source_->size()
                                          : microbatch / (how_.microbatches * minibatches_per_epoch());
  }

  /// The number, in the run, of a microbatch's first sample; sample i of the microbatch has ordinal + i.
  long long ordinal(long long microbatch) const { return microbatch * how_.microbatch_size; }

  /// Which sample of the source the run sees as its `ordinal`-th.
  long long index(long long ordinal) const {
    if (how_.order == ordering::cyclic) return ordinal % source_->size();
    long long const per_epoch = minibatches_per_epoch() * minibatch_samples();
    long long const place = ordinal % per_epoch;
    if (how_.order == ordering::in_order) return place;
    return shuffled(how_.seed, static_cast<std::uint64_t>(ordinal / per_epoch), source_->size(), place);
  }

  /// Writes the inputs of a microbatch, [M, sample]. scratch: one sample; unused, and may be null, without augmentations.
  template <class S>
  void inputs(long long microbatch, S* x, S* scratch = nullptr) const {
    long long const first = ordinal(microbatch);
    for (int i = 0; i < how_.microbatch_size; ++i)
      one(first + i, x + static_cast<std::ptrdiff_t>(i) * source_->sample().size(), scratch,
          std::index_sequence_for<Augment...>{});
  }

  /// Writes an entry of a microbatch, [M, entry], where samples have several.
  template <class S>
    requires entries_source<Source>
  void inputs(long long microbatch, int entry, S* x) const {
    long long const first = ordinal(microbatch);
    for (int i = 0; i < how_.microbatch_size; ++i)
      source_->write_entry(index(first + i), entry, x + static_cast<std::ptrdiff_t>(i) * source_->entry(entry).size());
  }

  /// Writes the targets of a microbatch, [M, target_size].
  template <class T>
  void targets(long long microbatch, T* t) const {
    long long const first = ordinal(microbatch);
    for (int i = 0; i < how_.microbatch_size; ++i)
      source_->write_target(index(first + i), t + static_cast<std::ptrdiff_t>(i) * source_->target_size());
  }

 private:
  long long minibatch_samples() const { return static_cast<long long>(how_.microbatch_size) * how_.microbatches; }

  template <class One>
  static void check(One const& augment) {
    if constexpr (requires { augment.check(); }) augment.check();
  }

  template <class S, std::size_t... I>
  void one(long long number, S* x, S* scratch, std::index_sequence<I...>) const {
    // Augmentations work out of place: start in whichever buffer makes the last one end in x.
    S* here = sizeof...(I) % 2 == 0 ? x : scratch;
    [[maybe_unused]] S* there = sizeof...(I) % 2 == 0 ? scratch : x;
    source_->write_sample(index(number), here);
    ((std::get<I>(augment_)(random_key{how_.seed, purpose::augment, I, static_cast<std::uint64_t>(number)},
                            source_->sample(), here, there),
      std::swap(here, there)),
     ...);
  }

  Source const* source_;
  batching how_;
  std::tuple<Augment...> augment_;
};

/// All samples once, in file order, nothing dropped: the last microbatch may be partial.
template <sample_source Source>
class in_order {
 public:
  in_order(Source const& from, int microbatch_size) : source_(&from), samples_(microbatch_size) {
    require(microbatch_size > 0, "cannot batch, because the microbatch size is ", microbatch_size,
            "; give a number above 0");
  }
  in_order(Source const&&, int) = delete;

  long long microbatches() const { return (source_->size() + samples_ - 1) / samples_; }

  /// How many samples of a microbatch are real: M, or less for the last one.
  int samples(long long microbatch) const {
    return static_cast<int>(std::min<long long>(samples_, source_->size() - microbatch * samples_));
  }

  /// M.
  int microbatch_size() const { return samples_; }

  /// Which sample of the source is sample i of a microbatch.
  long long index(long long microbatch, int i) const { return microbatch * samples_ + i; }

  /// Writes [M, sample]; rows from samples() on are zero. The third argument is not used.
  template <class S>
  void inputs(long long microbatch, S* x, S* = nullptr) const {
    std::ptrdiff_t const size = source_->sample().size();
    int const real = samples(microbatch);
    for (int i = 0; i < real; ++i) source_->write_sample(microbatch * samples_ + i, x + i * size);
    std::fill(x + real * size, x + samples_ * size, S{0});
  }
  /// The same of an entry, where samples have several.
  template <class S>
    requires entries_source<Source>
  void inputs(long long microbatch, int entry, S* x) const {
    std::ptrdiff_t const size = source_->entry(entry).size();
    int const real = samples(microbatch);
    for (int i = 0; i < real; ++i) source_->write_entry(microbatch * samples_ + i, entry, x + i * size);
    std::fill(x + real * size, x + samples_ * size, S{0});
  }

  /// Writes [M, target_size]; rows from samples() on are zero.
  template <class T>
  void targets(long long microbatch, T* t) const {
    std::ptrdiff_t const size = source_->target_size();
    int const real = samples(microbatch);
    for (int i = 0; i < real; ++i) source_->write_target(microbatch * samples_ + i, t + i * size);
    std::fill(t + real * size, t + samples_ * size, T{0});
  }

 private:
  Source const* source_;
  int samples_;
};

}  // namespace foal::data
