// Keeps and sends activations in the codes of codecs: a pass over finished stages that lets their steps encode and decode.
#pragma once

#include <utility>
#include <vector>

#include <foal/lower/lifetimes.hpp>
#include <foal/lower/segments.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

using namespace table;

namespace detail {

/// Rewrites the steps of one op. A coded tensor that they read has a copy as it was, decoded before the first read; one that
/// they write is encoded after the last write. Needs tensors with their encodings set. feedback: number of the codec whose
/// messages have errors that are fed back; -1: none.
class conversions {
 public:
  enum class op { F, B, W };

  conversions(stage_table& t, op now, std::vector<step>& steps, bool split, int feedback = -1)
      : t_(t), op_(now), split_(split), feedback_(feedback), stored_(t.tensors.size(), false), copy_(t.tensors.size(), -1) {
    for (std::size_t i = 0; i < stored_.size(); ++i)
      stored_[i] = t.tensors[i].code.coded() && t.tensors[i].where != place::temporary;
    last_write_.assign(stored_.size(), -1);
    touched_.assign(stored_.size(), 0);
    for (int i = 0; i < static_cast<int>(steps.size()); ++i) {
      step const& s = steps[static_cast<std::size_t>(i)];
      each_written(s, [&](int id) { last_write_[static_cast<std::size_t>(id)] = i; });
      for (int id : {s.x, s.y, s.other, s.read[0], s.read[1], s.read_gradient[0], s.read_gradient[1]})
        if (id >= 0) ++touched_[static_cast<std::size_t>(id)];
    }
    for (int i = 0; i < static_cast<int>(steps.size()); ++i) convert(steps[static_cast<std::size_t>(i)], i);
    if (op_ == op::F && t_.output_tensor >= 0) t_.output_tensor = read(t_.output_tensor);
    steps = std::move(out_);
  }

 private:
  bool stored(int id) const { return id >= 0 && stored_[static_cast<std::size_t>(id)]; }
  bool kept_until_w(int id) const { return t_.tensors[static_cast<std::size_t>(id)].last == until::W; }

  int copy_of(int id) {
    int& copy = copy_[static_cast<std::size_t>(id)];
    if (copy >= 0) return copy;
    tensor x;
    x.elements = t_.tensors[static_cast<std::size_t>(id)].elements;
    x.sample = t_.tensors[static_cast<std::size_t>(id)].sample;
    x.type = t_.tensors[static_cast<std::size_t>(id)].type;
    x.backward = op_ != op::F;
    x.weight = op_ == op::W;
    t_.tensors.push_back(x);
    return copy = static_cast<int>(t_.tensors.size()) - 1;
  }
  /// The tensor to read instead of `id`.
  int read(int id) {
    if (!stored(id)) return id;
    bool const first = copy_[static_cast<std::size_t>(id)] < 0;
    int const copy = copy_of(id);
    if (first) out_.push_back({.what = step::kind::decode, .x = id, .y = copy});
    return copy;
  }
  int write(int id) { return stored(id) ? copy_of(id) : id; }

  /// Entries in which B leaves something for W.
  bool written_in_backward(int entry) const { return op_ == op::B && split_ && kept_until_w(entry); }

  template <class F>
  void each_written(step const& s, F f) const {
    auto const call = [&](int id) {
      if (stored(id)) f(id);
    };
    if (s.what != step::kind::layer) return call(s.y);
    if (op_ == op::F) call(s.y);
    if (op_ == op::B) call(s.x);
    for (int id : s.read_gradient) call(id);
    for (int id : s.kept.entry)
      if (id >= 0 && (op_ == op::F || written_in_backward(id))) call(id);
  }

  /// Between two stored tensors that are as they were before the op, or complete, bits can be copied; the end of a stage
  /// sends on so what has come in.
  bool moves_stored(step const& s, int i) const {
    if (!stored(s.y) || touched_[static_cast<std::size_t>(s.y)] != 1) return false;
    if (s.what == step::kind::zero) return true;
    if (s.what != step::kind::copy || !stored(s.x) || !stored_alike(s.x, s.y)) return false;
    int const written = last_write_[static_cast<std::size_t>(s.x)];
    return written < i && (written < 0 || needed_after(s.x));
  }

  bool stored_alike(int a, int b) const {
    return t_.tensors[static_cast<std::size_t>(a)].code == t_.tensors[static_cast<std::size_t>(b)].code;
  }

  /// A tensor for what is lost of a wire's message and added to the next one; -1: nothing is.
  int error_of(int id) {
    if (feedback_ < 0 || t_.tensors[static_cast<std::size_t>(id)].code.codec != feedback_) return -1;
    tensor x;
    x.elements = t_.tensors[static_cast<std::size_t>(id)].elements;
    x.sample = t_.tensors[static_cast<std::size_t>(id)].sample;
    x.type = t_.tensors[static_cast<std::size_t>(id)].type;
    x.where = place::error;
    x.backward = op_ != op::F;
    t_.tensors.push_back(x);
    return static_cast<int>(t_.tensors.size()) - 1;
  }

  /// Someone reads it after this op.
  bool needed_after(int id) const {
    return t_.tensors[static_cast<std::size_t>(id)].where != place::gradient_in || kept_until_w(id);
  }

  void convert(step s, int i) {
    if (moves_stored(s, i)) {
      out_.push_back(s);
      return;
    }
    std::vector<int> written;
    each_written(s, [&](int id) {
      if (last_write_[static_cast<std::size_t>(id)] == i && needed_after(id)) written.push_back(id);
    });
    bool const layer = s.what == step::kind::layer;
    if (!layer || op_ == op::F) {
      s.x = read(s.x);
      s.other = read(s.other);
      for (int& id : s.read) id = read(id);
      s.y = write(s.y);
    } else {
      s.y = read(s.y);
      for (int& id : s.read_gradient) id = read(id);
      s.x = write(s.x);
    }
    if (layer) convert_kept(s.kept);
    if (op_ == op::W) s.scratch = own_temporary(s.scratch);
    out_.push_back(s);
    for (std::size_t k = 0; k < written.size(); ++k) {
      bool again = false;
      for (std::size_t j = 0; j < k; ++j) again = again || written[j] == written[k];
      if (again) continue;
      out_.push_back({.what = step::kind::encode, .x = copy_of(written[k]), .y = written[k], .other = error_of(written[k])});
    }
  }

  void convert_kept(kept_tensors& k) {
    for (int* id : {&k.x, &k.y, &k.entry[0], &k.entry[1], &k.entry[2], &k.entry[3], &k.read[0], &k.read[1]}) {
      if (!stored(*id)) continue;
      if (op_ == op::W && !kept_until_w(*id))
        *id = -1;
      else
        *id = op_ == op::F ? copy_of(*id) : read(*id);
    }
  }
  static_assert(most == 4 && most_reads == 2);

  /// W's temporaries are packed among its own, not among those of B.
  int own_temporary(int id) {
    if (id < 0) return id;
    tensor x = t_.tensors[static_cast<std::size_t>(id)];
    x.weight = true;
    t_.tensors.push_back(x);
    return static_cast<int>(t_.tensors.size()) - 1;
  }

  stage_table& t_;
  op op_;
  bool split_;
  int feedback_;
  std::vector<bool> stored_;
  std::vector<int> copy_;  ///< as it was before encoding, by tensor
  std::vector<int> last_write_, touched_;
  std::vector<step> out_;
};

}  // namespace detail

/// By which codecs, numbers in run_tables::codecs, a run keeps and sends activations; -1: as they are.
struct codings {
  int storage = -1;                                          ///< what stages keep, and send where `wire` does not
  int wire = -1;                                             ///< what they send
  bool feedback_forward = false, feedback_backward = false;  ///< of `wire`
};

namespace detail {

/// Elements of an entry that are a row: a position's in a sequence, else a sample's.
constexpr int row_of(shape s) { return s.rank == 2 ? s.channels() : s.size(); }

inline encoding encoding_by(run_tables const& t, int codec, int row) {
  if (codec < 0) return {};
  codec_functions const& f = t.codecs[static_cast<std::size_t>(codec)];
  if (row < f.least_row) return {};
  return {codec, row, f.row_bytes(f.codec, static_cast<std::size_t>(row))};
}

/// Sets what is coded: of the wires, by the stage that receives; of what a stage keeps, activations and entries as large.
inline void choose_encodings(run_tables& run, codings what) {
  for (std::size_t s = 0; s < run.stages.size(); ++s)
    for (wire_entry& e : run.stages[s].wire_in) {
      if (e.exact || (!e.gradient && e.extent.rank <= 2 && e.extent.channels() == 1)) continue;
      if (s > 0) e.code = encoding_by(run, what.wire, row_of(e.extent));
      if (!e.code.coded()) e.code = encoding_by(run, what.storage, row_of(e.extent));
    }
  for (std::size_t s = 0; s < run.stages.size(); ++s) {
    stage_table& t = run.stages[s];
    for (std::size_t i = 0; i < t.tensors.size(); ++i) {
      tensor& x = t.tensors[i];
      bool const behind = x.where == place::wire_in || x.where == place::gradient_out;
      bool const ahead = x.where == place::wire_out || x.where == place::gradient_in;
      if (behind || (ahead && static_cast<int>(i) != t.loss_gradient_tensor))
        x.code = run.stages[behind ? s : s + 1].wire_in[static_cast<std::size_t>(x.wire)].code;
      if (x.where == place::kept && x.sample.rank > 0 && !x.exact) x.code = encoding_by(run, what.storage, row_of(x.sample));
    }
    for (layer_row const& l : t.layers)
      for (int id : l.entry) {
        if (id < 0) continue;
        tensor& x = t.tensors[static_cast<std::size_t>(id)];
        bool const statistic = x.elements.fixed > 0 || x.elements.per_sample < l.out.size();
        if (x.where == place::kept && !x.exact && !statistic)
          x.code = encoding_by(run, what.storage, static_cast<int>(x.elements.per_sample));
      }
  }
}

/// Of a gradient that arrived in a wire's code, B may have made another one in place, for W: that one gets a tensor of the
/// stage's own, for it is no message. Gives whether there was one.
inline bool keep_apart(stage_table& t, int gradient, encoding code) {
  int own = -1;
  auto const rename = [&](int& id) { id = id == gradient && own >= 0 ? own : id; };
  auto const begin = [&] {
    tensor x = t.tensors[static_cast<std::size_t>(gradient)];
    x.where = place::kept;
    x.code = code;
    t.tensors.push_back(x);
    own = static_cast<int>(t.tensors.size()) - 1;
  };
  std::vector<step> steps;
  for (step s : t.backward) {
    bool const layer = s.what == step::kind::layer;
    bool const adds = s.read_gradient[0] == gradient || s.read_gradient[1] == gradient;
    bool const overwrites = (layer ? s.x : s.y) == gradient;
    rename(layer ? s.y : s.x);  // what a step reads is there before
    rename(s.other);
    if (own < 0 && (adds || overwrites)) {
      begin();
      if (adds) steps.push_back({.what = step::kind::copy, .x = gradient, .y = own});
    }
    rename(layer ? s.x : s.y);
    for (int& id : s.read_gradient) rename(id);
    steps.push_back(s);
  }
  if (own < 0) return false;
  t.backward = std::move(steps);
  for (step& s : t.backward_weight) rename(s.y);
  t.tensors[static_cast<std::size_t>(gradient)].last = until::B;
  return true;
}

/// Does so for all.
inline void keep_apart(run_tables& run, codings what) {
  for (std::size_t s = 0; s + 1 < run.stages.size(); ++s)
    for (std::size_t i = 0, n = run.stages[s].tensors.size(); i < n; ++i) {
      tensor const x = run.stages[s].tensors[i];
      bool const message = x.where == place::gradient_in && x.code.coded() && x.code.codec == what.wire;
      if (!message || x.last != until::W) continue;
      if (keep_apart(run.stages[s], static_cast<int>(i), encoding_by(run, what.storage, row_of(x.sample))))
        run.stages[s + 1].wire_in[static_cast<std::size_t>(x.wire)].gradient_last = until::B;
    }
}

}  // namespace detail

namespace detail {

inline void encode_stages(run_tables& run, codings what) {
  choose_encodings(run, what);
  keep_apart(run, what);
  for (std::size_t s = 0; s < run.stages.size(); ++s) {
    stage_table& t = run.stages[s];
    bool const split = !t.backward_weight.empty();
    conversions(t, conversions::op::F, t.forward, split, what.feedback_forward ? what.wire : -1);
    conversions(t, conversions::op::B, t.backward, split, what.feedback_backward ? what.wire : -1);
    conversions(t, conversions::op::W, t.backward_weight, split);
    t.coded = true;
    for (std::size_t e = 0; s == 0 && e < t.wire_in.size(); ++e) {  // tensor e of the first stage is the model's input e
      if (!t.wire_in[e].code.coded()) continue;
      tensor x = t.tensors[e];
      x.where = place::temporary;
      x.code = {};
      t.tensors.push_back(x);
      t.wire_in[e].loaded = static_cast<int>(t.tensors.size()) - 1;
    }
    find_lifetimes(t);
  }
}

}  // namespace detail

/// Lets the stages keep and send activations in codes. Once for each lowered model; needs run_tables::codecs. Throws
/// foal::error where later segments of a sequence read what would be in a code.
inline void encode_activations(run_tables& run, codings what) {
  detail::encode_stages(run, what);
  check_coded_segments(run);
  if (run.whole.empty()) return;
  std::swap(run.stages, run.whole);
  detail::encode_stages(run, what);
  std::swap(run.stages, run.whole);
}

}  // namespace foal::lower
