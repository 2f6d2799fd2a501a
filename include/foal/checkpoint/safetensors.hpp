// A trainer's weights to and from safetensors, by name, in PyTorch's layouts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/layout.hpp>
#include <foal/checkpoint/safetensors_file.hpp>
#include <foal/core/role.hpp>

namespace foal::checkpoint {

/// Key of the metadata that says "average" where a file holds averaged weights.
inline constexpr char const* weights_key = "foal.weights";

/// Key under which read_safetensors() notes which tensors of a file it has passed over.
inline constexpr char const* skipped_key = "foal.skipped";

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
class name_list {
 public:
  void add(std::string const& name) {
    constexpr std::size_t most = 6;
    if (count_ < most) text_ += (count_ > 0 ? ", " : "") + name;
    more_ = ++count_ > most ? sentence(" and ", count_ - most, " more") : "";
  }
  bool empty() const { return count_ == 0; }
  std::string text() const { return text_ + more_; }

 private:
  std::string text_, more_;
  std::size_t count_ = 0;
};

/// PyTorch's batch norm counts its batches, which nothing of foal's reads.
inline bool is_batch_count(std::string_view name) {
  constexpr std::string_view count = "num_batches_tracked";
  return name.ends_with(count) && (name.size() == count.size() || name[name.size() - count.size() - 1] == '.');
}

/// Parameters, as values(stage, number in the stage) gives them, and running statistics, of those stages of which has(stage)
/// is true.
template <class Trainer, class Values, class Has>
safetensors_content content_of(Trainer const& t, metadata about, Values const& values, Has const& has) {
  using scalar = typename Trainer::scalar_type;
  safetensors_content c;
  c.about = std::move(about);
  c.about["format"] = "pt";
  c.about["foal.model"] = t.tables().model_name;
  c.about.erase(skipped_key);  // said of the file that the metadata may be from
  each_array(t, [&](std::string const& name, array_layout const& layout, int stage, std::size_t which, bool statistic,
                    std::size_t size) {
    if (!has(stage)) return;
    std::vector<scalar> const v = statistic ? t.statistics(stage, which) : values(stage, which);
    std::size_t const begin = c.buffer.size();
    c.buffer.resize(begin + size * sizeof(scalar));
    for (std::size_t i = 0; i < size; ++i)
      std::memcpy(c.buffer.data() + begin + layout.place(i) * sizeof(scalar), &v[i], sizeof(scalar));
    c.tensors.push_back({name, dtype_of(element_of<scalar>()), layout.shape, begin, c.buffer.size()});
  });
  return c;
}

template <class Trainer, class Values>
void write_arrays(std::string const& path, Trainer const& t, metadata about, Values const& values) {
  write_safetensors_file(path, content_of(t, std::move(about), values, [](int) { return true; }));
}

}  // namespace detail

/// Writes every parameter and every running statistic of a trainer as "<layer number>.<layer>.<parameter>", in its scalar
/// type and PyTorch's layouts (array_layout), whole or not at all. `about` goes into the metadata. Refused while a fit
/// is at work, but for a callback of an evaluation, which writes what was evaluated. Optimizer state and the count of
/// updates are not in it: these are weights, not a run.
template <class Trainer>
void write_safetensors(std::string const& path, Trainer const& t, metadata about = {}) {
  detail::write_arrays(path, t, std::move(about), [&](int stage, std::size_t which) { return t.weights(stage, which); });
}

/// The same with the average (optim::averaged) in place of the weights, and running statistics as they are: what
/// evaluate_average() judges. Throws foal::error before the first update.
template <class Trainer>
void write_averaged_safetensors(std::string const& path, Trainer const& t, metadata about = {}) {
  constexpr bool keeps_average = requires { Trainer::template policy<role::optimizer>::average; };
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

/// Sets every parameter and running statistic of a trainer from a file and gives the file's metadata. F32, F64, F16 and BF16
/// are read into either scalar type (F64 into float rounds to nearest, the rest is exact). A tensor that is missing, not
/// expected, of another shape or type is refused by name, and then nothing of the trainer has changed; PyTorch's
/// num_batches_tracked, and the states in the weights part of a checkpoint, are passed over, and the metadata names them
/// under skipped_key. Optimizer state stays as it is. Not while a fit is at work. Memory: the weights in the trainer's
/// scalar type and the file's largest tensor.
template <class Trainer>
metadata read_safetensors(std::string const& path, Trainer& t) {
  using scalar = typename Trainer::scalar_type;
  safetensors_reader from(path);
  struct array {
    std::string name;
    int stage;
    std::size_t which;
    bool statistic;
    array_layout layout;
    element_reader<scalar> element;
    std::vector<scalar> values;
  };
  std::vector<array> all;
  std::map<std::string, std::size_t> expected;
  detail::each_array(t, [&](std::string const& name, array_layout const& layout, int stage, std::size_t which,
                            bool statistic, std::size_t size) {
    expected.emplace(name, all.size());
    all.push_back({name, stage, which, statistic, layout, nullptr, std::vector<scalar>(size)});
  });
  auto const array_of = [&](stored_tensor const& s) {
    auto const at = expected.find(s.name);
    return at == expected.end() ? nullptr : &all[at->second];
  };
  detail::name_list missing, unexpected, skipped;
  for (stored_tensor const& s : from.tensors()) {
    array* const a = array_of(s);
    if (a == nullptr) {
      bool const state = s.name.starts_with(optimizer_prefix) || s.name.starts_with(delay_prefix);
      (state || detail::is_batch_count(s.name) ? skipped : unexpected).add(s.name);
      continue;
    }
    a->element = reader_of<scalar>(s.dtype);
    require(a->element != nullptr, "cannot read ", path, " into ", t.tables().model_name, ", because its ", s.name,
            " is of type ", s.dtype, " where F32, F64, F16 or BF16 is expected; convert it");
    require(s.shape == a->layout.shape, "cannot read ", path, " into ", t.tables().model_name, ", because its ", s.name,
            " has the shape ", text(s.shape), " where ", text(a->layout.shape),
            " is expected; use the model that it was written from");
  }
  for (array const& a : all)
    if (a.element == nullptr) missing.add(a.name);
  require(missing.empty() && unexpected.empty(), "cannot read ", path, " into ", t.tables().model_name, ", because ",
          missing.empty() ? "" : "it lacks " + missing.text(), missing.empty() || unexpected.empty() ? "" : " and ",
          unexpected.empty() ? "" : "it has " + unexpected.text() + ", which the model has not",
          "; use the model that it was written from, or rename its tensors");
  std::vector<std::uint8_t> bytes;
  from.read(
      [&](stored_tensor const& s) -> std::uint8_t* {
        if (array_of(s) == nullptr) return nullptr;
        bytes.resize(std::max<std::size_t>(bytes.size(), s.end - s.begin));
        return bytes.data();
      },
      [&](stored_tensor const& s) {
        if (array* const a = array_of(s); a != nullptr)
          for (std::size_t i = 0; i < a->values.size(); ++i) a->values[i] = a->element(bytes.data(), a->layout.place(i));
      });
  for (array const& a : all)
    if (a.statistic)
      t.set_statistics(a.stage, a.which, a.values);
    else
      t.set_weights(a.stage, a.which, a.values);
  metadata about = from.about();
  if (!skipped.empty()) about[skipped_key] = skipped.text();
  return about;
}

}  // namespace foal::checkpoint
