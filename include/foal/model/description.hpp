// A model as a value: one row for every layer and skip mark, with shapes inferred and stages assigned.
#pragma once

#include <cstddef>

#include <foal/model/elements.hpp>

namespace foal {

/// One item of a model. Entries are what travels between stages: entry 0 is the activations, others are inputs by name or
/// kept by save<Tag>. A gradient is wanted of an entry if something that trains lies before it.
struct model_row {
  detail::item_kind kind = detail::item_kind::layer;
  layer_info const* info = nullptr;
  detail::tag_name tag{};
  int item = 0;       ///< its number among all items of the type, marks counted
  int entry = 0;      ///< the entry it acts on: 0, or the one that its tag has
  shape in{}, out{};  ///< of that entry, before and after
  int stage = 0;
  bool wanted = false;         ///< the gradient of the entry it acts on
  int source = 0;              ///< save: the entry that is copied
  bool source_wanted = false;  ///< save: the gradient of the source; add: that of the activations
  unsigned closes = 0;         ///< bit e: entry e has been read for the last time
  int number = 0;              ///< global layer number; from here on layers only
  long long parameters = 0;    ///< of its own: those of a tied layer are its home's
  long long flops = 0;         ///< of one sample's forward
  bool trains = false;         ///< it has parameters, and they are not frozen
  int home = -1;               ///< tied: the row of the group's first layer (its own there)
  int read[most_reads] = {-1, -1};
  shape read_shape[most_reads]{};
  bool read_wanted[most_reads]{};

  /// The gradient of what it gives, or of something that it reads: its backward has something to do.
  constexpr bool gradient_wanted() const { return wanted || trains || read_wanted[0] || read_wanted[1]; }
  constexpr bool closes_entry(int e) const { return (closes >> e & 1U) != 0; }
};

/// The number, among the parameters of a tied group's first layer, of the one that another layer of the group shares as p
/// (the same name and extents); -1: none.
constexpr int shared_parameter(model_row const& home, parameter const& p) {
  list<parameter> const theirs = home.info->parameters(home.in);
  for (int i = 0; i < theirs.size; ++i)
    if (theirs[i].extent == p.extent && std::string_view(theirs[i].name) == p.name) return i;
  return -1;
}

enum class model_failure {
  none,
  empty,
  not_a_layer,
  refused,
  saved_twice,
  added_unsaved,
  shapes_differ,
  never_added,
  too_many,
  too_many_groups,
  read_refused,
  tied_apart,
  tied_and_frozen
};

/// Rows in execution order; the first failure found, if any.
template <int Items>
struct model_description {
  model_row row[static_cast<std::size_t>(Items > 0 ? Items : 1)]{};
  int size = 0;
  int stages = 0;
  shape input{}, output{};
  int inputs = 1;                     ///< entries that the model starts with
  shape input_entry[most_entries]{};  ///< [0] is `input`
  int targets_entry = -1;             ///< which of them holds the targets; -1: none
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

/// Most groups of tied layers in a model.
inline constexpr int most_groups = 64;

/// Infers shapes item by item and assigns stages: each layer with weights of its own starts a stage, what has none rides
/// along, a group made by stage<...> stays together.
template <int Items>
struct describer {
  model_description<Items> d{};
  shape entry[most_entries]{};
  tag_name tag[most_entries]{};  // tag[0] stays empty: entry 0 is always there
  bool wanted[most_entries]{};
  int last_read[most_entries]{-1, -1, -1, -1, -1, -1, -1, -1};  // row; -1: not read, so it must be added or loaded
  tag_name tie{}, from{};                                       // for the next item
  tag_name group[most_groups]{};
  int home[most_groups]{}, groups = 0;
  int item = 0, numbered = 0, grouped = 0, frozen = 0;
  bool has_weights = false, closed = false;

  constexpr void begin(input_list const& in) {
    d.input = in.sample[0];
    d.inputs = in.count > 0 ? in.count : 1;
    d.targets_entry = in.targets;
    for (int e = 0; e < d.inputs; ++e) {
      d.input_entry[e] = entry[e] = in.sample[e];
      tag[e] = in.tag[e];
      if (e > 0) last_read[e] = 0;  // one that nothing reads ends where the model begins
    }
  }
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
  constexpr void close(int e) {
    d.row[last_read[e]].closes |= 1U << e;
    tag[e] = {};
    last_read[e] = -1;
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
    r.wanted = wanted[e];
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
    if (!info.accepts(in)) return fail(model_failure::refused, in);
    int const home_row = find_home(info, in);
    if (d.failure != model_failure::none) return;
    list<parameter> const declared = info.parameters(in);
    long long own = elements(declared);
    if (home_row >= 0)
      for (int i = 0; i < declared.size; ++i)
        own -= shared_parameter(d.row[home_row], declared[i]) >= 0 ? declared[i].extent.size() : 0;
    if (own > 0 && grouped == 0) next_stage();
    model_row& r = push(item_kind::layer, e);
    if (!tie.empty() && home_row < 0) {
      group[groups] = tie;
      home[groups++] = d.size - 1;
    }
    r.home = tie.empty() ? -1 : home_row >= 0 ? home_row : d.size - 1;
    tie = {};
    r.info = &info;
    r.number = numbered++;
    r.parameters = own;
    r.flops = info.flops(in);
    r.out = entry[e] = info.output(in);
    r.trains = declared.size > 0 && frozen == 0;
    for (int i = 0; i < info.reads; ++i) {
      int const other = find(info.read[i]);
      if (other <= 0) return fail(model_failure::added_unsaved);
      if (!info.accepts_read(i, in, entry[other])) return fail(model_failure::read_refused, in, entry[other]);
      r.read[i] = other;
      r.read_shape[i] = entry[other];
      r.read_wanted[i] = wanted[other];
      last_read[other] = d.size - 1;
    }
    wanted[e] = r.gradient_wanted();
    has_weights = has_weights || own > 0;
  }

  /// The row whose parameters the next layer shares; -1: none, or it is the first of its group.
  constexpr int find_home(layer_info const& info, shape in) {
    if (tie.empty()) return -1;
    for (int g = 0; g < groups; ++g) {
      if (group[g] != tie) continue;
      list<parameter> const mine = info.parameters(in);
      bool any = false;
      for (int i = 0; i < mine.size; ++i) any = any || shared_parameter(d.row[home[g]], mine[i]) >= 0;
      if (!any) fail(model_failure::tied_apart, in, d.row[home[g]].in);
      if (d.row[home[g]].trains != (frozen == 0)) fail(model_failure::tied_and_frozen);
      return home[g];
    }
    if (groups == most_groups) fail(model_failure::too_many_groups);
    return -1;
  }
  constexpr void mark(item_kind kind, tag_name t) {
    if (d.failure == model_failure::none) {
      switch (kind) {
        case item_kind::begin_stage:
          if (grouped++ == 0) next_stage();
          break;
        case item_kind::end_stage:
          if (--grouped == 0) closed = true;
          break;
        case item_kind::begin_frozen:
          ++frozen;
          break;
        case item_kind::end_frozen:
          --frozen;
          break;
        case item_kind::tie:
          tie = t;
          break;
        case item_kind::from:
          from = t;
          break;
        case item_kind::save:
          push_save(t);
          break;
        default:
          push_end(kind, t);
      }
    }
    ++item;
  }

  constexpr void push_save(tag_name t) {
    int const source = find(from);
    from = {};
    if (int const before = find(t); before > 0 && last_read[before] >= 0) close(before);  // it has had its last reader
    int free = 1;
    while (free < most_entries && !tag[free].empty()) ++free;
    if (source < 0) return fail(model_failure::added_unsaved);
    if (find(t) >= 0) return fail(model_failure::saved_twice);
    if (free == most_entries) return fail(model_failure::too_many);
    tag[free] = t;
    entry[free] = entry[source];
    wanted[free] = wanted[source];
    model_row& r = push(item_kind::save, free);
    r.tag = t;
    r.source = source;
    if (source > 0) last_read[source] = d.size - 1;
    r.source_wanted = wanted[source];
  }

  /// add<Tag> and load<Tag>: the entry ends.
  constexpr void push_end(item_kind kind, tag_name t) {
    int const e = find(t);
    if (e <= 0) return fail(model_failure::added_unsaved);
    if (kind == item_kind::add && !(entry[e] == entry[0])) return fail(model_failure::shapes_differ, entry[0], entry[e]);
    model_row& r = push(kind, e);
    r.tag = t;
    r.source_wanted = wanted[0];
    wanted[0] = kind == item_kind::load ? wanted[e] : wanted[0] || wanted[e];
    if (kind == item_kind::load) entry[0] = entry[e];
    tag[e] = {};
    last_read[e] = -1;
  }

  constexpr void finish() {
    if (d.failure == model_failure::none && d.size == 0) fail(model_failure::empty);
    for (int e = 1; e < most_entries && d.failure == model_failure::none; ++e)
      if (!tag[e].empty() && last_read[e] >= 0) close(e);
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

/// Describes the elements on inputs. Never fails to return: look at .failure.
template <int Items, class... Elements>
constexpr model_description<Items> describe(detail::input_list const& in) {
  detail::describer<Items> v{};
  v.begin(in);
  detail::visit_all<Elements...>(v, {});
  v.finish();
  return v.d;
}
template <int Items, class... Elements>
constexpr model_description<Items> describe(shape in) {
  return describe<Items, Elements...>(detail::input_list{1, {in}, {}});
}

}  // namespace foal
