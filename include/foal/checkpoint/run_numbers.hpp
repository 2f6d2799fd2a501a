// The numbers of a run part: counts of units, losses so far, what a fit has told.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/checkpoint/part_file.hpp>
#include <foal/executor/cut.hpp>
#include <foal/observe/fit_history.hpp>

namespace foal::checkpoint::detail {

/// Of a share: how many units the run has, and which of them are in it.
inline constexpr char const *units_key = "foal.units", *hosted_units = "unit.number";

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
  bool fits = all > 0 && all < 1 << 24 && numbers.size() == own.size() &&
              std::adjacent_find(numbers.begin(), numbers.end(), std::greater_equal<>{}) == numbers.end();
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

}  // namespace foal::checkpoint::detail
