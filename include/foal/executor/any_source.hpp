// Microbatches and samples of any type as functions.
#pragma once

#include <cstddef>
#include <memory>
#include <type_traits>
#include <vector>

#include <foal/data/sequence.hpp>
#include <foal/data/source.hpp>
#include <foal/executor/check_source.hpp>
#include <foal/table/run_values.hpp>

namespace foal::executor {

/// Whether batches have sample_lengths() and, where they can say so, say that they are ragged.
template <class Batches>
bool is_ragged(Batches const& from) {
  if constexpr (!requires(long long m, int* n) { from.sample_lengths(m, 1, n); })
    return false;
  else if constexpr (requires { from.ragged(); })
    return from.ragged();
  else
    return true;
}

/// What source_of() needs; one sentence where it lacks.
template <class S, class Target, class Batches>
struct gives_batches {
  static constexpr bool has_entries = requires(Batches const& b, long long m, S* x) { b.inputs(m, 0, x); };
  static constexpr bool has_inputs = has_entries || requires(Batches const& b, long long m, S* x) { b.inputs(m, x, x); };
  static constexpr bool has_targets = requires(Batches const& b, long long m, Target* t) { b.targets(m, t); };
  static constexpr bool complete = has_inputs && has_targets;
  static_assert(has_inputs,
                "foal: cannot take microbatches from these Batches, because they lack inputs(microbatch, x, scratch), or "
                "inputs(microbatch, entry, x), that can write the scalar S; add it, or give a source of samples to fit()");
  static_assert(!has_inputs || has_targets,
                "foal: cannot take microbatches from these Batches, because they lack targets(microbatch, t) that can write "
                "what the loss takes, the type Target; add it, or take a loss of such targets");
};

/// Batches that say how large their microbatches are have those of the run.
template <class Batches>
void check_microbatch_size(Batches const& from, int expected) {
  if constexpr (requires { from.microbatch_size(); })
    require(from.microbatch_size() == expected, "cannot use these batches, because their microbatches have ",
            from.microbatch_size(), " samples and those of the run ", expected, "; make them with as many");
}

/// Microbatches as functions of their number m: that in the run, and `shift`; refers to the batches. These have
///   inputs(m, x, scratch) for a model with one input, or inputs(m, entry, x) for one with several, packed at lengths(m);
///   targets(m, t);
///   and, as wanted, lengths(m) -> lengths_of_axes, weight(minibatch): what its sum of losses is divided by to be a mean
///   (where it is missing, the class numbers that count are counted, or else samples), and index(ordinal(m) + i): which
///   sample of a data set is the i-th of the microbatch, for sentences.
/// Ragged batches have instead of lengths(m) sample_lengths(m, axis, n), which writes the positions of each of the M samples
/// on an axis, and write inputs and targets one sample after the other without padding; where they have ragged() too, they
/// are so only if it gives true.
template <class S, class Target, class Batches>
table::source_functions source_of(Batches const& from, long long shift = 0) {
  static_assert(sizeof(gives_batches<S, Target, Batches>) > 0);
  table::source_functions f;
  if constexpr (gives_batches<S, Target, Batches>::complete) {
    f.self = &from;
    f.shift = shift;
    f.inputs = [](void const* self, long long m, [[maybe_unused]] int entry, void* x, [[maybe_unused]] void* scratch) {
      auto const& b = *static_cast<Batches const*>(self);
      if constexpr (requires(S* to) { b.inputs(m, entry, to); })
        b.inputs(m, entry, static_cast<S*>(x));
      else
        b.inputs(m, static_cast<S*>(x), static_cast<S*>(scratch));
    };
    f.targets = [](void const* self, long long m, void* t) {
      static_cast<Batches const*>(self)->targets(m, static_cast<Target*>(t));
    };
    if constexpr (requires(long long m) { from.lengths(m); })
      f.lengths = [](void const* self, long long m) { return static_cast<Batches const*>(self)->lengths(m); };
    if constexpr (requires(long long m, int* n) { from.sample_lengths(m, 1, n); }) {
      if (is_ragged(from))
        f.sample_lengths = [](void const* self, long long m, int axis, int* n) {
          static_cast<Batches const*>(self)->sample_lengths(m, axis, n);
        };
    }
    if constexpr (requires(long long k) { from.weight(k); })
      f.weight = [](void const* self, long long k) -> double { return static_cast<Batches const*>(self)->weight(k); };
    if constexpr (requires(long long m) { from.index(from.ordinal(m)); })
      f.sample = [](void const* self, long long m, int i) -> long long {
        auto const& b = *static_cast<Batches const*>(self);
        return b.index(b.ordinal(m) + i);
      };
  }
  return f;
}

/// Samples of any source as functions, in order, or the shorter before the longer where lengths differ; refers to the
/// source.
template <class S, class Target>
struct any_source {
  table::evaluation_source functions{};
  source_facts facts{};

  any_source() = default;
  template <class Other>
    requires(!any_kind_of_source<Other> && !std::is_same_v<Other, any_source>)
  any_source(Other const&) {  // NOLINT: refused here, with the reason
    static_assert(sizeof(gives_samples<Other>) > 0);
  }
  template <data::sample_source Source>
  any_source(Source const& from)  // NOLINT: a data set stands where its samples are wanted
      : functions{&from, from.size(),
                  [](void const* self, long long first, int n, [[maybe_unused]] int entry, lengths_of_axes, void* x) {
                    auto const& source = *static_cast<Source const*>(self);
                    for (int i = 0; i < n; ++i) {
                      auto const at = [&](shape one) {
                        return static_cast<S*>(x) + static_cast<std::ptrdiff_t>(i) * one.size();
                      };
                      if constexpr (data::entries_source<Source>)
                        source.write_entry(first + i, entry, at(source.entry(entry)));
                      else
                        source.write_sample(first + i, at(source.sample()));
                    }
                  },
                  [](void const* self, long long first, int n, lengths_of_axes, void* t) {
                    auto const& source = *static_cast<Source const*>(self);
                    for (int i = 0; i < n; ++i)
                      source.write_target(first + i,
                                          static_cast<Target*>(t) + static_cast<std::ptrdiff_t>(i) * source.target_size());
                  }},
        facts(facts_of_source(from)),
        look_([](void const* self, source_facts const& f, table::loss_functions const& loss, int classes) {
          executor::check_targets<Target>(*static_cast<Source const*>(self), f, loss, classes);
        }) {}

  template <data::sequence_source Source>
  any_source(Source const& from) : facts(facts_of_source(from)) {  // NOLINT: as above
    auto const order = std::make_shared<by_length<Source>>(from);
    functions.self = order.get();
    functions.samples = from.size();
    functions.sample = [](void const* self, long long i) { return static_cast<by_length<Source> const*>(self)->at(i); };
    look_ = [](void const* self, source_facts const& f, table::loss_functions const& loss, int classes) {
      executor::check_targets<Target>(*static_cast<by_length<Source> const*>(self)->source, f, loss, classes);
    };
    functions.lengths = [](void const* self, long long first, int n) {
      auto const& o = *static_cast<by_length<Source> const*>(self);
      lengths_of_axes most;
      for (int i = 0; i < n; ++i) most = data::longer_of(most, data::lengths_of(*o.source, o.at(first + i)));
      return most;
    };
    functions.inputs = [](void const* self, long long first, int n, int entry, lengths_of_axes most, void* x) {
      auto const& o = *static_cast<by_length<Source> const*>(self);
      int const axis = o.source->entry_axis(entry), row = axis == 0 ? 1 : most.length[axis - 1];
      for (int i = 0; i < n; ++i)
        o.source->write_entry(o.at(first + i), entry, row, static_cast<S*>(x) + static_cast<std::ptrdiff_t>(i) * row);
    };
    functions.targets = [](void const* self, long long first, int n, lengths_of_axes most, void* t) {
      auto const& o = *static_cast<by_length<Source> const*>(self);
      int const row = most.length[o.source->axes() - 1];
      for (int i = 0; i < n; ++i)
        o.source->write_target(o.at(first + i), row, static_cast<Target*>(t) + static_cast<std::ptrdiff_t>(i) * row);
    };
    owned_ = order;
  }

  /// See check_targets().
  void check_targets(table::loss_functions const& loss, int classes) const {
    if (look_ != nullptr) look_(functions.self, facts, loss, classes);
  }

 private:
  template <class Source>
  struct by_length {
    Source const* source;
    std::vector<long long> order;
    explicit by_length(Source const& from) : source(&from), order(data::sequence_order(from)) {}
    long long at(long long i) const { return order[static_cast<std::size_t>(i)]; }
  };
  void (*look_)(void const* self, source_facts const&, table::loss_functions const&, int classes) = nullptr;
  std::shared_ptr<void const> owned_;
};

}  // namespace foal::executor
