// A trainer's weights to and from safetensors, by name, in PyTorch's layouts.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <foal/checkpoint/layout.hpp>
#include <foal/checkpoint/safetensors_file.hpp>

namespace foal::checkpoint {

namespace detail {

/// Calls f(name, layout, number of the stage, number in the stage, whether it is a statistic, size) for every array; one
/// that is tied counts once, at its home.
template <class Trainer, class F>
void each_array(Trainer const& t, F f) {
  auto const& d = Trainer::model_type::description;
  layouts const all(d.row, d.size);
  for (std::size_t s = 0; s < t.tables().stages.size(); ++s)
    for (bool const statistic : {false, true}) {
      auto const& rows = statistic ? t.tables().stages[s].buffers : t.tables().stages[s].parameters;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i].home_stage < 0)
          f(rows[i].name, all.of(rows[i].number, rows[i].what), static_cast<int>(s), i, statistic,
            static_cast<std::size_t>(rows[i].size));
    }
}

/// "a, b, c and 5 more"
inline std::string listed(std::vector<std::string> const& names) {
  constexpr std::size_t most = 6;
  std::string all;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) all += (i > 0 ? ", " : "") + names[i];
  if (names.size() > most) all += " and " + std::to_string(names.size() - most) + " more";
  return all;
}

template <class S>
constexpr char const* dtype_of() {
  static_assert(sizeof(S) == 4 || sizeof(S) == 8);
  return sizeof(S) == 4 ? "F32" : "F64";
}

/// Element i of a buffer of From, as S.
template <class From, class S>
S element(std::uint8_t const* from, std::size_t i) {
  From value;
  std::memcpy(&value, from + i * sizeof(From), sizeof(From));
  return static_cast<S>(value);
}

/// Writes parameters, as values(stage, number in the stage) gives them, and running statistics.
template <class Trainer, class Values>
void write_arrays(std::string const& path, Trainer const& t, metadata about, Values values) {
  using scalar = typename Trainer::scalar_type;
  safetensors_content c;
  c.about = std::move(about);
  c.about["format"] = "pt";
  c.about["foal.model"] = t.tables().model_name;
  each_array(t, [&](std::string const& name, array_layout const& layout, int stage, std::size_t which, bool statistic,
                    std::size_t size) {
    std::vector<scalar> const v = statistic ? t.statistics(stage, which) : values(stage, which);
    std::size_t const begin = c.buffer.size();
    c.buffer.resize(begin + size * sizeof(scalar));
    for (std::size_t i = 0; i < size; ++i)
      std::memcpy(c.buffer.data() + begin + layout.place(i) * sizeof(scalar), &v[i], sizeof(scalar));
    c.tensors.push_back({name, dtype_of<scalar>(), layout.shape, begin, c.buffer.size()});
  });
  write_safetensors_file(path, std::move(c));
}

}  // namespace detail

/// Key of the metadata that says "average" where a file holds averaged weights.
inline constexpr char const* weights_key = "foal.weights";

/// Writes every parameter and every running statistic of a trainer as "<layer number>.<layer>.<parameter>", in its scalar
/// type and PyTorch's layouts (array_layout), whole or not at all. `about` goes into the metadata. Not while a fit is at
/// work. Optimizer state and the count of updates are not in it: these are weights, not a run.
template <class Trainer>
void write_safetensors(std::string const& path, Trainer const& t, metadata about = {}) {
  detail::write_arrays(path, t, std::move(about), [&](int stage, std::size_t which) { return t.weights(stage, which); });
}

/// The same with the average (optim::averaged) in place of the weights, and running statistics as they are: what
/// evaluate_average() judges. Throws foal::error before the first update.
template <class Trainer>
void write_averaged_safetensors(std::string const& path, Trainer const& t, metadata about = {}) {
  constexpr bool keeps_average = requires { Trainer::optim_type::average; };
  static_assert(keeps_average,
                "foal: cannot write averaged weights, because the optimizer of this Trainer keeps no average; train with "
                "foal::optim::averaged<> of it, or write the weights with write_safetensors()");
  if constexpr (keeps_average) {
    require(t.updates() > 0, "cannot write averaged weights to ", path, ", because there were ", t.updates(),
            " updates where the first one begins the average; train first, or write the weights with write_safetensors()");
    about[weights_key] = "average";
    detail::write_arrays(path, t, std::move(about), [&](int stage, std::size_t which) { return t.average(stage, which); });
  }
}

/// Sets every parameter and running statistic of a trainer from a file and gives the file's metadata. F32 and F64 are read
/// into either scalar type (F64 into float rounds to nearest). A tensor that is missing, not expected, of another shape or
/// type is refused by name, and then nothing of the trainer has changed. Optimizer state stays as it is. Not while a fit is
/// at work.
template <class Trainer>
metadata read_safetensors(std::string const& path, Trainer& t) {
  using scalar = typename Trainer::scalar_type;
  safetensors_content const c = read_safetensors_file(path);
  struct array {
    int stage;
    std::size_t which;
    bool statistic;
    std::vector<scalar> values;
  };
  std::vector<array> found;
  std::vector<std::string> missing, unexpected;
  std::map<std::string, stored_tensor const*> stored;
  for (stored_tensor const& s : c.tensors) stored[s.name] = &s;
  detail::each_array(t, [&](std::string const& name, array_layout const& layout, int stage, std::size_t which,
                            bool statistic, std::size_t size) {
    auto const at = stored.find(name);
    if (at == stored.end()) {
      missing.push_back(name);
      return;
    }
    stored_tensor const& s = *at->second;
    stored.erase(at);
    require(s.dtype == "F32" || s.dtype == "F64", "cannot read ", path, " into ", t.tables().model_name, ", because its ",
            name, " is of type ", s.dtype, " where F32 or F64 is expected; convert it");
    require(s.shape == layout.shape, "cannot read ", path, " into ", t.tables().model_name, ", because its ", name,
            " has the shape ", text(s.shape), " where ", text(layout.shape),
            " is expected; use the model that it was written from");
    array a{stage, which, statistic, std::vector<scalar>(size)};
    std::uint8_t const* const from = c.buffer.data() + s.begin;
    for (std::size_t i = 0; i < size; ++i)
      a.values[i] = s.dtype == "F32" ? detail::element<float, scalar>(from, layout.place(i))
                                     : detail::element<double, scalar>(from, layout.place(i));
    found.push_back(std::move(a));
  });
  for (auto const& entry : stored) unexpected.push_back(entry.first);
  require(missing.empty() && unexpected.empty(), "cannot read ", path, " into ", t.tables().model_name, ", because ",
          missing.empty() ? "" : "it lacks " + detail::listed(missing), missing.empty() || unexpected.empty() ? "" : " and ",
          unexpected.empty() ? "" : "it has " + detail::listed(unexpected) + ", which the model has not",
          "; use the model that it was written from, or rename its tensors");
  for (array const& a : found)
    if (a.statistic)
      t.set_statistics(a.stage, a.which, a.values);
    else
      t.set_weights(a.stage, a.which, a.values);
  return c.about;
}

}  // namespace foal::checkpoint
