// The stream of microbatches of sequences that a training run sees: samples of similar lengths together, in random order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/data/batches.hpp>
#include <foal/data/layout.hpp>
#include <foal/data/order.hpp>
#include <foal/data/sequence.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::data {

/// Microbatches of `source`, numbered from 0 over the whole run. Refers to the source, which must live longer. The const
/// members are functions of their arguments, allocate nothing, and may be called from several threads at once.
///
/// Samples sorted by length are cut into groups of a few minibatches, and a group into N strata. In every epoch, by (seed,
/// epoch), the minibatches are shuffled, and the N microbatches of a minibatch take their samples from the N strata of its
/// group, one each, beginning with any: rows of a microbatch are about equally long, those of a minibatch differ more.
/// Neighbouring groups whose longest samples are equally long are one group. No epoch needs a table: every place is computed
/// on its own. What does not fill a minibatch is left out, in every epoch in another group.
template <sequence_source Source>
class sequence_batches {
 public:
  /// group: minibatches of a group. Fewer mean less padding, more mean more different minibatches. Throws foal::error if M,
  /// N or group is not positive, or if not even one minibatch fits into an epoch.
  sequence_batches(Source const& from, batching how, layout lie = layout::padded, int group = 16)
      : source_(&from), how_(how), layout_(lie) {
    require(how.microbatch_size > 0 && how.microbatches > 0 && group > 0, "cannot batch, because the microbatch size is ",
            how.microbatch_size, ", a minibatch has ", how.microbatches, " microbatches and a group ", group,
            " minibatches; give numbers above 0");
    require(from.axes() >= 1 && from.axes() <= most_axes, "cannot batch, because the sequences have ", from.axes(),
            " axes of lengths where 1 to ", most_axes, " are expected; give a source of such sequences");
    require(from.size() > 0, "cannot batch, because the source holds 0 sequences; give at least one");
    require(how.order == ordering::cyclic || minibatches_per_epoch() > 0, "cannot batch, because a minibatch is ",
            how.microbatches, " microbatches x ", how.microbatch_size, " sequences = ", minibatch_samples(),
            " sequences and the source holds ", from.size(), "; use a smaller minibatch or more sequences");
    if (how.order == ordering::shuffled) make_groups(group);
  }
  sequence_batches(Source const&&, batching, layout = layout::padded, int = 16) = delete;

  /// floor(size / (M N)); the rest of an epoch is dropped.
  long long minibatches_per_epoch() const { return source_->size() / minibatch_samples(); }

  batching const& how() const { return how_; }
  Source const& source() const { return *source_; }

  /// M.
  int samples() const { return how_.microbatch_size; }
  int microbatch_size() const { return how_.microbatch_size; }

  /// The epoch a microbatch belongs to.
  long long epoch(long long microbatch) const {
    return how_.order == ordering::cyclic ? ordinal(microbatch) / source_->size()
                                          : microbatch / (how_.microbatches * minibatches_per_epoch());
  }

  /// The number, in the run, of a microbatch's first sample; sample i of the microbatch has ordinal + i.
  long long ordinal(long long microbatch) const { return microbatch * how_.microbatch_size; }

  /// Which sample of the source the run sees as its `ordinal`-th.
  long long index(long long ordinal) const {
    return row(place_of(ordinal / how_.microbatch_size), static_cast<int>(ordinal % how_.microbatch_size));
  }

  /// Whether microbatches lie ragged: then executor::source_of() asks for sample_lengths() instead of lengths().
  bool ragged() const { return layout_ == layout::ragged; }

  /// The longest of a microbatch's samples, on each axis.
  lengths_of_axes lengths(long long microbatch) const { return lengths(place_of(microbatch)); }

  /// Writes the positions of each of a microbatch's M samples on an axis.
  void sample_lengths(long long microbatch, int axis, int* n) const {
    place const at = place_of(microbatch);
    for (int i = 0; i < how_.microbatch_size; ++i) n[i] = source_->length(row(at, i), axis);
  }

  /// Writes an entry of a microbatch: [M, length of its axis], where the lengths are lengths(microbatch), or ragged the
  /// samples one after the other; or [M] values.
  template <class S>
  void inputs(long long microbatch, int entry, S* x) const {
    write_rows(microbatch, source_->entry_axis(entry), [&](long long sample, int width, std::ptrdiff_t begin) {
      source_->write_entry(sample, entry, width, x + begin);
    });
  }

  /// Writes the targets of a microbatch: [M, length of the last axis], padded with ignored_target, or ragged the samples'
  /// one after the other.
  void targets(long long microbatch, std::int32_t* t) const {
    write_rows(microbatch, source_->axes(),
               [&](long long sample, int width, std::ptrdiff_t begin) { source_->write_target(sample, width, t + begin); });
  }

  /// The targets of a minibatch that count.
  double weight(long long minibatch) const {
    long long sum = 0;
    for (int j = 0; j < how_.microbatches; ++j) {
      place const at = place_of(minibatch * how_.microbatches + j);
      for (int i = 0; i < how_.microbatch_size; ++i) sum += source_->weight(row(at, i));
    }
    return static_cast<double>(sum);
  }

 private:
  /// Where the rows of a microbatch come from. Shuffled: from the stratum of `size` places of sorted_ at `begin`, those that
  /// the order `stream` puts at `first` and after. Otherwise: the samples from `first` on, modulo `size`.
  struct place {
    long long begin, size, first;
    std::uint64_t stream;
  };

  long long row(place const& at, int i) const {
    if (how_.order != ordering::shuffled) return (at.first + i) % at.size;
    return sorted_[static_cast<std::size_t>(at.begin + shuffled(how_.seed, at.stream, at.size, at.first + i))];
  }

  /// write(sample, its positions, where they begin) for the samples of a microbatch, in order; axis 0: one position each.
  template <class Write>
  void write_rows(long long microbatch, int axis, Write write) const {
    place const at = place_of(microbatch);
    int const longest = axis == 0 || ragged() ? 1 : lengths(at).length[axis - 1];
    std::ptrdiff_t begin = 0;
    for (int i = 0; i < how_.microbatch_size; ++i) {
      long long const sample = row(at, i);
      int const width = axis > 0 && ragged() ? source_->length(sample, axis) : longest;
      write(sample, width, begin);
      begin += width;
    }
  }

  lengths_of_axes lengths(place const& at) const {
    lengths_of_axes result;
    for (int i = 0; i < how_.microbatch_size; ++i) result = longer_of(result, lengths_of(*source_, row(at, i)));
    return result;
  }

  long long minibatch_samples() const { return static_cast<long long>(how_.microbatch_size) * how_.microbatches; }

  long long groups() const { return static_cast<long long>(first_.size()) - 1; }

  void make_groups(int group) {
    sorted_ = sequence_order(*source_);
    long long const minibatches = minibatches_per_epoch();
    long long const wanted = std::max(1LL, minibatches / group);
    // Only minibatches that exist in every epoch count here, so that a group is never without one.
    auto const longest_before = [&](long long minibatch) {
      return lengths_of(*source_, sorted_[static_cast<std::size_t>(minibatch * minibatch_samples() - 1)]);
    };
    first_.push_back(0);
    for (long long g = 1; g < wanted; ++g) {
      long long const begin = g * minibatches / wanted, end = (g + 1) * minibatches / wanted;
      if (longest_before(begin) != longest_before(end)) first_.push_back(begin);
    }
    first_.push_back(minibatches);
  }

  place place_of(long long microbatch) const {
    if (how_.order == ordering::cyclic) return {0, source_->size(), ordinal(microbatch) % source_->size(), 0};
    long long const strata = how_.microbatches, minibatches = minibatches_per_epoch();
    long long const in_epoch = microbatch % (minibatches * strata), number = microbatch / (minibatches * strata);
    if (how_.order == ordering::in_order) return {0, source_->size(), ordinal(in_epoch), 0};
    // An epoch has a stream for the minibatches, one for the microbatches of each, and one for the samples of each stratum.
    long long const stream = number * (1 + minibatches + groups() * strata);
    long long const minibatch = shuffled(how_.seed, static_cast<std::uint64_t>(stream), minibatches, in_epoch / strata);
    random_key const turn{how_.seed, purpose::order, 0, static_cast<std::uint64_t>(stream + 1 + minibatch)};
    long long const stratum = (in_epoch + random_word(turn, 0)) % strata;
    auto const above = std::upper_bound(first_.begin(), first_.end(), minibatch);
    long long const group = (above - first_.begin()) - 1, first = *(above - 1);
    long long const rest = source_->size() % minibatch_samples(), with_rest = number % groups();
    long long const begin = first * minibatch_samples() + (group > with_rest ? rest : 0);
    long long const size = (*above - first) * minibatch_samples() + (group == with_rest ? rest : 0);
    // Where strata cannot be equal, each is a longer one in turn, so that over the epochs none loses more samples.
    long long const uneven = number / groups() % strata;
    long long const from = (stratum * size + uneven) / strata, to = ((stratum + 1) * size + uneven) / strata;
    return {begin + from, to - from, (minibatch - first) * how_.microbatch_size,
            static_cast<std::uint64_t>(stream + 1 + minibatches + group * strata + stratum)};
  }

  Source const* source_;
  batching how_;
  layout layout_;
  std::vector<long long> sorted_;  // the samples by length; empty unless shuffled
  std::vector<long long> first_;   // of each group, its first minibatch; then their number
};

}  // namespace foal::data
