// A model is a type: foal::stages<foal::input<...>, layers...>, checked where it is written.
#pragma once

#include <foal/model/description.hpp>

namespace foal {

namespace detail {

template <auto>
inline constexpr bool never = false;

// One specialisation for each way to be wrong; its template arguments are the facts of the message.
template <model_failure Failure, int Item, class Before, class What, shape Given, shape Needed>
struct model_is_sound {};

template <int Item, class Before, class What, shape Given, shape Needed>
struct model_is_sound<model_failure::empty, Item, Before, What, Given, Needed> {
  static_assert(never<Item>, "foal: cannot make a model, because foal::stages has no layers; add layers after foal::input");
};
template <int Item, class Before, class Type, shape Given, shape Needed>
struct model_is_sound<model_failure::not_a_layer, Item, Before, Type, Given, Needed> {
  static_assert(
      never<Item>,
      "foal: cannot use the Type named here as a layer, because it lacks what every layer has: static constexpr char "
      "const* name and static constexpr foal::shape output(foal::shape in); add them (foal/layer/contract.hpp)");
};
template <int Item, class Before, class Layer, shape Input, shape Needed>
struct model_is_sound<model_failure::refused, Item, Before, Layer, Input, Needed> {
  static_assert(never<Item>,
                "foal: cannot chain these layers, because what comes out of the element Before, of the shape named here as "
                "Input (rank and extents; rank 1 is features, rank 3 is channels, height, width), is nothing that the Layer "
                "named after it accepts; change one of the two or put foal::flatten between them");
};
template <int Item, class Before, class Save, shape Given, shape Needed>
struct model_is_sound<model_failure::saved_twice, Item, Before, Save, Given, Needed> {
  static_assert(
      never<Item>,
      "foal: cannot save this skip, because its tag is already saved and not yet added; add it first or use another tag");
};
template <int Item, class Before, class Add, shape Given, shape Needed>
struct model_is_sound<model_failure::added_unsaved, Item, Before, Add, Given, Needed> {
  static_assert(never<Item>,
                "foal: unmatched skip: cannot add or pass through this tag, because no foal::save of it comes before; write "
                "foal::save<Tag> where the skip begins");
};
template <int Item, class Before, class Save, shape Given, shape Needed>
struct model_is_sound<model_failure::never_added, Item, Before, Save, Given, Needed> {
  static_assert(never<Item>,
                "foal: unmatched skip: cannot end the model, because what this foal::save kept is never added; write "
                "foal::add<Tag> where the skip ends");
};
template <int Item, class Before, class Add, shape Activations, shape Skip>
struct model_is_sound<model_failure::shapes_differ, Item, Before, Add, Activations, Skip> {
  static_assert(
      never<Item>,
      "foal: cannot add this skip, because the activations and the skip have the two different shapes named here; give "
      "the residual a foal::shortcut<...> that maps the one to the other");
};
template <int Item, class Before, class Save, shape Given, shape Needed>
struct model_is_sound<model_failure::too_many, Item, Before, Save, Given, Needed> {
  static_assert(never<Item>, "foal: cannot save this skip, because 7 skips are already open here; add one of them first");
};
template <int Item, class Before, class Layer, shape Given, shape Needed>
struct model_is_sound<model_failure::too_many_groups, Item, Before, Layer, Given, Needed> {
  static_assert(never<Item>,
                "foal: cannot tie the Layer named here, because the model has 64 other groups of tied layers; join some");
};
template <int Item, class Before, class Layer, shape Input, shape Other>
struct model_is_sound<model_failure::read_refused, Item, Before, Layer, Input, Other> {
  static_assert(
      never<Item>,
      "foal: cannot use the Layer named here, because the entry that it reads beside its input (of the shape Input) "
      "has the shape named here as Other, which it does not accept; see what the layer says of its entries");
};
template <int Item, class Before, class Layer, shape Input, shape Home>
struct model_is_sound<model_failure::tied_apart, Item, Before, Layer, Input, Home> {
  static_assert(never<Item>,
                "foal: cannot tie the Layer named here, because none of its parameters has the name and extents of one of "
                "the first layer of the group; give both the same sizes");
};
template <int Item, class Before, class Layer, shape Given, shape Needed>
struct model_is_sound<model_failure::tied_and_frozen, Item, Before, Layer, Given, Needed> {
  static_assert(
      never<Item>,
      "foal: cannot tie the Layer named here, because of it and the first layer of its group one is frozen and the "
      "other trains, and they are the same weights; freeze both or neither");
};

// The item where the model fails and the one before it; only an error looks them up.
template <bool Failed, int Item, class Input, class... Elements>
struct culprits {
  using items = typename items_of<stage<Input, Elements...>>::type;  // the input is element 1, behind the stage's mark
  using before = foal::type_at<items, static_cast<std::size_t>(Item) + 1>;
  using type = foal::type_at<items, static_cast<std::size_t>(Item) + 2>;
};
template <int Item, class Input, class... Elements>
struct culprits<false, Item, Input, Elements...> {
  using before = void;
  using type = void;
};
template <class... Elements>
constexpr int count_items() {
  item_counter c{};
  visit_all<Elements...>(c, {});
  return c.items;
}

template <class T>
struct model_starts_with_input {
  static_assert(
      input_entries<T>::value.count > 0,
      "foal: cannot make a model, because its first element is not foal::input<...>; begin with foal::input<features>, "
      "foal::input<channels, height, width>, foal::tokens<longest, axis> or foal::inputs<...> of them");
};

template <class Input, class... Elements>
struct described {
  static constexpr int items = count_items<Elements...>();
  static constexpr model_description<items> description = describe<items, Elements...>(input_entries<Input>::value);

 private:
  // Without an input the rest is not judged: one mistake, one error.
  static constexpr model_failure failure_ =
      input_entries<Input>::value.count > 0 ? description.failure : model_failure::none;
  static constexpr int at_ = description.failed_at;
  static constexpr bool named_ = failure_ != model_failure::none && failure_ != model_failure::empty;
  using culprits_ = culprits<named_, at_, Input, Elements...>;
  static_assert(sizeof(model_starts_with_input<Input>) > 0);
  static_assert(sizeof(model_is_sound<failure_, at_, typename culprits_::before, typename culprits_::type, description.given,
                                      description.needed>) > 0);
};

}  // namespace detail

/// A model: its input and, in order, its layers and the elements that group them. Derive a struct from it to give it a name:
/// struct net : foal::stages<foal::input<1, 8, 8>, foal::conv<16, 3>, foal::relu, ...> {};
template <class Input = void, class... Elements>
struct stages : detail::described<Input, Elements...> {
  /// Gives the visitor every layer type (visitor.layer<L>(tag)) and mark, in order.
  template <class Visitor>
  static constexpr void visit(Visitor& v) {
    detail::visit_all<Elements...>(v, {});
  }
};

/// What the library asks of a model type.
template <class Net>
concept model = requires {
  { Net::description.stages } -> std::convertible_to<int>;
};

/// Number of stages, S.
template <model Net>
inline constexpr int stage_count = Net::description.stages;

/// Trainable parameters of one stage, or of the whole model with stage = -1.
template <model Net>
constexpr long long parameter_count(int stage = -1) {
  long long n = 0;
  for (int i = 0; i < Net::description.size; ++i)
    if (stage < 0 || Net::description.row[i].stage == stage) n += Net::description.row[i].parameters;
  return n;
}

/// Floating-point operations of one sample's forward, counted products only (a multiply-add is 2).
template <model Net>
constexpr long long forward_flops(int stage = -1) {
  long long n = 0;
  for (int i = 0; i < Net::description.size; ++i)
    if (stage < 0 || Net::description.row[i].stage == stage) n += Net::description.row[i].flops;
  return n;
}

}  // namespace foal
