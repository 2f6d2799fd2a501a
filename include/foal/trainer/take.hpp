// Weights from one trainer, predictor or evaluation to another of the same net.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/model/stages.hpp>
#include <foal/table/run_tables.hpp>

namespace foal {

/// What weights are taken from: tables(), and by stage and number weights() and statistics().
template <class T>
concept has_weights = requires(T const& t, int stage, std::size_t which) {
  { t.tables() } -> std::convertible_to<table::run_tables const&>;
  t.weights(stage, which);
  t.statistics(stage, which);
};
/// And read_out(): what its delay policy has evaluations read.
template <class T>
concept has_read_out = has_weights<T> && requires(T const& t, int stage, std::size_t which) { t.read_out(stage, which); };

namespace detail {

/// Whether the types of two nets can have the same arrays: as many layers of the same names. Frozen or not is all the same.
template <class A, class B>
constexpr bool same_layers() {
  constexpr auto name_of_layer = [](auto const& d, int number) {
    for (int i = 0; i < d.size; ++i)
      if (d.row[i].kind == item_kind::layer && d.row[i].number == number) return std::string_view(d.row[i].info->name);
    return std::string_view();
  };
  int number = 0;
  for (; !name_of_layer(A::description, number).empty(); ++number)
    if (name_of_layer(A::description, number) != name_of_layer(B::description, number)) return false;
  return name_of_layer(B::description, number).empty();
}

/// Sets every parameter and statistic of `to` from the one of the same name and extents: parameters as values(stage,
/// number) gives them. Throws foal::error, and then nothing of `to` has changed, where the two differ.
template <class To, has_weights From, class Values>
void take_weights(To& to, From const& from, Values values) {
  using scalar = typename To::scalar_type;
  if constexpr (requires { typename From::model_type; })
    static_assert(same_layers<typename To::model_type, typename From::model_type>(),
                  "foal: cannot take these weights, because the layers of From's net are not those of To's; give one of "
                  "the same net (some layers of one may be frozen)");
  struct numbered {
    table::parameter_row const* row;
    int stage;
    std::size_t which;
  };
  struct array {
    numbered at;
    bool statistic;
    std::vector<scalar> v;
  };
  auto const arrays_of = [](table::run_tables const& t, bool statistic) {
    std::vector<numbered> all;
    for (std::size_t s = 0; s < t.stages.size(); ++s) {
      auto const& rows = statistic ? t.stages[s].buffers : t.stages[s].parameters;
      for (std::size_t i = 0; i < rows.size(); ++i)
        if (rows[i].home_stage < 0) all.push_back({&rows[i], static_cast<int>(s), i});
    }
    std::sort(all.begin(), all.end(), [](numbered const& a, numbered const& b) { return a.row->name < b.row->name; });
    return all;
  };
  auto const find = [](std::vector<numbered> const& in, std::string const& name) {
    auto const at = std::lower_bound(in.begin(), in.end(), name,
                                     [](numbered const& p, std::string const& n) { return p.row->name < n; });
    return at != in.end() && at->row->name == name ? at : in.end();
  };
  std::vector<array> found;
  for (bool const statistic : {false, true}) {
    auto const mine = arrays_of(to.tables(), statistic), given = arrays_of(from.tables(), statistic);
    for (numbered const& at : mine) {
      auto const other = find(given, at.row->name);
      require(other != given.end() && other->row->what.extent == at.row->what.extent, "cannot take these weights, because ",
              to.tables().model_name, " has ", at.row->name, " of ", at.row->size, " elements, and ",
              from.tables().model_name, other == given.end() ? " has none" : " has another of that name",
              "; give weights of the same net");
      auto const v = statistic ? from.statistics(other->stage, other->which) : values(other->stage, other->which);
      found.push_back({at, statistic, std::vector<scalar>(v.size())});
      for (std::size_t i = 0; i < v.size(); ++i) found.back().v[i] = static_cast<scalar>(v[i]);
    }
    for (numbered const& at : given)
      require(find(mine, at.row->name) != mine.end(), "cannot take these weights, because ", from.tables().model_name,
              " has ", at.row->name, " and ", to.tables().model_name, " has not; give weights of the same net");
  }
  for (array const& a : found)
    if (a.statistic)
      to.set_statistics(a.at.stage, a.at.which, a.v);
    else
      to.set_weights(a.at.stage, a.at.which, a.v);
}

template <class To, has_weights From>
void take_weights(To& to, From const& from) {
  take_weights(to, from, [&from](int stage, std::size_t which) { return from.weights(stage, which); });
}

template <class To, has_weights From>
void take_average(To& to, From const& from) {
  constexpr bool keeps_average = requires { from.average(0, std::size_t{0}); };
  static_assert(keeps_average,
                "foal: cannot take averaged weights, because the optimizer of From keeps no average; train it with "
                "foal::optim::averaged<>, or take its weights with take()");
  if constexpr (keeps_average)
    take_weights(to, from, [&from](int stage, std::size_t which) { return from.average(stage, which); });
}

}  // namespace detail

}  // namespace foal
