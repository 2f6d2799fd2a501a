// What processes that train together must find alike in the data that each of them has loaded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

#include <foal/data/part.hpp>
#include <foal/executor/microbatch_lengths.hpp>
#include <foal/report/fingerprint.hpp>
#include <foal/report/number.hpp>
#include <foal/table/run_values.hpp>

namespace foal::detail {

/// What batches say of themselves; -1: they do not.
struct data_sizes {
  long long samples = -1, minibatches_per_epoch = -1;
  data::part loaded = data::part::both;
};

template <class Batches>
data_sizes sizes_of(Batches const& from) {
  data_sizes n;
  if constexpr (requires { from.source().size(); }) {
    n.samples = from.source().size();
    n.loaded = data::loaded_part(from.source());
  }
  if constexpr (requires { from.minibatches_per_epoch(); }) n.minibatches_per_epoch = from.minibatches_per_epoch();
  return n;
}

/// The digests of the inputs and the targets of a few microbatches.
class data_digests {
 public:
  data_digests(table::run_tables const& t, table::run_values const& v, table::source_functions const& from,
               data::part loaded)
      : t_(t), v_(v), from_(from), loaded_(loaded), lengths_(executor::microbatch_lengths::size(v.microbatch_size), 0) {}

  /// number: the source's. Throws foal::error where a sample is longer than the model's inputs hold.
  void add(long long number) {
    executor::microbatch_lengths lengths(lengths_.data(), v_.microbatch_size);
    lengths.load(from_, number, executor::longest_of(t_));
    lengths_of_axes const n = lengths.all();
    table::stage_table const &first = t_.whole_stages().front(), &last = t_.whole_stages().back();
    // Tensor e of the first stage is the model's input e.
    for (std::size_t e = 0; e < first.wire_in.size() && data::has_inputs(loaded_); ++e) {
      if (static_cast<int>(e) == t_.targets_entry) continue;  // they have a digest of their own
      auto const bytes =
          static_cast<std::size_t>(first.tensors[e].count(v_.microbatch_size, n)) * bytes_of(t_.types.activations);
      resize(bytes);
      from_.inputs(from_.self, number, static_cast<int>(e), values_.data(), scratch_.data());
      inputs(text(bytes));
    }
    if (t_.loss.targets_per_sample == 0 || !data::has_targets(loaded_)) return;
    auto const bytes = static_cast<std::size_t>(t_.loss.targets(at_length(last.output, n))) *
                       static_cast<std::size_t>(samples_at(last.output, n, v_.microbatch_size)) * t_.loss.target_bytes;
    resize(bytes);
    from_.targets(from_.self, number, values_.data());
    targets(text(bytes));
  }

  report::digest inputs, targets;

 private:
  void resize(std::size_t bytes) {
    values_.resize(std::max(values_.size(), bytes / sizeof(double) + 1));
    scratch_.resize(values_.size());
  }
  std::string_view text(std::size_t bytes) const { return {reinterpret_cast<char const*>(values_.data()), bytes}; }

  table::run_tables const& t_;
  table::run_values const& v_;
  table::source_functions const& from_;
  data::part loaded_;
  std::vector<int> lengths_;
  std::vector<double> values_, scratch_;  // for their alignment
};

/// As items of a fingerprint: sizes, and digests of a few microbatches of the epoch that begins with the source's first one,
/// or of the first minibatch where nobody knows how long an epoch is. Of a part that is not loaded there is no digest.
inline void add_data_items(report::fingerprint& to, table::run_tables const& t, table::run_values const& v,
                           table::source_functions const& from, data_sizes const& sizes) {
  if (sizes.samples >= 0) to.items.emplace_back("samples of the data", report::shortest(sizes.samples));
  if (sizes.minibatches_per_epoch >= 0)
    to.items.emplace_back("minibatches of an epoch", report::shortest(sizes.minibatches_per_epoch));
  constexpr long long looked_at = 8;
  long long const all = v.microbatches * std::max(sizes.minibatches_per_epoch, 1LL), some = std::min(all, looked_at);
  data_digests found(t, v, from, sizes.loaded);
  for (long long i = 0; i < some; ++i) found.add(some == 1 ? 0 : i * (all - 1) / (some - 1));
  auto const add = [&to](char const* name, bool loaded, report::digest const& of) {
    to.items.emplace_back(name, loaded ? of.text() : std::string(report::not_here));
  };
  add("digest of some inputs", data::has_inputs(sizes.loaded), found.inputs);
  if (t.loss.targets_per_sample > 0) add("digest of some targets", data::has_targets(sizes.loaded), found.targets);
}

}  // namespace foal::detail
