// Builds one stage: steps over tensors, what is kept, what is overwritten in place, what crosses wires.
#pragma once

#include <utility>
#include <vector>

#include <foal/lower/lifetimes.hpp>
#include <foal/lower/parameters.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

namespace detail {

using foal::detail::item_kind;
static_assert(most_wires == most_entries);

/// An entry that is open between two stages.
struct live_entry {
  int entry = 0;
  shape extent{};
  bool wanted = false;  ///< its gradient
  bool exact = false;   ///< no codec may touch it
};

constexpr until later(until a, until b) { return a < b ? b : a; }

/// Builds one stage_table. Forward first, then backward over the same rows in reverse.
class stage_builder {
 public:
  /// rows: of the shapes that ops work on. whole: the same of the shapes that sequences have, where they come in segments.
  stage_builder(model_row const* rows, model_row const* whole, int segments, int first, int last, int number,
                bool last_stage, bool split, layer_functions const* functions, element_types const& types,
                std::vector<layer_parameters>& homes)
      : rows_(rows),
        whole_(whole),
        segments_(segments),
        first_(first),
        last_(last),
        number_(number),
        last_stage_(last_stage),
        split_(split),
        functions_(functions),
        types_(types),
        homes_(homes) {}

  /// live_in, live_out: the entries open at the stage's two ends.
  stage_table build(std::vector<live_entry> const& live_in, std::vector<live_entry> const& live_out) {
    for (live_entry const& e : live_in) {
      int const wire = static_cast<int>(t_.wire_in.size());
      t_.wire_in.push_back({e.extent, e.entry});
      t_.wire_in.back().type = types_.activations;
      t_.wire_in.back().gradient = number_ > 0 && e.wanted;
      t_.wire_in.back().exact = e.exact;
      current_[e.entry] = make_activations(e.extent, place::wire_in, wire);
    }
    for (int i = first_; i < last_; ++i) lower_forward(rows_[i]);
    finish_forward(live_out);
    place_parameters(t_, number_);
    begin_backward(live_out);
    for (int i = last_ - 1; i >= first_; --i) lower_backward(rows_[i]);
    finish_backward(live_in);
    for (auto& w : t_.wire_in) w.last = until::forward;
    for (tensor const& x : t_.tensors)
      if (x.where == place::wire_in) t_.wire_in[static_cast<std::size_t>(x.wire)].last = x.last;
    for (auto* const steps : {&t_.forward, &t_.backward, &t_.backward_weight})
      for (step& now : *steps)
        if (now.what == step::kind::layer) now.kept = row(now.layer);
    find_lifetimes(t_);
    return std::move(t_);
  }

  /// How long the gradient that arrives for entry `wire` of the stage's outgoing wire is needed.
  until gradient_kept(int wire) const {
    for (tensor const& x : gradients_in_)
      if (x.wire == wire) return x.last;
    return until::B;
  }

 private:
  tensor& at(int id) { return t_.tensors[static_cast<std::size_t>(id)]; }
  layer_row& row(int l) { return t_.layers[static_cast<std::size_t>(l)]; }

  int make(amount elements, place where = place::temporary, int wire = 0) {
    tensor x;
    x.elements = elements;
    x.type = types_.activations;
    x.where = where;
    x.wire = wire;
    t_.tensors.push_back(x);
    return static_cast<int>(t_.tensors.size()) - 1;
  }

  int make_activations(shape s, place where = place::temporary, int wire = 0) {
    int const id = make({0, s.size()}, where, wire);
    at(id).sample = s;
    return id;
  }

  void keep(int id, until last) {
    if (last == until::forward) return;
    if (at(id).where == place::temporary) at(id).where = place::kept;
    at(id).last = later(at(id).last, last);
  }

  /// Nothing needs the old content later: it may be overwritten. What arrives by a wire is left as it came. `user` is the
  /// entry that takes it; another entry that stands for the same tensor still needs it.
  bool overwritable(int id, int user) {
    for (int e = 0; e < most_entries; ++e)
      if (e != user && current_[e] == id) return false;
    return at(id).where == place::temporary || (at(id).backward && at(id).last < until::W);
  }

  void lower_forward(model_row const& r) {
    int const x = current_[r.entry];
    if (r.kind == item_kind::save) {
      current_[r.entry] = current_[r.source];
      return close(r);
    }
    if (r.kind == item_kind::load) {
      current_[0] = std::exchange(current_[r.entry], -1);
      return;
    }
    if (r.kind == item_kind::add) {
      int const main = current_[0];
      int const y = overwritable(main, 0) ? main : make_activations(r.in);
      t_.forward.push_back({.what = step::kind::add, .x = main, .y = y, .other = x});
      current_[0] = y;
      current_[r.entry] = -1;
      return;
    }
    layer_info const& info = *r.info;
    auto const parameters = info.parameters(whole(r).in);
    bool const backward = r.gradient_wanted();
    auto const kept_until = [&](until declared) {
      if (!backward) return until::forward;
      return !r.trains && declared == until::W ? until::B : declared;
    };
    until const input_until = kept_until(info.input_kept), output_until = kept_until(info.output_kept);
    keep(x, input_until);
    int const y = info.in_place && overwritable(x, r.entry) ? x : make_activations(r.out);
    keep(y, output_until);
    at(y).exact = info.exact;

    layer_row l;
    l.name = info.name;
    l.number = r.number;
    l.in = r.in;
    l.out = r.out;
    if (input_until != until::forward) l.x = x;
    if (output_until != until::forward) l.y = y;
    l.least_samples = info.least_samples(r.in);
    l.call = functions_[r.number];
    auto const entries = info.kept(r.in);
    for (int i = 0; i < entries.size; ++i) keep_entry(l, entries[i], backward);
    if (segments_ > 1) carry(l, info.carried(r.in), backward);
    l.first_parameter = static_cast<int>(t_.parameters.size());
    l.parameters = parameters.size;
    l.trains = r.trains;
    l.input_gradient = r.wanted;
    l.reads = info.reads;
    homes_[static_cast<std::size_t>(&r - rows_)] = {number_, l.first_parameter};
    for (int i = 0; i < parameters.size; ++i) {
      parameter_row& p = t_.parameters.emplace_back(declare(t_, l, i, parameters[i], types_.weights));
      p.kind = r.trains ? ownership::trained : ownership::frozen;
      if (r.home < 0 || rows_ + r.home == &r) continue;
      if (int const shared = shared_parameter(whole_[r.home], parameters[i]); shared >= 0) {
        layer_parameters const home = homes_[static_cast<std::size_t>(r.home)];
        p.home_stage = home.stage;
        p.home = home.first_parameter + shared;
        if (home.stage != number_) {
          p.kind = ownership::borrowed;
          l.early = true;
        }
      }
    }
    auto const buffers = info.buffers(whole(r).in);
    l.first_buffer = static_cast<int>(t_.buffers.size());
    l.buffers = buffers.size;
    for (int i = 0; i < buffers.size; ++i)
      set_offset(t_.buffers.emplace_back(declare(t_, l, i, buffers[i], types_.statistics)), t_.buffer_elements);

    int const number = static_cast<int>(t_.layers.size());
    step s{.layer = number, .x = x, .y = y, .scratch = layer_scratch(info, r.in, false)};
    for (int i = 0; i < most_reads; ++i) {
      if (r.read[i] < 0) continue;
      s.read[i] = current_[r.read[i]];
      l.read_shape[i] = r.read_shape[i];
      keep(s.read[i], kept_until(info.reads_kept));
      if (kept_until(info.reads_kept) != until::forward) l.read[i] = s.read[i];
    }
    t_.layers.push_back(l);
    t_.flops += r.flops;
    t_.forward.push_back(s);
    current_[r.entry] = y;
    row_of_.push_back(&r);
    close(r);
  }

  model_row const& whole(model_row const& r) const { return whole_[&r - rows_]; }

  void keep_entry(layer_row& l, kept_entry const& e, bool backward) {
    int const id = l.entry[l.entries++] = make(e.elements, backward ? place::kept : place::temporary);
    at(id).exact = e.type != element::scalar;
    if (at(id).exact) at(id).type = e.type;
    at(id).last = later(e.last, until::B);
  }
  /// What a layer carries from segment to segment is written in several ops, so it is kept as it is.
  void carry(layer_row& l, list<kept_entry> const& carried, bool backward) {
    l.carries = carried.size > 0;
    require(l.entries + carried.size <= most, "cannot keep ", l.entries, " entries of layer ", l.number, ", ", l.name,
            ", and carry ", carried.size, " of them from segment to segment, because ", most,
            " are as many as there can be; join some of them");
    for (int i = 0; i < carried.size; ++i) {
      keep_entry(l, carried[i], backward);
      at(l.entry[l.entries - 1]).exact = true;
    }
  }

  void close(model_row const& r) {
    for (int e = 1; e < most_entries; ++e)
      if (r.closes_entry(e)) current_[e] = -1;
  }

  int layer_scratch(layer_info const& info, shape in, bool backward) {
    amount const need = info.scratch(in);
    if (need.fixed == 0 && need.per_sample == 0) return -1;
    int const id = make(need);
    at(id).backward = backward;
    return id;
  }

  void finish_forward(std::vector<live_entry> const& live_out) {
    if (last_stage_) {
      t_.output_tensor = current_[0];
      t_.output = rows_[last_ - 1].kind == item_kind::layer && rows_[last_ - 1].entry == 0 ? rows_[last_ - 1].out
                                                                                           : rows_[last_ - 1].in;
      return;
    }
    int wire = 0;
    for (live_entry const& e : live_out) {
      int const x = current_[e.entry];
      if (at(x).where == place::temporary) {
        at(x).where = place::wire_out;
        at(x).wire = wire;
      } else {
        t_.forward.push_back({.what = step::kind::copy, .x = x, .y = make_activations(e.extent, place::wire_out, wire)});
      }
      ++wire;
    }
  }

  int make_gradient(shape s) {
    int const id = make_activations(s);
    at(id).backward = true;
    return id;
  }

  void begin_backward(std::vector<live_entry> const& live_out) {
    for (int& e : current_) e = -1;
    if (last_stage_) {
      current_[0] = t_.loss_gradient_tensor = make_activations(t_.output, place::gradient_in, 0);
      at(current_[0]).backward = true;
      at(current_[0]).last = until::B;
      return;
    }
    int wire = 0;
    for (live_entry const& e : live_out) {
      int const number = wire++;
      if (!e.wanted) continue;
      current_[e.entry] = make_activations(e.extent, place::gradient_in, number);
      at(current_[e.entry]).backward = true;
      at(current_[e.entry]).last = until::B;
    }
  }

  void lower_backward(model_row const& r) {
    if (r.kind == item_kind::save) {  // both uses of the entry send a gradient, if they have one
      int const skip = std::exchange(current_[r.entry], -1), main = current_[r.source];
      if (!r.source_wanted || skip < 0 || main < 0) {
        if (main < 0 && r.source_wanted) current_[r.source] = skip;
        return;
      }
      int const sum = overwritable(main, r.source) ? main : make_gradient(r.in);
      t_.backward.push_back({.what = step::kind::add, .x = main, .y = sum, .other = skip});
      current_[r.source] = sum;
      return;
    }
    if (r.kind == item_kind::load) {
      current_[r.entry] = r.wanted ? current_[0] : -1;
      current_[0] = -1;
      return;
    }
    if (r.kind == item_kind::add) {  // one gradient for both
      current_[r.entry] = r.wanted ? current_[0] : -1;
      if (!r.source_wanted) current_[0] = -1;
      return;
    }
    int const number = find(r);
    layer_row& l = row(number);
    int const dy = current_[r.entry];
    bool const into_reads = r.read_wanted[0] || r.read_wanted[1];
    if (dy < 0) return;
    if (split_ && l.trains) keep(dy, until::W);
    if (!l.input_gradient && !l.trains && !into_reads) {
      current_[r.entry] = -1;
      return;
    }
    step s{.layer = number, .y = dy};
    for (int i = 0; i < most_reads; ++i)
      if (r.read_wanted[i]) s.read_gradient[i] = add_into(r.read[i], r.read_shape[i]);
    if (l.input_gradient || into_reads) s.x = r.info->in_place && overwritable(dy, r.entry) ? dy : make_gradient(r.in);
    s.scratch = layer_scratch(*r.info, r.in, true);
    t_.backward.push_back(s);
    if (split_ && l.trains && !l.early) t_.backward_weight.push_back({.layer = number, .y = dy, .scratch = s.scratch});
    current_[r.entry] = l.input_gradient ? s.x : -1;
  }

  /// The tensor to which a reader adds its gradient of an entry: what is there already, or zeros.
  int add_into(int e, shape extent) {
    int const before = current_[e];
    if (before >= 0 && overwritable(before, e)) return before;
    int const sum = make_gradient(extent);
    if (before >= 0)
      t_.backward.push_back({.what = step::kind::copy, .x = before, .y = sum});
    else
      t_.backward.push_back({.what = step::kind::zero, .y = sum});
    return current_[e] = sum;
  }

  int find(model_row const& r) const {
    for (std::size_t i = 0; i < row_of_.size(); ++i)
      if (row_of_[i] == &r) return static_cast<int>(i);
    return -1;
  }

  void finish_backward(std::vector<live_entry> const& live_in) {
    if (number_ > 0) {
      int wire = 0;
      for (live_entry const& e : live_in) {
        int const number = wire++;
        if (!e.wanted) continue;
        int const d = current_[e.entry];
        if (d >= 0 && at(d).where == place::temporary) {
          at(d).where = place::gradient_out;
          at(d).wire = number;
          continue;
        }
        int const out = make_activations(e.extent, place::gradient_out, number);
        at(out).backward = true;
        if (d >= 0)
          t_.backward.push_back({.what = step::kind::copy, .x = d, .y = out});
        else
          t_.backward.push_back({.what = step::kind::zero, .y = out});
      }
    }
    for (tensor const& x : t_.tensors)
      if (x.where == place::gradient_in) gradients_in_.push_back(x);
  }

  model_row const *rows_, *whole_;
  int segments_, first_, last_, number_;
  bool last_stage_, split_;
  layer_functions const* functions_;
  element_types types_;
  std::vector<layer_parameters>& homes_;
  stage_table t_;
  int current_[most_entries]{-1, -1, -1, -1, -1, -1, -1, -1};
  std::vector<model_row const*> row_of_;
  std::vector<tensor> gradients_in_;
};

}  // namespace detail

}  // namespace foal::lower
