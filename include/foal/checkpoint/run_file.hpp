// A run that is cut, to the two parts of a checkpoint and back: weights, which any run of the model can begin with, and all
// that the same run needs besides.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/checkpoint/part_file.hpp>
#include <foal/checkpoint/state_arrays.hpp>
#include <foal/executor/cut.hpp>
#include <foal/observe/fit_history.hpp>
#include <foal/policy/state.hpp>

namespace foal::checkpoint {

inline constexpr char const *weights_file = "weights-000.safetensors", *run_file = "run-000.safetensors";

/// All of a run.
struct saved_run {
  executor::run_cut run{};
  policy_state policies{};
  long long epochs = 0;  ///< that fits had begun before
  fit_history fit{};
};

/// What the weights part says.
struct saved_weights {
  long long update = 0, epochs = 0;
  policy_state policies{};
  std::vector<executor::saved_array> arrays{};  ///< of stages, as far as they have names
  int missing = 0, unknown = 0;                 ///< states that are not in the file, and not in the run
};

namespace detail {

/// "3.optimizer_state.1", the same for any number of workers.
inline std::string text_of(executor::array_id id) {
  std::string what = executor::name(id.purpose);
  std::replace(what.begin(), what.end(), ' ', '_');
  return std::to_string(id.unit) + "." + what + "." + std::to_string(id.entry);
}
inline executor::array_id id_of(part_view const& from, std::string const& text) {
  std::size_t const first = text.find('.'), last = text.rfind('.');
  if (first == std::string::npos || first == last) from.refuse("'", text, "' is no name of an array");
  executor::array_id id{
      from.number_of<int>(text, text.substr(0, first)), {}, from.number_of<int>(text, text.substr(last + 1))};
  for (int p = 0; p <= static_cast<int>(executor::array_purpose::reference); ++p) {
    id.purpose = static_cast<executor::array_purpose>(p);
    if (text_of(id) == text) return id;
  }
  from.refuse("'", text, "' is no name of an array");
}

/// Of a share: how many units the run has, and which of them are in it.
inline constexpr char const *units_key = "foal.units", *hosted_units = "unit.number";

inline constexpr char const *arrays_key = "foal.arrays", *policies_key = "foal.policies", *identity_key = "foal.identity",
                            *part_key = "foal.part", *update_key = "foal.update", *epochs_key = "foal.epochs";

inline void add_units(part_content& to, executor::run_cut const& of) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> whole;
  std::vector<std::pair<std::string, std::vector<double>>> real;
  auto const put = [](auto& rows, std::string const& name, auto x) {
    auto at = std::find_if(rows.begin(), rows.end(), [&](auto const& row) { return row.first == name; });
    if (at == rows.end()) at = rows.insert(rows.end(), {name, {}});
    at->second.push_back(x);
  };
  for (std::size_t i = 0; i < of.units.size(); ++i)
    executor::each_number_of_unit(of.units[i], [&](std::string const& name, auto const& x) {
      if (!of.has(static_cast<int>(i))) return;
      if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(x)>>)
        put(real, name, x);
      else
        put(whole, name, static_cast<std::int64_t>(x));
    });
  for (auto const& [name, numbers] : whole) to.add_numbers("unit." + name, numbers);
  for (auto const& [name, numbers] : real) to.add_numbers("unit." + name, numbers);
  if (of.hosted.empty()) return;
  to.about[units_key] = std::to_string(of.units.size());
  to.add_numbers(hosted_units, std::vector<std::int64_t>(of.hosted.begin(), of.hosted.end()));
}
inline std::vector<executor::unit_state> units_of(part_view const& from) {
  std::vector<executor::unit_state> units(from.numbers<std::int64_t>("unit.updates").size());
  executor::unit_state names;
  std::map<std::string, std::vector<std::int64_t>> whole;
  std::map<std::string, std::vector<double>> real;
  auto const get = [&](auto& to, std::string const& name) {
    using T = typename std::remove_cvref_t<decltype(to)>::mapped_type::value_type;
    to[name] = from.numbers<T>("unit." + name);
    if (to[name].size() != units.size())
      from.refuse("it has ", to[name].size(), " numbers 'unit.", name, "' where there are ", units.size(), " units");
  };
  executor::each_number_of_unit(names, [&](std::string const& name, auto& x) {
    if constexpr (std::is_floating_point_v<std::remove_cvref_t<decltype(x)>>)
      get(real, name);
    else
      get(whole, name);
  });
  for (std::size_t u = 0; u < units.size(); ++u)
    executor::each_number_of_unit(units[u], [&](std::string const& name, auto& x) {
      using T = std::remove_cvref_t<decltype(x)>;
      if constexpr (std::is_floating_point_v<T>)
        x = real[name][u];
      else
        x = static_cast<T>(whole[name][u]);
    });
  return units;
}

/// The same by their numbers.
inline void read_units(executor::run_cut& to, part_view const& from) {
  std::vector<executor::unit_state> own = units_of(from);
  if (from.find(hosted_units) == nullptr) {
    to.units = std::move(own);
    return;
  }
  auto const numbers = from.numbers<std::int64_t>(hosted_units);
  auto const all = from.number<std::int64_t>(units_key);
  bool fits = all > 0 && all < 1 << 24 && numbers.size() == own.size() && std::is_sorted(numbers.begin(), numbers.end());
  for (std::int64_t const u : numbers) fits = fits && u >= 0 && u < all;
  if (!fits) from.refuse("its '", hosted_units, "' are not ", own.size(), " of ", all, " units");
  to.units.resize(static_cast<std::size_t>(all));
  for (std::size_t i = 0; i < own.size(); ++i) {
    to.units[static_cast<std::size_t>(numbers[i])] = own[i];
    to.hosted.push_back(static_cast<int>(numbers[i]));
  }
}

inline void add_losses(part_content& to, std::vector<executor::losses_so_far> const& all) {
  std::vector<std::int64_t> counts;
  std::vector<double> open;
  for (executor::losses_so_far const& of : all) {
    counts.insert(counts.end(), {of.count, of.complete, static_cast<std::int64_t>(of.open.size())});
    for (executor::partial_sum const& p : of.open)
      open.insert(open.end(), {p.sum.sum, p.sum.weight, static_cast<double>(p.sum.correct), static_cast<double>(p.count)});
  }
  to.add_numbers("losses.counts", counts, 3);
  to.add_numbers("losses.open", open, 4);
}
inline std::vector<executor::losses_so_far> losses_of(part_view const& from) {
  auto const counts = from.numbers<std::int64_t>("losses.counts", 3);
  auto const open = from.numbers<double>("losses.open", 4);
  std::vector<executor::losses_so_far> all;
  std::size_t at = 0;
  for (std::size_t r = 0; r + 2 < counts.size(); r += 3) {
    executor::losses_so_far& of = all.emplace_back();
    of.count = counts[r];
    of.complete = counts[r + 1];
    auto const n = static_cast<std::uint64_t>(counts[r + 2]);
    if (n > (open.size() - at) / 4) from.refuse("its 'losses.open' are fewer than 'losses.counts' says");
    for (std::uint64_t i = 0; i < n; ++i, at += 4)
      of.open.push_back(
          {{open[at], open[at + 1], static_cast<long long>(open[at + 2])}, static_cast<long long>(open[at + 3])});
  }
  return all;
}

inline void add_history(part_content& to, fit_history const& fit) {
  std::vector<double> epochs, evaluations;
  for (loss::loss_result const& e : fit.epochs)
    epochs.insert(epochs.end(), {e.sum, e.weight, static_cast<double>(e.correct)});
  for (std::size_t i = 0; i < fit.evaluations.size(); ++i) {
    executor::evaluation_result const& e = fit.evaluations[i];
    evaluations.insert(evaluations.end(),
                       {static_cast<double>(e.update), e.loss, e.accuracy, static_cast<double>(e.samples)});
    if (!e.fault.empty()) to.about["fit.fault." + std::to_string(i)] = e.fault;
  }
  to.add_numbers("fit.epochs", epochs, 3);
  to.add_numbers("fit.evaluations", evaluations, 4);
  to.about["fit.seconds"] = report::shortest(fit.seconds);
  to.about["fit.ended"] = fit.ended ? "1" : "0";
}
inline fit_history history_of(part_view const& from, metadata const& about) {
  fit_history fit;
  auto const epochs = from.numbers<double>("fit.epochs", 3), evaluations = from.numbers<double>("fit.evaluations", 4);
  for (std::size_t i = 0; i < epochs.size(); i += 3)
    fit.epochs.push_back({epochs[i], epochs[i + 1], static_cast<long long>(epochs[i + 2])});
  for (std::size_t i = 0; i < evaluations.size(); i += 4) {
    auto const fault = about.find("fit.fault." + std::to_string(i / 4));
    fit.evaluations.push_back({static_cast<long long>(evaluations[i]), evaluations[i + 1], evaluations[i + 2],
                               static_cast<long long>(evaluations[i + 3]), fault == about.end() ? "" : fault->second});
  }
  fit.seconds = from.number<double>("fit.seconds");
  fit.ended = from.number<int>("fit.ended") != 0;
  return fit;
}

/// Whether a tensor is what a run has under its name.
inline std::string misfit(stored_tensor const& t, named_array const& a) {
  if (t.dtype != a.dtype()) return sentence("its ", a.name, " is of type ", t.dtype, " where ", a.dtype(), " is expected");
  if (t.shape != a.layout.shape)
    return sentence("its ", a.name, " has the shape ", text(t.shape), " where ", text(a.layout.shape), " is expected");
  return {};
}

}  // namespace detail

/// The two parts of a checkpoint, before they are written. They point into the run that they are of.
struct run_parts {
  part_content weights, run;
  std::vector<std::byte> reordered{};  ///< arrays that PyTorch orders in another way; kept, as new pages cost more than work
};

/// Needs that `from` stays as it is until the parts have been written. Which of its arrays the weights part has, `named`
/// says. Of a share they have what the process hosts.
inline void encode(run_parts& to, saved_run const& from, std::vector<named_array> const& named, std::string const& model) {
  to.weights.clear();
  to.run.clear();
  to.weights.about = {{"format", "pt"},
                      {"foal.model", model},
                      {detail::part_key, "weights"},
                      {detail::update_key, std::to_string(from.run.update)},
                      {detail::epochs_key, std::to_string(from.epochs)},
                      {detail::policies_key, lines_of(from.policies)}};
  to.run.about = {{detail::part_key, "run"}, {detail::identity_key, lines_of(from.run.of.items)}};
  executor::each_number_of_run(from.run.run,
                               [&](std::string const& name, auto x) { to.run.about["run." + name] = std::to_string(x); });
  std::map<executor::array_id, executor::saved_array const*> arrays;
  std::map<executor::array_id, std::size_t> bytes;
  for (executor::saved_array const& a : from.run.arrays) {
    arrays[a.id] = &a;
    if (!a.slots.empty()) bytes[a.id] = a.slots.front().bytes.size();
  }
  std::size_t reordered = 0;
  for (named_array const& a : named) reordered += a.layout.how == array_layout::kind::same ? 0 : padded(a.bytes());
  to.reordered.resize(reordered);
  reordered = 0;
  for (named_array const& a : named) {
    auto const at = arrays.find(a.in);
    bool const there = at != arrays.end() && at->second->slots.size() == 1 &&
                       at->second->slots.front().bytes.size() >= a.offset + a.bytes();
    require(there, "cannot save this run, because its cut has no ", a.name, "; save the cut of the run that it is");
    std::byte const* where = at->second->slots.front().bytes.data() + a.offset;
    if (a.layout.how != array_layout::kind::same) {
      std::byte* const other = to.reordered.data() + reordered;
      to_pytorch(a.layout, bytes_of(a.type), a.size, where, other);
      reordered += padded(a.bytes());
      where = other;
    }
    to.weights.add(a.name, a.dtype(), a.layout.shape, where, a.bytes());
  }
  auto const rest = detail::unnamed(named, bytes);
  std::string list;
  for (executor::saved_array const& a : from.run.arrays) {
    if (!from.run.has(a.id.unit)) continue;  // another process saves what several have
    std::string const name = detail::text_of(a.id);
    auto const gaps = rest.find(a.id);
    list += name + "=" + std::to_string(gaps == rest.end() ? 0 : bytes[a.id]) + "\n";
    if (gaps != rest.end()) {
      std::vector<std::byte> others;
      for (auto const& [begin, end] : gaps->second) {
        auto const first = a.slots.front().bytes.begin();
        others.insert(others.end(), first + static_cast<std::ptrdiff_t>(begin), first + static_cast<std::ptrdiff_t>(end));
      }
      if (!others.empty()) to.run.add_bytes(name + ".rest", "U8", {others.size()}, others.data(), others.size());
      continue;
    }
    for (executor::saved_slot const& slot : a.slots)
      to.run.add(slot.microbatch < 0 ? name : name + "." + std::to_string(slot.microbatch), "U8", {slot.bytes.size()},
                 slot.bytes.data(), slot.bytes.size());
  }
  to.run.about[detail::arrays_key] = list;
  detail::add_units(to.run, from.run);
  detail::add_losses(to.run, from.run.run.losses);
  detail::add_history(to.run, from.fit);
}

/// The weights part for a run that has these arrays, which may have other stages. Throws foal::error where a parameter or a
/// statistic is missing, is not expected, or is of another shape or type; states may be missing.
inline saved_weights weights_of(std::string const& path, safetensors_content const& c,
                                std::vector<named_array> const& named) {
  part_view const from(path, c);
  if (from.text(detail::part_key) != "weights") from.refuse("it is the part '", from.text(detail::part_key), "' of one");
  saved_weights all{from.number<long long>(detail::update_key),
                    from.number<long long>(detail::epochs_key),
                    from.lines(detail::policies_key),
                    {},
                    0,
                    0};
  std::map<executor::array_id, std::vector<std::byte>> arrays;
  for (named_array const& a : named) {
    auto& bytes = arrays[a.in];
    bytes.resize(std::max(bytes.size(), a.offset + a.bytes()));
  }
  std::size_t used = 0;
  for (named_array const& a : named) {
    stored_tensor const* const t = from.find(a.name);
    if (t == nullptr && a.state) ++all.missing;
    if (t == nullptr && !a.state) from.refuse("it has no ", a.name, ", which the model has");
    if (t == nullptr) continue;
    if (std::string const why = detail::misfit(*t, a); !why.empty()) from.refuse(why);
    from_pytorch(a.layout, bytes_of(a.type), a.size, from.at(*t), arrays[a.in].data() + a.offset);
    ++used;
  }
  if (used < from.tensors().size()) {
    std::map<std::string, bool> known;
    for (named_array const& a : named) known[a.name] = true;
    for (stored_tensor const& t : from.tensors()) {
      if (known.contains(t.name)) continue;
      if (!t.name.starts_with(optimizer_prefix) && !t.name.starts_with(delay_prefix))
        from.refuse("it has ", t.name, ", which the model has not");
      ++all.unknown;
    }
  }
  for (auto& [id, bytes] : arrays) all.arrays.push_back({id, {{-1, std::move(bytes)}}});
  return all;
}

/// Both parts for a run of the same tables, or one process's parts of it: a share. Throws foal::error where something is
/// missing. wants: arrays that are read; empty: all.
inline saved_run run_of(std::string const& weights_path, safetensors_content const& weights, std::string const& run_path,
                        safetensors_content const& run, std::vector<named_array> const& named_here,
                        std::function<bool(executor::array_id)> const& wants = {}) {
  part_view const from(run_path, run);
  if (from.text(detail::part_key) != "run") from.refuse("it is the part '", from.text(detail::part_key), "' of one");
  saved_run all;
  detail::read_units(all.run, from);
  std::vector<named_array> named;
  for (named_array const& a : named_here)
    if (all.run.has(a.in.unit)) named.push_back(a);
  saved_weights with_names = weights_of(weights_path, weights, named);
  if (with_names.missing > 0) from.refuse("the weights beside it lack ", with_names.missing, " states of this run");
  all.epochs = with_names.epochs;
  all.policies = std::move(with_names.policies);
  all.run.update = with_names.update;
  all.run.of.items = from.lines(detail::identity_key);
  executor::each_number_of_run(all.run.run, [&](std::string const& name, auto& x) {
    x = from.number<std::remove_cvref_t<decltype(x)>>("run." + name);
  });
  all.run.run.losses = detail::losses_of(from);
  all.fit = detail::history_of(from, run.about);
  std::map<executor::array_id, std::vector<std::byte>*> named_bytes;
  std::map<executor::array_id, std::size_t> bytes;
  for (executor::saved_array& a : with_names.arrays) named_bytes[a.id] = &a.slots.front().bytes;
  auto lines = from.lines(detail::arrays_key);
  if (wants) std::erase_if(lines, [&](auto const& line) { return !wants(detail::id_of(from, line.first)); });
  for (auto const& [name, size] : lines)
    if (!bytes.emplace(detail::id_of(from, name), from.number_of<std::size_t>(name, size)).second)
      from.refuse("it lists ", name, " twice");
  auto const rest = detail::unnamed(named, bytes);
  std::multimap<std::string, std::pair<long long, stored_tensor const*>> slots;  // by the name of the array
  for (stored_tensor const& t : from.tensors()) {
    std::size_t const last = t.name.rfind('.'),
                      before = last == std::string::npos || last == 0 ? last : t.name.rfind('.', last - 1);
    bool const ring = before != std::string::npos && before > 0 && t.name.find('.') < before;
    std::string_view const end = std::string_view(t.name).substr(last + 1);
    if (ring && !end.empty() && end.find_first_not_of("0123456789") == std::string_view::npos)
      slots.emplace(t.name.substr(0, last), std::pair(from.number_of<long long>(t.name, end), &t));
  }
  for (auto const& [name, size] : lines) {
    executor::saved_array& a = all.run.arrays.emplace_back();
    a.id = detail::id_of(from, name);
    auto const copy = [&](stored_tensor const& t, long long m) {
      auto const* const first = reinterpret_cast<std::byte const*>(from.at(t));
      a.slots.push_back({m, {first, first + part_view::size(t)}});
    };
    if (auto const gaps = rest.find(a.id); gaps != rest.end()) {
      a.slots.push_back({-1, std::move(*named_bytes.at(a.id))});
      std::vector<std::byte>& to = a.slots.front().bytes;
      std::size_t at = 0, needed = 0;
      for (auto const& [begin, end] : gaps->second) needed += end - begin;
      stored_tensor const* const others = from.find(name + ".rest");
      if ((others == nullptr ? 0 : part_view::size(*others)) != needed || to.size() > bytes[a.id] ||
          bytes[a.id] > to.size() + needed)
        from.refuse("what it has of ", name, " does not fit the weights beside it");
      to.resize(bytes[a.id]);
      for (auto const& [begin, end] : gaps->second) {
        std::memcpy(to.data() + begin, from.at(*others) + at, end - begin);
        at += end - begin;
      }
    } else if (stored_tensor const* const whole = from.find(name); whole != nullptr) {
      copy(*whole, -1);
    } else {
      auto const [first, last] = slots.equal_range(name);
      for (auto at = first; at != last; ++at) copy(*at->second.second, at->second.first);
    }
  }
  return all;
}

}  // namespace foal::checkpoint
