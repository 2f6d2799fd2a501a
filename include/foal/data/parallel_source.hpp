// Sentence pairs as token numbers: the source of a translation model.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/sequence.hpp>
#include <foal/text/vocabulary.hpp>

namespace foal::data {

/// What a model can take. Positions count eos of the source, and bos (or eos) of the target.
struct pair_limits {
  int source = 100, target = 100;                    ///< most positions
  int source_vocabulary = 0, target_vocabulary = 0;  ///< token numbers must be below; 0: any
};

/// Pairs of token sequences. The model gets the source followed by eos, the source's length, and bos followed by the target;
/// it is to answer with the target followed by eos. A sequence_source.
class parallel_source {
 public:
  parallel_source() = default;

  /// Numbers of both sides, without bos and eos. Pairs with a side beyond the limits are dropped and counted. Throws
  /// foal::error where the sides have different numbers of sequences, a number is not of the vocabulary, or nothing is left.
  parallel_source(std::span<std::vector<std::int32_t> const> source, std::span<std::vector<std::int32_t> const> target,
                  pair_limits limits = {}) {
    require(source.size() == target.size(), "cannot pair sequences, because there are ", source.size(), " sources and ",
            target.size(), " targets; give one target a source");
    auto const check = [](char const* name, int value, int least) {
      require_number(value >= least, "pair_limits", name, value, least == 0 ? "0 or more" : "1 or more");
    };
    check("source", limits.source, 1);
    check("target", limits.target, 1);
    check("source_vocabulary", limits.source_vocabulary, 0);
    check("target_vocabulary", limits.target_vocabulary, 0);
    for (std::size_t i = 0; i < source.size(); ++i) {
      if (static_cast<long long>(source[i].size()) >= limits.source ||
          static_cast<long long>(target[i].size()) >= limits.target) {
        ++dropped_;
        continue;
      }
      source_.add(source[i], limits.source_vocabulary, i);
      target_.add(target[i], limits.target_vocabulary, i);
      kept_.push_back(static_cast<long long>(i));
    }
    require(size() > 0, "cannot pair sequences, because of ", source.size(), " pairs 0 are left that fit into ",
            limits.source, " and ", limits.target, " positions; give more pairs or larger limits");
  }

  long long size() const { return static_cast<long long>(kept_.size()); }

  /// Pairs that were beyond the limits.
  long long dropped() const { return dropped_; }

  /// The number, among the given pairs, of pair i.
  long long given(long long i) const { return kept_[static_cast<std::size_t>(i)]; }

  /// Targets are below.
  int classes() const { return target_.largest + 1; }

  int axes() const { return 2; }
  int length(long long i, int axis) const { return static_cast<int>(side(axis).of(i).size()) + 1; }
  int longest(int axis) const { return side(axis).longest + 1; }
  int entries() const { return 3; }
  int entry_axis(int entry) const { return entry == 1 ? 0 : entry == 0 ? 1 : 2; }
  long long weight(long long i) const { return length(i, 2); }

  template <class S>
  void write_entry(long long i, int entry, int longest, S* x) const {
    if (entry == 1) {
      *x = static_cast<S>(length(i, 1));
      return;
    }
    std::span<std::int32_t const> const ids = side(entry_axis(entry)).of(i);
    S* at = x;
    if (entry == 2) *at++ = S{text::bos};
    for (std::int32_t const id : ids) *at++ = static_cast<S>(id);
    if (entry == 0) *at++ = S{text::eos};
    std::fill(at, x + longest, S{text::pad});
  }

  void write_target(long long i, int longest, std::int32_t* t) const {
    std::span<std::int32_t const> const ids = target_.of(i);
    std::int32_t* at = std::copy(ids.begin(), ids.end(), t);
    *at++ = text::eos;
    std::fill(at, t + longest, ignored_target);
  }

 private:
  struct sequences {
    std::vector<std::int32_t> ids;
    std::vector<std::size_t> begin{0};
    int longest = 0;
    std::int32_t largest = text::eos;

    void add(std::vector<std::int32_t> const& one, int vocabulary, std::size_t number) {
      for (std::int32_t const id : one) {
        require(id > text::eos && id < tokens_below(vocabulary), "cannot take pair ", number,
                ", because it holds the token number ", id, " where ", text::unk, " to ", tokens_below(vocabulary) - 1,
                " are expected; encode it with the model's vocabulary");
        largest = std::max(largest, id);
      }
      ids.insert(ids.end(), one.begin(), one.end());
      begin.push_back(ids.size());
      longest = std::max(longest, static_cast<int>(one.size()));
    }
    std::span<std::int32_t const> of(long long i) const {
      auto const at = static_cast<std::size_t>(i);
      return std::span(ids).subspan(begin[at], begin[at + 1] - begin[at]);
    }
  };

  sequences const& side(int axis) const { return axis == 1 ? source_ : target_; }

  sequences source_, target_;
  std::vector<long long> kept_;
  long long dropped_ = 0;
};

static_assert(sequence_source<parallel_source>);

}  // namespace foal::data
