// What goes into a model: one entry or several, each with the shape of one sample.
#pragma once

#include <foal/model/layer_info.hpp>

namespace foal {

/// The shape of one sample: input<features> or input<channels, height, width>.
template <int... Extents>
struct input;
template <int Features>
struct input<Features> {
  static constexpr shape sample = features(Features);
};
template <int Channels, int Height, int Width>
struct input<Channels, Height, Width> {
  static constexpr shape sample = image(Channels, Height, Width);
};

/// A text of at most Longest tokens, by their numbers. Axis says whose length it has (1: the first text of a sample, 2: the
/// second); 0: always Longest tokens.
template <int Longest, int Axis = 0>
struct tokens {
  static_assert(Longest > 0 && Axis >= 0 && Axis <= most_axes,
                "foal: cannot make an input of tokens, because it holds none or its axis is none of 0, 1, 2; give "
                "foal::tokens<longest, axis>");
  static constexpr shape sample = sequence(1, Longest, Axis);
};

/// How many tokens of a text are not padding: one number a sample.
struct lengths {
  static constexpr shape sample = features(1);
};

/// The targets of a sample as an input, one class number at each of at most Longest positions of the length Axis: for layers
/// that read them (logits_part). The last of foal::inputs; no source has an entry for it: it is what targets() gives.
template <int Longest, int Axis = 0>
struct targets {
  static_assert(Longest > 0 && Axis >= 0 && Axis <= most_axes,
                "foal: cannot make an input of targets, because it holds none or its axis is none of 0, 1, 2; give "
                "foal::targets<longest, axis>");
  static constexpr shape sample = sequence(1, Longest, Axis);
  static constexpr bool is_targets = true;
};

/// An input with a name (a type), for layers that read it and for load<Tag>.
template <class Tag, class Input>
struct named {
  using tag = Tag;
  static constexpr shape sample = Input::sample;
  static constexpr bool is_targets = requires { requires Input::is_targets; };
};

/// Several inputs: the first one is the activations that the first layer gets, the others are entries by name. No gradient
/// reaches an input.
template <class First, class... Named>
struct inputs {};

/// Most entries that are open at one place of a model: the activations and 7 others.
inline constexpr int most_entries = 8;

namespace detail {

struct input_list {
  int count = 0;  ///< 0: not an input
  shape sample[most_entries]{};
  tag_name tag[most_entries]{};
  int targets = -1;  ///< the entry that holds them; -1: none
};

template <class Input>
inline constexpr bool holds_targets = requires { requires Input::is_targets; };
/// Which of several inputs are the targets, if the last one is; -1: it is not.
template <class... Inputs>
constexpr int targets_among() {
  constexpr bool is[] = {holds_targets<Inputs>...};
  constexpr int last = static_cast<int>(sizeof...(Inputs)) - 1;
  return last > 0 && is[last] ? last : -1;
}

template <class T>
struct input_entries {
  static constexpr input_list value{};
};
template <class T>
  requires requires {
    { T::sample } -> std::convertible_to<shape>;
  }
struct input_entries<T> {
  static constexpr input_list value{1, {T::sample}, {}};
};
template <class First, class... Named>
struct input_entries<inputs<First, Named...>> {
  static_assert(1 + sizeof...(Named) <= static_cast<std::size_t>(most_entries),
                "foal: cannot make a model, because foal::inputs has more than 8 entries; leave some out");
  static_assert((0 + ... + (holds_targets<Named> ? 1 : 0)) + (holds_targets<First> ? 1 : 0) ==
                    (targets_among<First, Named...>() < 0 ? 0 : 1),
                "foal: cannot make a model, because foal::targets is not the last of its inputs, and a source gives those "
                "before it; put it at the end of foal::inputs");
  static constexpr input_list value{1 + static_cast<int>(sizeof...(Named)),
                                    {First::sample, Named::sample...},
                                    {{}, name_of<typename Named::tag>()...},
                                    targets_among<First, Named...>()};
};

}  // namespace detail
}  // namespace foal
