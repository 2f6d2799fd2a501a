// A model as a value: one row for every layer and skip mark, with shapes inferred and stages assigned.
#pragma once

#include <foal/model/elements.hpp>

namespace foal {

/// One item of a model. Entries are what travels between stages: entry 0 is the activations, others are kept by save<Tag>.
struct model_row {
  detail::item_kind kind = detail::item_kind::layer;
  layer_info const* info = nullptr;
  detail::tag_name tag{};
  int item = 0;       ///< its number among all items of the type, marks counted
  int entry = 0;      ///< the entry it acts on: 0, or the one that its tag has
  shape in{}, out{};  ///< of that entry, before and after
  int stage = 0;
  int number = 0;  ///< global layer number; layers only
  long long parameters = 0;
  long long flops = 0;  ///< of one sample's forward
};

enum class model_failure {
  none,
  empty,
  not_a_layer,
  refused,
  saved_twice,
  added_unsaved,
  shapes_differ,
  never_added,
  too_many
};

inline constexpr int most_entries = 8;

/// Rows in execution order; the first failure found, if any.
template <int Items>
struct model_description {
  model_row row[Items > 0 ? Items : 1]{};
  int size = 0;
  int stages = 0;
  shape input{}, output{};
  model_failure failure = model_failure::none;
  int failed_at = 0;  ///< item number, counting marks
  shape given{}, needed{};
};

namespace detail {

struct item_counter {
  int items = 0;
  template <class>
  constexpr void layer(tag_name) {
    ++items;
  }
  constexpr void mark(item_kind, tag_name) { ++items; }
};

/// Infers shapes item by item and assigns stages: each layer with weights starts a stage, what has none rides along, a group
/// made by stage<...> stays together.
template <int Items>
struct describer {
  model_description<Items> d{};
  shape entry[most_entries]{};
  tag_name tag[most_entries]{};  // tag[0] stays empty: entry 0 is always there
  int item = 0, numbered = 0, grouped = 0;
  bool has_weights = false, closed = false;

  constexpr void fail(model_failure f, shape given = {}, shape needed = {}) {
    if (d.failure != model_failure::none) return;
    d.failure = f;
    d.failed_at = item;
    d.given = given;
    d.needed = needed;
  }
  constexpr int find(tag_name t) const {
    for (int e = 0; e < most_entries; ++e)
      if (tag[e] == t && (e > 0 || t.empty())) return e;
    return -1;
  }
  constexpr void next_stage() {
    if (has_weights || closed) ++d.stages;
    has_weights = closed = false;
  }
  constexpr model_row& push(item_kind kind, int e) {
    model_row& r = d.row[d.size++];
    r.kind = kind;
    r.item = item;
    r.entry = e;
    r.in = r.out = entry[e];
    r.stage = d.stages;
    return r;
  }

  template <class L>
  constexpr void layer(tag_name t) {
    if constexpr (!foal::layer<L>) {
      fail(model_failure::not_a_layer);
    } else {
      int const e = find(t);
      if (e < 0) fail(model_failure::added_unsaved);
      if (d.failure == model_failure::none) push_layer(info_of<L>, e);
    }
    ++item;
  }

  constexpr void push_layer(layer_info const& info, int e) {
    shape const in = entry[e];
    if (!info.accepts(in)) {
      fail(model_failure::refused, in);
      return;
    }
    long long const parameters = elements(info.parameters(in));
    if (parameters > 0 && grouped == 0) next_stage();
    model_row& r = push(item_kind::layer, e);
    r.info = &info;
    r.number = numbered++;
    r.parameters = parameters;
    r.flops = info.flops(in);
    r.out = entry[e] = info.output(in);
    has_weights = has_weights || parameters > 0;
  }

  constexpr void mark(item_kind kind, tag_name t) {
    if (d.failure == model_failure::none) {
      if (kind == item_kind::begin_stage) {
        if (grouped++ == 0) next_stage();
      } else if (kind == item_kind::end_stage) {
        if (--grouped == 0) closed = true;
      } else if (kind == item_kind::save) {
        int free = 1;
        while (free < most_entries && !tag[free].empty()) ++free;
        if (find(t) >= 0) {
          fail(model_failure::saved_twice);
        } else if (free == most_entries) {
          fail(model_failure::too_many);
        } else {
          tag[free] = t;
          entry[free] = entry[0];
          push(kind, free).tag = t;
        }
      } else {
        int const e = find(t);
        if (e <= 0) {
          fail(model_failure::added_unsaved);
        } else if (!(entry[e] == entry[0])) {
          fail(model_failure::shapes_differ, entry[0], entry[e]);
        } else {
          push(kind, e).tag = t;
          tag[e] = {};
        }
      }
    }
    ++item;
  }

  constexpr void finish() {
    if (d.failure == model_failure::none && d.size == 0) fail(model_failure::empty);
    for (int i = d.size - 1; i >= 0 && d.failure == model_failure::none; --i)
      if (d.row[i].kind == item_kind::save && tag[d.row[i].entry] == d.row[i].tag) {
        item = d.row[i].item;
        fail(model_failure::never_added, d.row[i].in);
      }
    // A copy that the next stage can make itself from its own input need not travel: a save moves to the stage it precedes.
    for (int i = d.size - 2; i >= 0; --i)
      if (d.row[i].kind == item_kind::save) d.row[i].stage = d.row[i + 1].stage;
    ++d.stages;
    d.output = entry[0];
  }
};

}  // namespace detail

/// Describes the elements on an input. Never fails to return: look at .failure.
template <int Items, class... Elements>
constexpr model_description<Items> describe(shape in) {
  detail::describer<Items> v{};
  v.entry[0] = in;
  v.d.input = in;
  detail::visit_all<Elements...>(v, {});
  v.finish();
  return v.d;
}

}  // namespace foal
