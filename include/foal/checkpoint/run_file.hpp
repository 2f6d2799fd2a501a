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
#include <foal/checkpoint/run_numbers.hpp>
#include <foal/checkpoint/state_arrays.hpp>
#include <foal/checkpoint/tensor_pieces.hpp>
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

inline constexpr char const *arrays_key = "foal.arrays", *policies_key = "foal.policies", *identity_key = "foal.identity",
                            *part_key = "foal.part", *update_key = "foal.update", *epochs_key = "foal.epochs";

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
    if (!a.slots.empty()) bytes[a.id] = a.has.empty() ? a.slots.front().bytes.size() : a.whole;
  }
  auto const in_pieces = [&](executor::array_id id) {
    auto const at = arrays.find(id);
    return at != arrays.end() && !at->second->has.empty();
  };
  std::size_t reordered = 0;
  for (named_array const& a : named)
    reordered += a.layout.how == array_layout::kind::same || !a.here || in_pieces(a.in) ? 0 : padded(a.bytes());
  to.reordered.resize(reordered);
  reordered = 0;
  for (named_array const& a : named) {
    auto const at = arrays.find(a.in);
    if (in_pieces(a.in))
      detail::add_pieces(to.weights, *at->second, a.name, {a.offset, a.offset + a.bytes()}, a.offset, a.element_bytes(),
                         a.dtype());
    if (!a.here || in_pieces(a.in)) continue;
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
    std::string const name = detail::text_of(a.id);
    auto const gaps = rest.find(a.id);
    bool const lists = from.run.has(a.id.unit);  // else another process saves what several have
    if (lists) list += name + "=" + std::to_string(gaps == rest.end() ? 0 : bytes[a.id]) + "\n";
    if (!a.has.empty()) {
      if (gaps == rest.end()) detail::add_pieces(to.run, a, name, {0, a.whole}, 0, 1, "U8");
      if (gaps != rest.end())
        for (auto const& [begin, end] : gaps->second)
          detail::add_pieces(to.run, a, name + ".rest", {begin, end}, 0, 1, "U8");
      continue;
    }
    if (!lists) continue;
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
    if (t == nullptr && a.state && a.here) ++all.missing;
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
