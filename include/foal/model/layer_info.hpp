// A layer type as a value: what the model and the lowering read of it, so that they need no templates over layers.
#pragma once

#include <concepts>
#include <string_view>

#include <foal/core/type_list.hpp>
#include <foal/layer/contract.hpp>

namespace foal {

namespace detail {

/// Tags are told apart by their names, not by addresses of objects: under some sanitizers a compiler takes no comparison of
/// addresses for a constant. Empty: the activations.
using tag_name = std::string_view;

template <class Tag>
constexpr tag_name name_of() {
  return __PRETTY_FUNCTION__;
}

}  // namespace detail

/// Most entries that a layer reads beside its input.
inline constexpr int most_reads = 2;

/// The least a layer must have; the rest of the contract has defaults (layer/contract.hpp).
template <class L>
concept layer = requires(shape in) {
  { L::name } -> std::convertible_to<char const*>;
  { L::output(in) } -> std::same_as<shape>;
};

/// The constants of a layer, as functions of its input's shape.
struct layer_info {
  char const* name;
  bool (*accepts)(shape in);
  shape (*output)(shape in);
  list<parameter> (*parameters)(shape in);
  list<parameter> (*buffers)(shape in);
  list<kept_entry> (*kept)(shape in);
  until input_kept, output_kept;
  bool in_place;
  amount (*scratch)(shape in);
  long long (*flops)(shape in);
  int (*least_samples)(shape in);
  int reads;  ///< entries that it reads beside its input
  detail::tag_name read[most_reads];
  until reads_kept;
  bool (*accepts_read)(int i, shape in, shape other);
  bool ragged, segmented;
  bool exact;  ///< no codec may touch what it gives
  list<kept_entry> (*carried)(shape in);
};

namespace detail {

template <class L>
constexpr until input_kept() {
  if constexpr (requires { L::input_kept; })
    return L::input_kept;
  else
    return until::forward;
}
template <class L>
constexpr until output_kept() {
  if constexpr (requires { L::output_kept; })
    return L::output_kept;
  else
    return until::forward;
}
template <class L>
constexpr bool in_place() {
  if constexpr (requires { L::in_place; })
    return L::in_place;
  else
    return false;
}

template <class L>
constexpr bool ragged() {
  if constexpr (requires { L::ragged; })
    return L::ragged;
  else
    return false;
}

template <class L>
constexpr bool segmented() {
  if constexpr (requires { L::segmented; })
    return L::segmented;
  else
    return false;
}

template <class L>
constexpr bool exact() {
  if constexpr (requires { L::exact; })
    return L::exact;
  else
    return false;
}

template <class L>
constexpr until reads_kept() {
  if constexpr (requires { L::reads_kept; })
    return L::reads_kept;
  else
    return until::forward;
}

struct read_names {
  int count = 0;
  tag_name name[most_reads]{};
};
template <class... Tags>
constexpr read_names names_of(type_list<Tags...>) {
  static_assert(sizeof...(Tags) <= most_reads,
                "foal: cannot use this layer, because it reads more than 2 entries beside its input; join some of them");
  return {sizeof...(Tags), {name_of<Tags>()...}};
}
template <class L>
constexpr read_names reads_of() {
  if constexpr (requires { typename L::reads; })
    return names_of(typename L::reads{});
  else
    return {};
}

}  // namespace detail

template <layer L>
inline constexpr layer_info info_of{L::name,
                                    [](shape in) -> bool {
                                      if constexpr (requires { L::accepts(in); })
                                        return L::accepts(in);
                                      else
                                        return true;
                                    },
                                    [](shape in) -> shape { return L::output(in); },
                                    [](shape in) -> list<parameter> {
                                      if constexpr (requires { L::parameters(in); })
                                        return L::parameters(in);
                                      else
                                        return {};
                                    },
                                    [](shape in) -> list<parameter> {
                                      if constexpr (requires { L::buffers(in); })
                                        return L::buffers(in);
                                      else
                                        return {};
                                    },
                                    [](shape in) -> list<kept_entry> {
                                      if constexpr (requires { L::kept(in); })
                                        return L::kept(in);
                                      else
                                        return {};
                                    },
                                    detail::input_kept<L>(),
                                    detail::output_kept<L>(),
                                    detail::in_place<L>(),
                                    [](shape in) -> amount {
                                      if constexpr (requires { L::scratch(in); })
                                        return L::scratch(in);
                                      else
                                        return {};
                                    },
                                    [](shape in) -> long long {
                                      if constexpr (requires { L::flops(in); })
                                        return L::flops(in);
                                      else
                                        return 0;
                                    },
                                    [](shape in) -> int {
                                      if constexpr (requires { L::least_samples(in); })
                                        return L::least_samples(in);
                                      else
                                        return 1;
                                    },
                                    detail::reads_of<L>().count,
                                    {detail::reads_of<L>().name[0], detail::reads_of<L>().name[1]},
                                    detail::reads_kept<L>(),
                                    [](int i, shape in, shape other) -> bool {
                                      if constexpr (requires { L::accepts_read(i, in, other); })
                                        return L::accepts_read(i, in, other);
                                      else
                                        return true;
                                    },
                                    detail::ragged<L>(),
                                    detail::segmented<L>(),
                                    detail::exact<L>(),
                                    [](shape in) -> list<kept_entry> {
                                      if constexpr (requires { L::carried(in); })
                                        return L::carried(in);
                                      else
                                        return {};
                                    }};

/// Elements of all entries of a list of parameters.
constexpr long long elements(list<parameter> const& all) {
  long long n = 0;
  for (int i = 0; i < all.size; ++i) n += all[i].extent.size();
  return n;
}

}  // namespace foal
