// Whether a source of samples suits a model; a sentence where it does not.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/part.hpp>
#include <foal/data/sequence.hpp>
#include <foal/data/source.hpp>
#include <foal/model/input.hpp>
#include <foal/table/functions.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::executor {

/// What a source says of its samples.
struct source_facts {
  long long samples = 0;
  int classes = 0;               ///< targets are below; 0: not known
  shape sample[most_entries]{};  ///< by entry, of samples that are not sequences
  int target_size = 0;           ///< of those
  int axes = 0;                  ///< of sequences; 0: they are none
  int longest[most_axes] = {};
  int entries = 0;
  int entry_axis[most_entries] = {};
};

template <class T>
concept any_kind_of_source = data::source<T> || data::sequence_source<T> || data::entries_source<T>;

/// What fit(), evaluate() and predict() ask of what they are given; one sentence where it is something else.
template <class Source>
struct gives_samples {
  static constexpr bool has_two_parts = requires(Source const& s) {
    s.train;
    s.test;
  };
  static_assert(any_kind_of_source<Source> || !has_two_parts,
                "foal: cannot take samples from this Source, because it is a data set of two parts; give dataset.train to "
                "fit() and dataset.test to evaluate() and predict()");
  static_assert(
      any_kind_of_source<Source> || has_two_parts,
      "foal: cannot take samples from this Source, because it lacks a member: one of size(), sample(), target_size(), "
      "write_sample(i, x) (foal/data/source.hpp, also for samples of several entries), or of those of sequences "
      "(foal/data/sequence.hpp); batches of one's own go to fit_batches()");
};

template <class Source>
source_facts facts_of_source(Source const& from) {
  source_facts f;
  f.samples = from.size();
  if constexpr (requires { from.classes(); }) f.classes = from.classes();
  if constexpr (data::sequence_source<Source>) {
    f.axes = from.axes();
    f.entries = from.entries();
    for (int a = 0; a < std::min(f.axes, most_axes); ++a) f.longest[a] = from.longest(a + 1);
    for (int e = 0; e < std::min(f.entries, most_entries); ++e) f.entry_axis[e] = from.entry_axis(e);
  } else if constexpr (data::entries_source<Source>) {
    f.entries = from.entries();
    for (int e = 0; e < std::min(f.entries, most_entries); ++e) f.sample[e] = from.entry(e);
    f.target_size = from.target_size();
  } else {
    f.entries = 1;
    f.sample[0] = from.sample();
    f.target_size = from.target_size();
  }
  return f;
}

/// Whether the samples are inputs of a model; d: its description.
template <class Description>
void check_inputs(source_facts const& f, std::string const& model, Description const& d) {
  int const inputs = d.inputs - (d.targets_entry >= 0 ? 1 : 0);  // what a source gives
  require(f.samples > 0, "cannot use these samples, because there are ", f.samples, "; give at least 1");
  if (f.axes == 0) {
    require(
        f.entries == inputs, "cannot run ", model, " on these samples, because the model has ", inputs,
        " inputs and a sample ", f.entries,
        "; give a source with entries(), entry(e) and write_entry(i, e, x), or batches with inputs(microbatch, entry, x) "
        "to fit_batches()");
    for (int e = 0; e < inputs; ++e) {
      shape const given = f.sample[e], needed = d.input_entry[e];
      require(given == needed, "cannot run ", model, " on these samples, because they have ", given.extent[0], " x ",
              given.extent[1], " x ", given.extent[2], " elements", inputs > 1 ? sentence(" as entry ", e) : "",
              " and its foal::input is ", needed.extent[0], " x ", needed.extent[1], " x ", needed.extent[2],
              "; change the input or the data");
    }
    return;
  }
  require(f.entries == inputs, "cannot run ", model, " on these sequences, because a sample has ", f.entries,
          " entries and the model ", inputs, " inputs; change foal::inputs or the data");
  for (int e = 0; e < inputs; ++e) {
    int const axis = f.entry_axis[e];
    int const longest = axis == 0 ? 1 : axis <= most_axes ? f.longest[axis - 1] : 0;
    shape const needed = d.input_entry[e];
    require(needed.axis == axis && longest <= needed.positions() && needed.channels() == 1, "cannot run ", model,
            " on these sequences, because entry ", e, " has up to ", longest, " values on axis ", axis,
            " and the model's input ", needed.positions(), " on axis ", needed.axis,
            "; give foal::tokens<longest, axis> that hold them, or drop longer samples");
  }
}

/// And whether their targets are the loss's: how many it takes of a sample that is no sequence; classes: below which they
/// are, 0: they are no class numbers.
template <class Description>
void check_source(source_facts const& f, std::string const& model, Description const& d, int targets, int classes) {
  check_inputs(f, model, d);
  if (f.axes == 0)
    require(f.target_size == targets, "cannot train on these samples, because each has ", f.target_size,
            " targets and the loss takes ", targets, "; change the loss or the data");
  else
    require(d.output.axis == f.axes, "cannot train ", model, " on these sequences, because their targets lie on axis ",
            f.axes, " and the model's output on axis ", d.output.axis,
            "; let the model end on the sequence whose tokens it predicts");
  require(classes == 0 || f.classes <= classes, "cannot train on these samples, because their targets are of ", f.classes,
          " classes and the model ends in ", classes, " outputs; widen the last layer");
}

/// where: "sample 7".
inline std::string misfit_sentence(std::string const& where, long long target, int classes) {
  return sentence("cannot use ", where, ", because its target is ", target, " and the model has ", classes,
                  " classes, 0 to ", classes - 1,
                  "; count classes from 0, widen the last layer, or give a target that does not count the number that the "
                  "loss ignores");
}

/// Throws foal::error where a sequence of a source is too short to come in so many segments.
template <class Source>
void check_shortest(Source const& from, int segments) {
  if constexpr (data::sequence_source<Source>)
    for (long long i = 0; segments > 1 && i < from.size(); ++i)
      for (int a = 1; a <= from.axes(); ++a)
        require(from.length(i, a) >= segments, "cannot train on these sequences in ", segments, " segments, because sample ",
                i, " has ", from.length(i, a), " positions; use as many segments at most, or longer samples");
}

/// Looks at the targets of all samples of a source that does not say below which number they are, if the loss takes class
/// numbers. Throws foal::error with the first sample whose target the model has no class for. Needs check_source().
template <class Target, class Source>
void check_targets(Source const& from, source_facts const& f, table::loss_functions const& loss, int classes) {
  if (f.classes != 0 || loss.count == nullptr || !data::has_targets(data::loaded_part(from))) return;
  int const size = f.axes == 0 ? f.target_size : f.longest[f.axes - 1];
  std::vector<Target> t(static_cast<std::size_t>(size));
  for (long long i = 0; i < f.samples; ++i) {
    if constexpr (data::sequence_source<Source>)
      from.write_target(i, size, t.data());
    else
      from.write_target(i, t.data());
    table::target_counts const found = loss.count(t.data(), size, classes);
    if (found.misfit >= 0) throw error(misfit_sentence(sentence("sample ", i), found.value, classes));
  }
}

}  // namespace foal::executor
