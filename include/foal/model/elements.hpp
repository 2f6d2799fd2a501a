// What a user writes between the angle brackets of foal::stages besides layers: stage, repeat, residual, skips, entries.
#pragma once

#include <initializer_list>
#include <utility>

#include <foal/core/type_list.hpp>
#include <foal/model/input.hpp>

namespace foal {

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

/// Goes on with the entry Tag as the activations; what were the activations ends here, but for the copies that save made.
template <class Tag>
struct load {};

/// Makes the entry To a copy of the entry From.
template <class From, class To>
struct branch {};

/// A layer that shares its parameters with the first layer of the same tag: the first one's stage, their home, updates them.
template <class Tag, class Layer>
struct tied {};

/// Layers whose parameters stay as they are: they have no W and no U, and below the lowest layer that trains there is no B.
template <class... Elements>
struct frozen {};

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

/// from: the entry that the save after it copies. tie: the layer after it belongs to a tied group.
enum class item_kind { layer, save, add, load, from, tie, begin_stage, end_stage, begin_frozen, end_frozen };

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

template <class Tag>
struct element<load<Tag>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    v.mark(item_kind::load, name_of<Tag>());
  }
};

template <class From, class To>
struct element<branch<From, To>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name) {
    v.mark(item_kind::from, name_of<From>());
    v.mark(item_kind::save, name_of<To>());
  }
};

template <class Tag, class Layer>
struct element<tied<Tag, Layer>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name tag) {
    v.mark(item_kind::tie, name_of<Tag>());
    v.template layer<Layer>(tag);
  }
};

template <class... Ts>
struct element<frozen<Ts...>> {
  template <class Visitor>
  static constexpr void visit(Visitor& v, tag_name tag) {
    v.mark(item_kind::begin_frozen, {});
    visit_all<Ts...>(v, tag);
    v.mark(item_kind::end_frozen, {});
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
template <class From, class To>
struct items_of<branch<From, To>> {
  using type = type_list<branch<From, To>, branch<From, To>>;
};
template <class Tag, class Layer>
struct items_of<tied<Tag, Layer>> {
  using type = type_list<tied<Tag, Layer>, Layer>;
};
template <class... Ts>
struct items_of<frozen<Ts...>> {
  using type = concat<type_list<frozen<>>, typename items_of<Ts>::type..., type_list<frozen<>>>;
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
