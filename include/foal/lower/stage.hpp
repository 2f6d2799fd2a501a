// Lowers the rows of one stage to steps over tensors: what is kept, what is overwritten in place, what crosses wires.
#pragma once

#include <string>
#include <vector>

#include <foal/lower/table.hpp>
#include <foal/model/description.hpp>

namespace foal::lower {

namespace detail {

using foal::detail::item_kind;
static_assert(most_wires == most_entries);

constexpr until later(until a, until b) { return a < b ? b : a; }

/// Builds one stage_table. Forward first, then backward over the same rows in reverse.
class stage_builder {
 public:
  stage_builder(model_row const* rows, int first, int last, bool first_stage, bool last_stage, bool split,
                layer_functions const* functions)
      : rows_(rows),
        first_(first),
        last_(last),
        first_stage_(first_stage),
        last_stage_(last_stage),
        split_(split),
        functions_(functions) {}

  /// live_in, live_out: shapes of the entries open at the stage's two ends, extent size 0 where not open.
  stage_table build(std::vector<std::pair<int, shape>> const& live_in, std::vector<std::pair<int, shape>> const& live_out) {
    for (auto const& [entry, extent] : live_in) {
      int const wire = static_cast<int>(t_.wire_in.size());
      t_.wire_in.push_back({extent, entry});
      current_[entry] = make(per_sample(extent), place::wire_in, wire);
    }
    for (int i = first_; i < last_; ++i) lower_forward(rows_[i]);
    finish_forward(live_out);
    mark_input_gradients();
    begin_backward(live_out);
    for (int i = last_ - 1; i >= first_; --i) lower_backward(rows_[i]);
    finish_backward(live_in);
    for (auto& w : t_.wire_in) w.last = until::forward;
    for (tensor const& x : t_.tensors)
      if (x.where == place::wire_in) t_.wire_in[static_cast<std::size_t>(x.wire)].last = x.last;
    find_lifetimes(t_.forward, false);
    find_lifetimes(t_.backward, true);
    return std::move(t_);
  }

  /// How long the gradient that arrives for entry `wire` of the stage's outgoing wire is needed.
  until gradient_kept(int wire) const {
    for (tensor const& x : gradients_in_)
      if (x.wire == wire) return x.last;
    return until::B;
  }

 private:
  static amount per_sample(shape s) { return {0, s.size()}; }
  tensor& at(int id) { return t_.tensors[static_cast<std::size_t>(id)]; }
  layer_row& row(int l) { return t_.layers[static_cast<std::size_t>(l)]; }

  int make(amount elements, place where = place::scratch, int wire = 0) {
    tensor x;
    x.elements = elements;
    x.where = where;
    x.wire = wire;
    t_.tensors.push_back(x);
    return static_cast<int>(t_.tensors.size()) - 1;
  }

  void keep(int id, until last) {
    if (last == until::forward) return;
    if (at(id).where == place::scratch) at(id).where = place::kept;
    at(id).last = later(at(id).last, last);
  }

  /// Nothing needs the old content later: it may be overwritten. What arrives by a wire is left as it came.
  bool overwritable(int id) { return at(id).where == place::scratch || (at(id).backward && at(id).last < until::W); }

  void lower_forward(model_row const& r) {
    int const x = current_[r.entry];
    if (r.kind == item_kind::save) {
      int const y = make(per_sample(r.in));
      t_.forward.push_back({step::kind::copy, -1, current_[0], y, -1, -1});
      current_[r.entry] = y;
      return;
    }
    if (r.kind == item_kind::add) {
      int const main = current_[0];
      int const y = overwritable(main) ? main : make(per_sample(r.in));
      t_.forward.push_back({step::kind::add, -1, main, y, x, -1});
      current_[0] = y;
      current_[r.entry] = -1;
      return;
    }
    layer_info const& info = *r.info;
    auto const parameters = info.parameters(r.in);
    until const input_until = parameters.size == 0 && info.input_kept == until::W ? until::B : info.input_kept;
    keep(x, input_until);
    int const y = info.in_place && overwritable(x) ? x : make(per_sample(r.out));
    keep(y, info.output_kept);

    layer_row l;
    l.name = info.name;
    l.number = r.number;
    l.in = r.in;
    l.out = r.out;
    if (info.input_kept != until::forward) l.x = x;
    if (info.output_kept != until::forward) l.y = y;
    l.least_samples = info.least_samples(r.in);
    l.call = functions_[r.number];
    auto const entries = info.kept(r.in);
    for (int i = 0; i < entries.size; ++i) {
      l.entry[i] = make(entries[i].elements, place::kept);
      at(l.entry[i]).element_bytes = entries[i].element_bytes;
      at(l.entry[i]).last = later(entries[i].last, until::B);
    }
    l.first_parameter = static_cast<int>(t_.parameters.size());
    l.parameters = parameters.size;
    for (int i = 0; i < parameters.size; ++i) add_parameter(t_.parameters, t_.weight_elements, l, i, parameters[i]);
    auto const buffers = info.buffers(r.in);
    l.first_buffer = static_cast<int>(t_.buffers.size());
    l.buffers = buffers.size;
    for (int i = 0; i < buffers.size; ++i) add_parameter(t_.buffers, t_.buffer_elements, l, i, buffers[i]);

    int const number = static_cast<int>(t_.layers.size());
    t_.layers.push_back(l);
    t_.flops += r.flops;
    t_.forward.push_back({step::kind::layer, number, x, y, -1, layer_scratch(number, info, r.in, false)});
    current_[r.entry] = y;
    row_of_.push_back(&r);
  }

  int layer_scratch(int, layer_info const& info, shape in, bool backward) {
    amount const need = info.scratch(in);
    if (need.fixed == 0 && need.per_sample == 0) return -1;
    int const id = make(need);
    at(id).backward = backward;
    return id;
  }

  void add_parameter(std::vector<parameter_row>& to, long long& total, layer_row const& l, int index, parameter const& p) {
    parameter_row q;
    q.name = std::to_string(l.number) + "." + l.name + "." + p.name;
    q.layer = static_cast<int>(t_.layers.size());
    q.number = l.number;
    q.index = index;
    q.what = p;
    q.size = p.extent.size();
    q.offset = total;
    // Every array starts at a multiple of 64 bytes for 4-byte scalars and more, so kernels see aligned pointers.
    total += (q.size + 15) / 16 * 16;
    to.push_back(q);
  }

  void finish_forward(std::vector<std::pair<int, shape>> const& live_out) {
    if (last_stage_) {
      t_.output_tensor = current_[0];
      t_.output = rows_[last_ - 1].kind == item_kind::layer && rows_[last_ - 1].entry == 0 ? rows_[last_ - 1].out
                                                                                           : rows_[last_ - 1].in;
      return;
    }
    int wire = 0;
    for (auto const& [entry, extent] : live_out) {
      int const x = current_[entry];
      if (at(x).where == place::scratch) {
        at(x).where = place::wire_out;
        at(x).wire = wire;
      } else {
        t_.forward.push_back({step::kind::copy, -1, x, make(per_sample(extent), place::wire_out, wire), -1, -1});
      }
      ++wire;
    }
  }

  /// A gradient for a layer's input is needed when anything below it has weights: in an earlier stage, or earlier in this
  /// one.
  void mark_input_gradients() {
    bool below = !first_stage_;
    for (layer_row& l : t_.layers) {
      l.input_gradient = below;
      if (l.parameters > 0) below = true;
    }
    for (parameter_row& p : t_.parameters)
      if (p.what.read_in_backward && row(p.layer).input_gradient) {
        p.backward_offset = t_.backward_elements;
        t_.backward_elements += (p.size + 15) / 16 * 16;
      }
  }

  int make_gradient(shape s) {
    int const id = make(per_sample(s));
    at(id).backward = true;
    return id;
  }

  void begin_backward(std::vector<std::pair<int, shape>> const& live_out) {
    for (int& e : current_) e = -1;
    if (last_stage_) {
      current_[0] = t_.loss_gradient_tensor = make(per_sample(t_.output), place::gradient_in, 0);
      at(current_[0]).backward = true;
      at(current_[0]).last = until::B;
      return;
    }
    int wire = 0;
    for (auto const& [entry, extent] : live_out) {
      current_[entry] = make(per_sample(extent), place::gradient_in, wire++);
      at(current_[entry]).backward = true;
      at(current_[entry]).last = until::B;
    }
  }

  void lower_backward(model_row const& r) {
    if (r.kind == item_kind::save) {  // both uses of the activations send a gradient
      int const main = current_[0], skip = current_[r.entry];
      current_[r.entry] = -1;
      if (main < 0) return;
      int const sum = overwritable(main) ? main : make_gradient(r.in);
      t_.backward.push_back({step::kind::add, -1, main, sum, skip, -1});
      current_[0] = sum;
      return;
    }
    if (r.kind == item_kind::add) {
      int const main = current_[0];
      if (main < 0) return;
      int const skip = make_gradient(r.in);
      t_.backward.push_back({step::kind::copy, -1, main, skip, -1, -1});
      current_[r.entry] = skip;
      return;
    }
    int const number = find(r);
    layer_row& l = row(number);
    int const dy = current_[r.entry];
    if (dy < 0) return;
    if (split_ && l.parameters > 0) keep(dy, until::W);
    if (!l.input_gradient && l.parameters == 0) {
      current_[r.entry] = -1;
      return;
    }
    int dx = -1;
    if (l.input_gradient) dx = r.info->in_place && overwritable(dy) ? dy : make_gradient(r.in);
    int const scratch = layer_scratch(number, *r.info, r.in, true);
    t_.backward.push_back({step::kind::layer, number, dx, dy, -1, scratch});
    if (split_ && l.parameters > 0) t_.backward_weight.push_back({step::kind::layer, number, -1, dy, -1, scratch});
    current_[r.entry] = dx;
  }

  int find(model_row const& r) const {
    for (std::size_t i = 0; i < row_of_.size(); ++i)
      if (row_of_[i] == &r) return static_cast<int>(i);
    return -1;
  }

  void finish_backward(std::vector<std::pair<int, shape>> const& live_in) {
    if (!first_stage_) {
      int wire = 0;
      for (auto const& [entry, extent] : live_in) {
        int const d = current_[entry];
        if (at(d).where == place::scratch) {
          at(d).where = place::gradient_out;
          at(d).wire = wire;
        } else {
          int const out = make(per_sample(extent), place::gradient_out, wire);
          at(out).backward = true;
          t_.backward.push_back({step::kind::copy, -1, d, out, -1, -1});
        }
        ++wire;
      }
    }
    for (tensor const& x : t_.tensors)
      if (x.where == place::gradient_in) gradients_in_.push_back(x);
  }

  /// First and last step that touch each scratch tensor, for the packing of the worker's scratch.
  void find_lifetimes(std::vector<step> const& steps, bool backward) {
    for (int i = 0; i < static_cast<int>(steps.size()); ++i) {
      step const& s = steps[static_cast<std::size_t>(i)];
      for (int id : {s.x, s.y, s.other, s.scratch}) {
        if (id < 0 || at(id).where != place::scratch || at(id).backward != backward) continue;
        if (at(id).first_step < 0) at(id).first_step = i;
        at(id).last_step = i;
      }
    }
    // The loss reads the last stage's output after the last step.
    if (!backward && t_.output_tensor >= 0 && at(t_.output_tensor).where == place::scratch)
      at(t_.output_tensor).last_step = static_cast<int>(steps.size());
  }

  model_row const* rows_;
  int first_, last_;
  bool first_stage_, last_stage_, split_;
  layer_functions const* functions_;
  stage_table t_;
  int current_[most_entries]{-1, -1, -1, -1, -1, -1, -1, -1};
  std::vector<model_row const*> row_of_;
  std::vector<tensor> gradients_in_;
};

}  // namespace detail

/// Lowers a model's rows, in order, stage by stage. split: W is an op of its own, so output gradients are kept until W.
inline std::vector<stage_table> lower_stages(model_row const* rows, int size, int stages, shape input, bool split,
                                             layer_functions const* functions) {
  using live = std::vector<std::pair<int, shape>>;
  std::vector<live> ends(static_cast<std::size_t>(stages) + 1);
  std::vector<int> begin(static_cast<std::size_t>(stages) + 1, size);
  shape entry[most_entries]{};
  bool open[most_entries]{true};
  entry[0] = input;
  auto const snapshot = [&] {
    live now;
    for (int e = 0; e < most_entries; ++e)
      if (open[e]) now.emplace_back(e, entry[e]);
    return now;
  };
  int stage = -1;
  for (int i = 0; i < size; ++i) {
    while (stage < rows[i].stage) {
      ++stage;
      begin[static_cast<std::size_t>(stage)] = i;
      ends[static_cast<std::size_t>(stage)] = snapshot();
    }
    model_row const& r = rows[i];
    if (r.kind == foal::detail::item_kind::save) {
      open[r.entry] = true;
      entry[r.entry] = entry[0];
    } else if (r.kind == foal::detail::item_kind::add) {
      open[r.entry] = false;
    } else {
      entry[r.entry] = r.out;
    }
  }
  ends.back() = snapshot();

  std::vector<stage_table> all;
  std::vector<until> gradients;
  for (int s = 0; s < stages; ++s) {
    auto const i = static_cast<std::size_t>(s);
    detail::stage_builder builder(rows, begin[i], begin[i + 1], s == 0, s == stages - 1, split, functions);
    stage_table t = builder.build(ends[i], ends[i + 1]);
    for (std::size_t e = 0; e < gradients.size(); ++e) t.wire_in[e].gradient_last = gradients[e];
    gradients.clear();
    if (s + 1 < stages)
      for (std::size_t e = 0; e < ends[i + 1].size(); ++e) gradients.push_back(builder.gradient_kept(static_cast<int>(e)));
    all.push_back(std::move(t));
  }
  return all;
}

}  // namespace foal::lower
