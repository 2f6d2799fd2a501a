// What a user writes between the angle brackets of foal::stages besides layers: input, stage, repeat, residual, skips.
#pragma once

#include <initializer_list>
#include <string_view>
#include <utility>

#include <foal/core/type_list.hpp>
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

/// Groups layers into one stage by hand.
template <class... Elements>
struct stage {};

/// The elements, n times one after the other.
template <int n, class... Elements>
struct repeat {};

/// Keeps a copy of the activations under a name (a type); it travels on the wires, across stages and ranks, until add<Tag>.
template <class Tag>
struct save {};

/// Adds what save<Tag> kept to the activations. Every save needs exactly one add, of the same shape.
template <class Tag>
struct add {};

/// Layers on what save<Tag> kept, instead of on the activations: a projection of a skip connection.
template <class Tag, class... Elements>
struct through {};

/// The first argument of residual, when the skip connection is a projection.
template <class... Elements>
struct shortcut {};

/// y = elements(x) + x, or y = elements(x) + projection(x) with residual<shortcut<projection...>, elements...>.
template <class... Elements>
struct residual {};

namespace detail {

enum class item_kind { layer, save, add, begin_stage, end_stage };

/// Tags are told apart by their names, not by addresses of objects: under some sanitizers a compiler takes no comparison of
/// addresses for a constant. Empty: the activations.
using tag_name = std::string_view;

template <class Tag>
constexpr tag_name name_of() {
  return __PRETTY_FUNCTION__;
}

template <class T>
struct element;

/// Walks elements in order; the visitor gets every layer type and every mark. Flat: initializer lists instead of recursion.
template <class... Ts, class Visitor>
constexpr void visit_all(Visitor& v, [[maybe_unused]] tag_name tag) {
  (void)std::initializer_list<int>{0, (element<Ts>::visit(v, tag), 0)...};
}

template <class T>
struct element {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name tag) {
    v.template layer<T>(tag);
  }
};

template <class... Ts>
struct element<stage<Ts...>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name tag) {
    v.mark(item_kind::begin_stage, {});
    visit_all<Ts...>(v, tag);
    v.mark(item_kind::end_stage, {});
  }
};

template <int n, class... Ts>
struct element<repeat<n, Ts...>> {
  static_assert(n >= 1,
                "foal: cannot repeat layers fewer than once; leave them out or give repeat<n, ...> an n of 1 or more");
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name tag) {
    for (int i = 0; i < n; ++i) visit_all<Ts...>(v, tag);
  }
};

template <class Tag>
struct element<save<Tag>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    v.mark(item_kind::save, name_of<Tag>());
  }
};

template <class Tag>
struct element<add<Tag>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    v.mark(item_kind::add, name_of<Tag>());
  }
};

template <class Tag, class... Ts>
struct element<through<Tag, Ts...>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    visit_all<Ts...>(v, name_of<Tag>());
  }
};

// The tag of a residual is its own type: a block cannot contain itself, so nested blocks never share a tag.
template <class... Ts>
struct element<residual<Ts...>> {
  using tag = residual<Ts...>;
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    visit_all<save<tag>, Ts..., add<tag>>(v, {});
  }
};

template <class... Ps, class... Ts>
struct element<residual<shortcut<Ps...>, Ts...>> {
  using tag = residual<shortcut<Ps...>, Ts...>;
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    visit_all<save<tag>, Ts..., through<tag, Ps...>, add<tag>>(v, {});
  }
};

// The types of the items, one for each that visit() gives: only an error message needs them, so only an error makes them.
template <class T>
struct items_of {
  using type = type_list<T>;
};
template <class... Ts>
struct items_of<stage<Ts...>> {
  using type = concat<type_list<stage<>>, typename items_of<Ts>::type..., type_list<stage<>>>;
};
template <class Indices, class List>
struct copies;
template <std::size_t... I, class List>
struct copies<std::index_sequence<I...>, List> {
  template <std::size_t>
  using same = List;
  using type = concat<type_list<>, same<I>...>;
};

template <int n, class... Ts>
struct items_of<repeat<n, Ts...>> {
  using once = concat<type_list<>, typename items_of<Ts>::type...>;
  using type = typename copies<std::make_index_sequence<static_cast<std::size_t>(n)>, once>::type;
};
template <class Tag, class... Ts>
struct items_of<through<Tag, Ts...>> {
  using type = concat<type_list<>, typename items_of<Ts>::type...>;
};
template <class... Ts>
struct items_of<residual<Ts...>> {
  using tag = residual<Ts...>;
  using type = concat<type_list<save<tag>>, typename items_of<Ts>::type..., type_list<add<tag>>>;
};
template <class... Ps, class... Ts>
struct items_of<residual<shortcut<Ps...>, Ts...>> {
  using tag = residual<shortcut<Ps...>, Ts...>;
  using type =
      concat<type_list<save<tag>>, typename items_of<Ts>::type..., typename items_of<Ps>::type..., type_list<add<tag>>>;
};

}  // namespace detail
}  // namespace foal
