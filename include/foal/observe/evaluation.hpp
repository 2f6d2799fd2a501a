// Evaluation at a defined weight version: copies of every stage's weights after its k-th update, read while training goes
// on.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <foal/executor/check_source.hpp>
#include <foal/executor/evaluation_rounds.hpp>
#include <foal/executor/forward.hpp>
#include <foal/executor/memory.hpp>
#include <foal/executor/moves.hpp>
#include <foal/plan/check_sizes.hpp>

namespace foal::executor {

/// Of the stages whose memory is here.
inline std::vector<stage_run> runs_here(std::vector<bound_stage> const& units, std::size_t stages) {
  std::vector<stage_run> all;
  for (std::size_t s = 0; s < stages; ++s) {
    if (units[s].worker < 0) continue;
    if (all.empty() || all.back().end != s) all.push_back({s, s});
    all.back().end = s + 1;
  }
  return all;
}

/// Memory and work of evaluations. Copies are made by the stages' workers, read by the thread that evaluates. No side
/// effects: statistics do not move, nothing of the training is written. It has memory for the stages that are here alone;
/// where a run of them begins or ends within the model, its neighbour is in another process, and what passes between the two
/// has a slot at both.
class evaluator {
 public:
  /// here: the stages whose memory is here, ascending and no two of them neighbours.
  evaluator(table::run_tables const& tables, table::run_values const& values, std::vector<stage_run> here, int ordinal = 0)
      : t_(tables),
        stages_(tables.whole_stages()),
        samples_(values.evaluation_samples),
        runs_(std::move(here)),
        plan_(1),
        weights_(stages_.size(), 0),
        buffers_(stages_.size(), 0),
        borders_(stages_.size()),
        borrowed_(stages_.size()) {
    check_sizes(t_, samples_, 4, ".evaluation_samples");
    for (stage_run const& r : runs_) plan_run(r);
    for (auto& r : region_) r = plan_.add("activations of one stage", category::evaluation, 0, 0, region_bytes_);
    std::size_t const targets =
        static_cast<std::size_t>(t_.loss.targets_per_sample) * static_cast<std::size_t>(samples_) * t_.loss.target_bytes;
    targets_ = plan_.add("targets", category::evaluation, 0, 0, has_loss() ? targets : 0);
    sums_ = plan_.add("sums of losses", category::evaluation, 0, 0,
                      t_.device.asynchronous ? sizeof(device::loss_sums) : std::size_t{0});
    workspace_ = plan_.add("library workspace", category::evaluation, 0, 0, t_.device.workspace_bytes);
    arena_ = allocate_block(t_.device, std::max<std::size_t>(plan_.bytes(), alignment), ordinal);
    device_ = make_device(t_.device, at(workspace_), ordinal);
    if (!t_.device.host_memory) {
      std::size_t input = 0;
      for (auto const& w : stages_.front().wire_in)
        input = std::max(input, bytes_of(t_.types.activations, static_cast<long long>(w.extent.size()) * samples_));
      host_.resize(std::max(input, plan_[targets_].bytes) + alignment);
    }
  }
  evaluator(evaluator const&) = delete;
  evaluator& operator=(evaluator const&) = delete;

  memory_plan const& plan() const { return plan_; }
  std::vector<stage_run> const& runs() const { return runs_; }
  /// Whether the last stage is here, with the loss.
  bool has_loss() const { return !runs_.empty() && runs_.back().end == stages_.size(); }
  /// The slot of each entry of the wire into a stage whose neighbour is in another process.
  std::vector<transport::entry_slots> border(std::size_t stage) const {
    std::vector<transport::entry_slots> all;
    for (std::size_t e = 0; e < borders_[stage].size(); ++e) {
      std::size_t const bytes = stages_[stage].wire_in[e].bytes(samples_);
      all.push_back({at(borders_[stage][e]), bytes, bytes, 1});
    }
    return all;
  }

  /// Tied parameters that a stage elsewhere has, or borrows: none where all stages are here.
  std::vector<evaluation_loan> loans() const {
    std::vector<evaluation_loan> all;
    for (std::size_t s = 0; s < stages_.size(); ++s)
      for (table::parameter_row const& p : stages_[s].parameters) {
        if (p.home_stage < 0 || (here(s) && here(static_cast<std::size_t>(p.home_stage)))) continue;
        auto const home = static_cast<std::size_t>(p.home_stage);
        std::size_t const bytes = weight_bytes(p.size);
        all.push_back({home, s, {here(home) || here(s) ? weights_of(s, p) : nullptr, bytes, bytes, 1}});
      }
    return all;
  }

  /// Takes a stage's weights and statistics as they are, or one of the optimizer's states in place of those weights that are
  /// trained. Called by the stage's worker.
  void copy(bound_stage const& b, int state = -1) {
    auto const s = static_cast<std::size_t>(b.number);
    t_.device.copy(b.device, at(weights_[s]), b.w, weight_bytes(b.table->weight_elements));
    if (state >= 0) t_.device.copy(b.device, at(weights_[s]), b.states[state], weight_bytes(b.table->trained_elements));
    t_.device.copy(b.device, at(buffers_[s]), b.buffers, statistics_bytes(b.table->buffer_elements));
    t_.device.synchronise(b.device);
  }

  /// Where the copies of a stage's weights, or statistics, lie, and how many bytes they are.
  std::span<std::byte> copies(int stage, bool statistics) const {
    table::stage_table const& t = stages_[static_cast<std::size_t>(stage)];
    auto const& of = statistics ? buffers_ : weights_;
    return {at(of[static_cast<std::size_t>(stage)]),
            statistics ? statistics_bytes(t.buffer_elements) : weight_bytes(t.weight_elements)};
  }

  /// A part of a stage's weights, or statistics, as they were copied: to host memory.
  void read(int stage, bool statistics, std::size_t offset, std::size_t n, void* to) const {
    auto const& of = statistics ? buffers_ : weights_;
    t_.device.copy_out(device_.get(), to, at(of[static_cast<std::size_t>(stage)]) + offset, n);
  }

  /// Evaluates the copies of all stages on all samples of a source. What is wrong with the result is said in it: a run goes
  /// on.
  evaluation_result run(table::evaluation_source const& source, long long update) {
    begin();
    for (long long c = 0; c < chunks(source) && misfit_.empty(); ++c) pass(source, update, runs_.front(), c);
    return result(source, update);
  }

  /// How many times so many samples as there is room for.
  long long chunks(table::evaluation_source const& source) const { return (source.samples + samples_ - 1) / samples_; }
  /// Before the first chunk.
  void begin() {
    sum_ = {};
    fault_.clear();
    misfit_.clear();
  }
  /// One chunk through one run of the stages that are here.
  void pass(table::evaluation_source const& source, long long update, stage_run const& r, long long c) {
    bool const last = r.end == stages_.size();
    if (last && !misfit_.empty()) return;
    long long const first = c * samples_;
    int const n = static_cast<int>(std::min<long long>(samples_, source.samples - first));
    loss::loss_result const one = chunk(source, first, n, r);
    if (!last) return t_.device.synchronise(device_.get());
    sum_.sum += one.sum;
    sum_.weight += one.weight;
    sum_.correct += one.correct;
    if (fault_.empty() && !std::isfinite(one.sum))
      fault_ =
          sentence("cannot give a loss of the weights after update ", update, ", because that of samples ",
                   number(source, first), n > 1 ? sentence(" to ", number(source, first + n - 1)) : std::string(), " is ",
                   one.sum, "; look for inputs that are not finite and for statistics and weights that are not");
  }
  /// After the last chunk, where the loss is.
  evaluation_result result(table::evaluation_source const& source, long long update) {
    if (fault_.empty() && misfit_.empty() && !(sum_.weight > 0))
      fault_ = sentence("cannot give a loss of the weights after update ", update, ", because of the targets of ",
                        source.samples, " samples none counts; give some that the loss does not ignore");
    constexpr double none = std::numeric_limits<double>::quiet_NaN();
    if (!misfit_.empty() || !(sum_.weight > 0))
      return {update, none, none, source.samples, misfit_.empty() ? fault_ : misfit_};
    double const accuracy = t_.loss.has_accuracy ? static_cast<double>(sum_.correct) / sum_.weight : none;
    return {update, sum_.sum / sum_.weight, accuracy, source.samples, fault_};
  }

  /// Why the last evaluation met a target that the model has no class for; empty: it did not.
  std::string const& misfit() const { return misfit_; }
  /// It did, where the loss is.
  void set_misfit(std::string text) { misfit_ = std::move(text); }

 private:
  std::size_t weight_bytes(long long n) const { return bytes_of(t_.types.weights, n); }
  std::size_t statistics_bytes(long long n) const { return bytes_of(t_.types.statistics, n); }
  std::size_t tensor_bytes(table::tensor const& x) const { return x.bytes(samples_); }
  static bool is_leaving(table::tensor const& x) { return !x.backward && x.where == table::place::wire_out; }
  /// Neither its predecessor's nor its successor's; the first stage's input is its own. Wires are coded without error
  /// feedback.
  static bool is_own(table::tensor const& x, bool first) {
    return !x.backward && x.where != table::place::error && !is_leaving(x) && (first || x.where != table::place::wire_in);
  }
  std::byte* at(std::size_t entry) const { return static_cast<std::byte*>(arena_.get()) + plan_[entry].offset; }
  void bring(void* to, std::size_t n) { t_.device.copy_in(device_.get(), to, host_.data(), n); }

  /// Copies of what changes, and the two regions as large as these stages need them.
  void plan_run(stage_run const& r) {
    plan_border(r.first);
    std::size_t arriving = 0;
    for (std::size_t i = r.first; i < r.end; ++i) {
      table::stage_table const& s = stages_[i];
      weights_[i] =
          plan_.add("weights for evaluation", category::evaluation, 0, 0, weight_bytes(s.weight_elements), t_.types.weights);
      buffers_[i] = plan_.add("statistics for evaluation", category::evaluation, 0, 0, statistics_bytes(s.buffer_elements),
                              t_.types.statistics);
      std::size_t own = 0, leaving = 0;
      for (auto const& x : s.tensors) {
        if (is_own(x, i == 0)) own += padded(tensor_bytes(x));
        if (is_leaving(x) && !is_border(r, i + 1)) leaving += padded(tensor_bytes(x));
      }
      region_bytes_ = std::max(region_bytes_, own + arriving);
      arriving = leaving;
    }
    region_bytes_ = std::max(region_bytes_, arriving);
    plan_border(r.end);
    for (std::size_t i = r.first; i < r.end; ++i)
      for (table::parameter_row const& p : stages_[i].parameters) {
        bool const away = p.home_stage >= 0 && !here(static_cast<std::size_t>(p.home_stage));
        borrowed_[i].push_back(away ? plan_.add("tied weights for evaluation", category::evaluation, 0, 0,
                                                weight_bytes(p.size), t_.types.weights)
                                    : 0);
      }
  }
  /// Whether the wire into a stage leads from a run to another process.
  bool is_border(stage_run const& r, std::size_t stage) const { return stage == r.end && stage < stages_.size(); }
  void plan_border(std::size_t stage) {
    if (stage == 0 || stage == stages_.size()) return;
    for (table::wire_entry const& e : stages_[stage].wire_in)
      borders_[stage].push_back(plan_.add("activations between processes", category::evaluation, 0, 0, e.bytes(samples_)));
  }

  /// Stages alternate between two regions: a stage's own tensors lie in its region from the front, what its predecessor
  /// left for it from the back.
  loss::loss_result chunk(table::evaluation_source const& source, long long first, int n, stage_run const& r) {
    std::vector<void*> in, tensor;
    if (r.first > 0)
      for (std::size_t const entry : borders_[r.first]) in.push_back(at(entry));
    loss::loss_result result;
    lengths_ = {};
    if (source.lengths != nullptr) {
      lengths_ = source.lengths(source.self, first, n);
      check_lengths(lengths_, longest_of(t_), "samples to evaluate from", first);
    }
    for (std::size_t s = r.first; s < r.end; ++s) {
      table::stage_table const& t = stages_[s];
      std::byte* place = at(region_[s % 2]);
      std::byte* next = at(region_[(s + 1) % 2]) + region_bytes_;
      tensor.assign(t.tensors.size(), nullptr);
      for (std::size_t x = 0; x < t.tensors.size(); ++x) {
        if (!is_own(t.tensors[x], s == 0)) continue;
        tensor[x] = place;
        place += padded(tensor_bytes(t.tensors[x]));
      }
      if (s == 0) {
        in.clear();
        for (std::size_t e = 0; e < t.wire_in.size(); ++e) {  // tensor e of the first stage is the model's input e
          int const loaded = t.wire_in[e].loaded;
          void* const x = tensor[loaded < 0 ? e : static_cast<std::size_t>(loaded)];
          auto const count = t.tensors[e].count(n, lengths_);
          void* const given = t_.device.host_memory ? x : host_.data();
          if (static_cast<int>(e) != t_.targets_entry) {
            source.inputs(source.self, first, n, static_cast<int>(e), lengths_, given);
          } else {
            source.targets(source.self, first, n, lengths_, given);
            t_.loss.to_scalars(given, static_cast<std::size_t>(count));
          }
          if (!t_.device.host_memory) bring(x, bytes_of(t_.types.activations, count));
          if (loaded >= 0) tensor_moves{t_, device_.get(), n, lengths_}.encode(t.tensors[e], {x, nullptr, tensor[e]});
          in.push_back(tensor[e]);
        }
      }
      std::vector<void*> out;
      for (std::size_t x = 0; x < t.tensors.size(); ++x) {
        table::tensor const& y = t.tensors[x];
        if (y.backward) continue;
        auto const e = static_cast<std::size_t>(y.wire);
        if (y.where == table::place::wire_in) tensor[x] = in[e];
        if (!is_leaving(y)) continue;
        bool const goes = is_border(r, s + 1);
        if (!goes) next -= padded(tensor_bytes(y));
        tensor[x] = goes ? at(borders_[s + 1][e]) : next;
        if (out.size() <= e) out.resize(e + 1);
        out[e] = tensor[x];
      }
      forward(t, s, n, tensor);
      if (s + 1 == stages_.size()) result = loss_of(source, first, n, tensor[static_cast<std::size_t>(t.output_tensor)]);
      in = out;
    }
    return result;
  }

  void forward(table::stage_table const& t, std::size_t s, int n, std::vector<void*> const& tensor) {
    table::layer_call one;
    table::layer_call& c = one;
    auto const call_of = [&](table::layer_row const& l, int) -> table::layer_call& {
      c = {};
      c.device = device_.get();
      c.in = at_length(l.in, lengths_);
      c.out = at_length(l.out, lengths_);
      for (int i = 0; i < l.reads; ++i) c.read_shape[i] = at_length(l.read_shape[i], lengths_);
      c.samples = n;
      for (int i = 0; i < l.buffers; ++i)
        c.buffers[i] = at(buffers_[s]) + statistics_bytes(t.buffers[static_cast<std::size_t>(l.first_buffer + i)].offset);
      return c;
    };
    auto const of = [&](int id) { return id < 0 ? nullptr : tensor[static_cast<std::size_t>(id)]; };
    run_forward(
        t, phase::evaluate, of,
        [&](table::step const& step) {
          tensor_moves{t_, device_.get(), n, lengths_}.run(t, step, {of(step.x), of(step.other), of(step.y)});
        },
        call_of, [&](int p) { return weights_of(s, t.parameters[static_cast<std::size_t>(p)]); },
        [](table::layer_row const&) { return false; });
  }

  bool here(std::size_t stage) const {
    return std::any_of(runs_.begin(), runs_.end(),
                       [stage](stage_run const& r) { return r.first <= stage && stage < r.end; });
  }
  /// Tied parameters are their home's, which has made the same number of updates.
  std::byte* weights_of(std::size_t s, table::parameter_row const& p) const {
    if (p.home_stage < 0) return at(weights_[s]) + weight_bytes(p.offset);
    auto const home = static_cast<std::size_t>(p.home_stage);
    if (!here(home)) return at(borrowed_[s][static_cast<std::size_t>(&p - stages_[s].parameters.data())]);
    return at(weights_[home]) + weight_bytes(stages_[home].parameters[static_cast<std::size_t>(p.home)].offset);
  }

  static long long number(table::evaluation_source const& source, long long i) {
    return source.sample == nullptr ? i : source.sample(source.self, i);
  }

  loss::loss_result loss_of(table::evaluation_source const& source, long long first, int n, void const* x) {
    table::loss_call c;
    c.device = device_.get();
    c.loss = t_.loss_value;
    c.in = at_length(stages_.back().output, lengths_);
    c.samples = n;
    c.phase = phase::evaluate;
    c.x = x;
    c.targets = at(targets_);
    void* const given = t_.device.host_memory ? static_cast<void*>(at(targets_)) : host_.data();
    source.targets(source.self, first, n, lengths_, given);
    if (t_.loss.count != nullptr) {
      long long const each = t_.loss.targets(c.in);
      table::target_counts const found = t_.loss.count(given, each * n, t_.loss.classes_of(c.in));
      if (found.misfit >= 0) {
        misfit_ = misfit_sentence(sentence("sample ", number(source, first + found.misfit / std::max(each, 1LL))),
                                  found.value, t_.loss.classes_of(c.in));
        return {};
      }
    }
    if (!t_.device.host_memory)
      bring(at(targets_),
            static_cast<std::size_t>(t_.loss.targets_per_sample) * static_cast<std::size_t>(n) * t_.loss.target_bytes);
    c.sums = at(sums_);
    return t_.loss.apply(c);
  }

  table::run_tables const& t_;
  std::vector<table::stage_table> const& stages_;
  int samples_;
  std::vector<stage_run> runs_;
  memory_plan plan_;
  std::vector<std::size_t> weights_, buffers_;      ///< by stage
  std::vector<std::vector<std::size_t>> borders_;   ///< the same: into it, by entry
  std::vector<std::vector<std::size_t>> borrowed_;  ///< the same: by parameter, where its home is elsewhere
  std::size_t region_[2]{}, targets_ = 0, sums_ = 0, workspace_ = 0, region_bytes_ = 0;
  owned arena_{nullptr, nullptr}, device_{nullptr, nullptr};
  lengths_of_axes lengths_{};  ///< of the chunk at work
  std::vector<std::byte> host_;
  loss::loss_result sum_;  ///< of the chunks so far
  std::string fault_, misfit_;
};

}  // namespace foal::executor
