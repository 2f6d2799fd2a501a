// The targets of a minibatch: asked of the source before its first loss, looked at, and counted.
#pragma once

#include <cstring>
#include <string>

#include <foal/executor/bound_stage.hpp>
#include <foal/executor/check_source.hpp>
#include <foal/executor/segments.hpp>
#include <foal/plan/inputs.hpp>

namespace foal::executor {

/// One microbatch in the run.
struct position {
  std::uint32_t microbatch = 0;  ///< in the phase, as the unit counts; picks the slots of rings
  long long global = 0;          ///< in the run; picks samples and random numbers
};

/// What the last stage's F asks of a source beside inputs. Called by the stage's worker.
class minibatch_targets {
 public:
  /// host: room for target_slots() microbatches, where the device has memory of its own.
  minibatch_targets(table::run_tables const& t, table::run_values const& v, table::source_functions const& source,
                    std::byte* host)
      : t_(t), v_(v), source_(source), host_(host), longest_(longest_of(t)) {}

  /// Brings the targets of a microbatch, or of the segment of it that is there, and gives where they are; null: the loss
  /// takes none. Throws foal::error where one of its minibatch is a class number that the model does not have.
  void* load(bound_stage& b, position p) const {
    if (t_.loss.targets_per_sample == 0) return nullptr;
    if (b.later != nullptr && b.later->in_period()) return b.later->place().device + b.later->place().targets;
    std::byte* const place = on_host(b, p);
    if (t_.device.host_memory) return place;
    void* const to = b.targets.at(0);
    t_.device.copy_in(b.device, to, place, bytes());
    return to;
  }
  /// The same for an op that is to be recorded, or done again: brings them to the host's memory. Without segments.
  void stage(bound_stage& b, position p, std::byte* to) const {
    if (t_.loss.targets_per_sample != 0) std::memcpy(to, on_host(b, p), bytes());
  }
  /// Of a microbatch.
  std::size_t bytes() const {
    return static_cast<std::size_t>(t_.loss.targets_per_sample) * static_cast<std::size_t>(v_.microbatch_size) *
           t_.loss.target_bytes;
  }

  /// (weight of the minibatch) / N: what the gradient of its losses is divided by. Needs load(), or stage().
  double divide(bound_stage& b, position p) const {
    if (b.later != nullptr && b.later->in_period()) return b.later->place().divide;
    if (source_.weight == nullptr && t_.loss.count == nullptr) return t_.loss.sample_weight * v_.microbatch_size;
    long long const minibatch = p.global / v_.microbatches;
    if (t_.loss.count == nullptr && b.weighed != minibatch) weigh(b, minibatch, 0);
    return b.weight > 0 ? b.weight / v_.microbatches : 1;  // without a target that counts all gradients are 0
  }

 private:
  std::byte* on_host(bound_stage& b, position p) const {
    std::byte* place = host_place(b, 0);
    if (t_.loss.count == nullptr) {
      if (t_.segments == 1 || b.targets_of != p.global) source_.targets(source_.self, p.global + source_.shift, place);
      b.targets_of = p.global;
    } else {
      long long const minibatch = p.global / v_.microbatches;
      if (b.weighed != minibatch) load_minibatch(b, minibatch);
      place = host_place(b, static_cast<std::uint32_t>(p.global - minibatch * v_.microbatches));
    }
    return t_.segments > 1 ? part_of(b, p, place) : place;
  }

  /// A segment of the targets of whole sequences. Each position has as many as every other.
  std::byte* part_of(bound_stage& b, position p, std::byte const* whole) const {
    segment_range const of = segment_at(t_, b, b.table->output, p.microbatch);
    shape one = b.table->output;
    one.extent[1] = 1;
    cut_segment(of, v_.microbatch_size, static_cast<std::size_t>(t_.loss.targets(one)) * t_.loss.target_bytes, whole,
                b.segment_targets);
    return b.segment_targets;
  }
  shape output() const { return t_.whole_stages().back().output; }

  std::byte* host_place(bound_stage const& b, std::uint32_t j) const {
    return (t_.device.host_memory ? b.targets.base : host_ + first_of(b.replica)) + j * bytes();
  }

  /// Each replica's last stage has room of its own.
  std::size_t first_of(int replica) const {
    return static_cast<std::size_t>(replica) * static_cast<std::size_t>(target_slots(t_, v_)) * bytes();
  }

  void load_minibatch(bound_stage& b, long long minibatch) const {
    long long counted = 0;
    int const classes = t_.loss.classes_of(output());
    for (int j = 0; j < v_.microbatches; ++j) {
      long long const m = minibatch * v_.microbatches + j + source_.shift;
      std::byte* const to = host_place(b, static_cast<std::uint32_t>(j));
      lengths_of_axes n;
      if (!b.ahead.empty()) {
        b.ahead.at(0).load(source_, m, longest_);
        n = b.ahead.at(0).all();
      }
      int const samples = samples_at(output(), n, v_.microbatch_size);
      long long const each = t_.loss.targets(at_length(output(), n));
      source_.targets(source_.self, m, to);
      table::target_counts const found = t_.loss.count(to, each * samples, classes);
      if (found.misfit >= 0) refuse(b, m, each, found, classes);
      counted += found.counted;
    }
    weigh(b, minibatch, static_cast<double>(counted));
  }

  /// Asked of a source once a minibatch: it may have to look at every sample.
  void weigh(bound_stage& b, long long minibatch, double counted) const {
    long long const number = minibatch + source_.shift / v_.microbatches;  // the source's
    b.weight = source_.weight == nullptr ? counted : source_.weight(source_.self, number);
    require(b.weight >= 0, "cannot train on minibatch ", number, ", because its source says that it weighs ", b.weight,
            "; give a weight of 0 or more");
    b.weighed = minibatch;
  }

  [[noreturn]] void refuse(bound_stage const& b, long long m, long long each, table::target_counts const& found,
                           int classes) const {
    sample_bounds const bounds = b.ahead.empty() ? sample_bounds{} : b.ahead.at(0).bounds(output());
    int i = static_cast<int>(found.misfit / std::max(each, 1LL));
    if (bounds.begin != nullptr)
      for (i = 0; bounds.begin[i + 1] <= found.misfit; ++i) {
      }
    std::string const where = source_.sample == nullptr ? sentence("sample ", i, " of microbatch ", m)
                                                        : sentence("sample ", source_.sample(source_.self, m, i));
    throw error(misfit_sentence(where, found.value, classes));
  }

  table::run_tables const& t_;
  table::run_values const& v_;
  table::source_functions source_;
  std::byte* host_;
  lengths_of_axes longest_;
};

}  // namespace foal::executor
