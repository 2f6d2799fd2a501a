// The worker loop: one call of advance() runs one op, or says what it waits for. Every driver is built on it.
#pragma once

#include <algorithm>
#include <chrono>
#include <exception>
#include <limits>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include <foal/executor/phase_state.hpp>
#include <foal/report/trace.hpp>
#include <foal/schedule/op.hpp>

namespace foal::executor {

enum class progress { ran, blocked, done };

/// One worker: the merged lists of the ranks that it hosts, in (slot, rank, lane) order. One thread at a time calls it.
class worker {
 public:
  worker(phase_state& shared, schedule::program_view program, std::vector<int> const& ranks, int number)
      : shared_(shared), number_(number) {
    for (int r : ranks)
      for (schedule::op const& o : program.rank(r)) body_.push_back({o, r});
    std::stable_sort(body_.begin(), body_.end(), [](entry const& a, entry const& b) {
      return std::tuple(a.what.slot, a.rank, a.what.lane) < std::tuple(b.what.slot, b.rank, b.what.lane);
    });
    see_cut(shared.cut.load());
    skip();
  }

  int number() const { return number_; }
  std::optional<divergence> const& failure() const { return failure_; }
  std::exception_ptr const& exception() const { return exception_; }
  long long failed_key() const { return failed_key_; }
  /// What was thrown by something beside the training, the first in the program's order.
  std::exception_ptr const& beside() const { return beside_; }
  long long beside_key() const { return beside_key_; }
  void trace(report::trace_buffer* to) { trace_ = to; }

  /// Runs the next op if it is ready.
  progress advance() {
    if (finished()) return progress::done;
    entry const& e = body_[at_];
    long long const key = shared_.key(period_, e.what, e.rank);
    if (key >= shared_.stop_at.load(std::memory_order_relaxed)) {
      stopped_ = true;
      return progress::done;
    }
    auto const m = static_cast<std::uint32_t>(microbatch());
    bound_stage& b = (*shared_.stages)[static_cast<std::size_t>(e.what.stage)];
    bool const can = ready(b, e.what, m);
    if (cut_off()) {  // looked at last: what made the op ready comes after the cut that forbids it
      skip();
      return advance();
    }
    if (!can) return progress::blocked;
    try {
      if (trace_ != nullptr)
        traced(b, e, m, key);
      else
        run(b, e.what, m, key);
    } catch (...) {
      exception_ = std::current_exception();
      fail(key);
      return progress::done;
    }
    if (stopped_) return progress::done;
    ++at_;
    skip();
    return progress::ran;
  }

  /// Whether advance() would not be blocked. Any thread that drives this worker may ask.
  bool could_advance() {
    if (finished()) return true;
    entry const& e = body_[at_];
    if (shared_.key(period_, e.what, e.rank) >= shared_.stop_at.load() || cut_off()) return true;
    return ready((*shared_.stages)[static_cast<std::size_t>(e.what.stage)], e.what,
                 static_cast<std::uint32_t>(microbatch()));
  }

  /// Something beside the training has thrown: it is kept, and the phase ends at a place that the program gives.
  void keep_beside(std::exception_ptr thrown) {
    if (!beside_) {
      beside_ = std::move(thrown);
      beside_key_ = shared_.key(period_, body_[at_].what, body_[at_].rank);
    }
    shared_.cut_after(period_ + shared_.most_begun);
  }

  /// The op that advance() would run, for messages.
  std::string next_op() const {
    if (finished()) return "nothing";
    return sentence(schedule::name(body_[at_].what.kind), "(stage ", body_[at_].what.stage, ", microbatch ", microbatch(),
                    ")");
  }

 private:
  struct entry {
    schedule::op what;
    int rank;
  };

  bool finished() const { return stopped_ || body_.empty() || period_ >= periods_; }
  /// Looks at the cut; what follows from it is computed when it has changed.
  bool cut_off() {
    if (long long const now = shared_.cut.load(); now != cut_seen_) see_cut(now);
    return microbatch() >= total_;
  }
  void see_cut(long long cut) {
    long long const through = std::min(shared_.minibatches, cut);
    cut_seen_ = cut;
    total_ = through * shared_.microbatches;
    periods_ = shared_.periods - (shared_.minibatches - through);
  }
  long long microbatch() const { return period_ * shared_.microbatches + body_[at_].what.microbatch; }

  /// To the next op whose microbatch is part of the run.
  void skip() {
    while (period_ < periods_) {
      for (; at_ < body_.size(); ++at_)
        if (long long const m = microbatch(); m >= 0 && m < total_) return;
      at_ = 0;
      ++period_;
      if (body_.empty()) return;
    }
  }

  /// Whether the next message of this end is there.
  static bool arrived(channel_end& e) {
    if (e.channel == nullptr || static_cast<std::int32_t>(e.seen - e.messages) > 0) return true;
    e.seen = e.channel->produced.value.load(std::memory_order_seq_cst);
    return static_cast<std::int32_t>(e.seen - e.messages) > 0;
  }
  /// Whether slot m mod ring is free: the receiver is through with microbatch m - ring.
  static bool room(channel_end& e, std::uint32_t m) {
    if (e.channel == nullptr) return true;
    auto const through = [m](transport::counter const& c, std::uint32_t slots, std::uint32_t& seen) {
      if (slots == 0 || static_cast<std::int32_t>(seen + slots - m) > 0) return true;
      seen = c.value.load(std::memory_order_seq_cst);
      return static_cast<std::int32_t>(seen + slots - m) > 0;
    };
    return through(e.channel->read, e.ring_transit, e.seen) && through(e.channel->released, e.ring_kept, e.seen_other);
  }

  bool ready(bound_stage& b, schedule::op const& o, std::uint32_t m) {
    using schedule::op_kind;
    switch (o.kind) {
      case op_kind::F:
        return arrived(b.wire_in) && room(b.wire_out, m) && !(copies_after(b, m) && copy_pending(b, minibatches_at(m))) &&
               (b.number > 0 || may_begin(m));
      case op_kind::R:
        return arrived(b.again_in) && room(b.again_out, m);
      case op_kind::B:
      case op_kind::BW:
        return arrived(b.gradient_in) && room(b.gradient_out, m);
      case op_kind::U:
        return !copy_pending(b, b.updates + 1);
      default:
        return true;
    }
  }

  /// Whether microbatch m may enter the first stage. It says that it is about to before it looks, as cut_now() needs.
  bool may_begin(std::uint32_t m) {
    long long const minibatches = static_cast<long long>(m / static_cast<std::uint32_t>(shared_.microbatches)) + 1;
    if (shared_.begun.load(std::memory_order_relaxed) < minibatches) shared_.begun.store(minibatches);
    return static_cast<long long>(m) < shared_.admitted.load();
  }

  /// A stage without U whose statistics move is copied for evaluations by the F that is the last of a minibatch to run.
  bool copies_after(bound_stage const& b, std::uint32_t m) const {
    return b.copied_by_forward &&
           m % static_cast<std::uint32_t>(shared_.microbatches) == static_cast<std::uint32_t>(b.facts.last_forward);
  }
  long long minibatches_at(std::uint32_t m) const { return (shared_.first_microbatch + m) / shared_.microbatches + 1; }
  bool evaluated_after(long long updates) const {
    return shared_.evaluate_every != 0 && (updates - shared_.evaluate_from) % shared_.evaluate_every == 0;
  }
  /// A copy is due after so many updates, and that of the evaluation before is still being read.
  bool copy_pending(bound_stage const& b, long long updates) const {
    return evaluated_after(updates) && shared_.evaluations_done->load() < b.evaluations_copied;
  }
  void copy_for_evaluation(bound_stage& b, long long updates) {
    if (!evaluated_after(updates)) return;
    shared_.copy_for_evaluation(shared_.evaluation_self, b, updates);
    ++b.evaluations_copied;
    shared_.copies_made->fetch_add(1);
  }

  void run(bound_stage& b, schedule::op const& o, std::uint32_t m, long long key) {
    using schedule::op_kind;
    position const p{m, shared_.first_microbatch + m};
    switch (o.kind) {
      case op_kind::F:
        forward(b, p, key);
        if (!stopped_ && copies_after(b, m)) copy_for_evaluation(b, minibatches_at(m));
        break;
      case op_kind::BW:
      case op_kind::B:
        if (shared_.watch.versions != nullptr) tell_versions(b, p);
        shared_.ops->backward(b, p, o.kind == op_kind::BW);
        if (b.beside) keep_beside(std::exchange(b.beside, nullptr));
        publish(b.gradient_out);
        take(b.gradient_in, b.returned, m);
        if (b.frozen)
          release(b, m);
        else if (o.kind == op_kind::BW)
          weights_done(b, p);
        break;
      case op_kind::R:
        shared_.ops->recompute(b, p);
        publish(b.again_out);
        if (b.begins_segment())
          pass_wire(b, m);
        else
          take(b.again_in, b.rebuilt, m);
        break;
      case op_kind::W:
        if (!shared_.tables->thick) shared_.ops->backward_weight(b, p);
        weights_done(b, p);
        break;
      case op_kind::U:
        update(b, key);
        break;
      default:
        break;
    }
  }

  /// W of a microbatch, or, where they wait for each other, of all in the minibatch with the last one.
  void weights_done(bound_stage& b, position p) {
    if (!shared_.tables->thick) return release(b, p.microbatch);
    if (++b.accumulated < shared_.microbatches) return;
    b.accumulated = 0;
    auto const n = static_cast<std::uint32_t>(shared_.microbatches);
    std::uint32_t const first = p.microbatch / n * n;
    shared_.ops->backward_weight_together(b, {first, shared_.first_microbatch + first});
    for (std::uint32_t j = 0; j < n; ++j) release(b, first + j);
  }

  void tell_versions(bound_stage const& b, position p) {
    try {
      shared_.watch.versions(shared_.watch.self, b.number, p.global, absolute(b, b.forward_version(p.microbatch)),
                             absolute(b, b.backward_version(p.microbatch)));
    } catch (...) {
      keep_beside(std::current_exception());
    }
  }
  void tell_update(bound_stage const& b) {
    try {
      shared_.watch.after_update(shared_.watch.self, b);
    } catch (...) {
      keep_beside(std::current_exception());
    }
  }

  static long long absolute(bound_stage const& b, std::uint32_t version) {
    return b.updates - b.version + static_cast<long long>(version);
  }

  void forward(bound_stage& b, position p, long long key) {
    loss::loss_result const loss = shared_.ops->forward(b, p);
    if (b.refused >= 0) {
      failure_ = divergence{b.updates, b.number, b.table->buffers[static_cast<std::size_t>(b.refused)].name};
      fail(key);
      return;
    }
    if (b.number + 1 == static_cast<int>(shared_.stages->size())) {
      if (shared_.losses != nullptr) shared_.losses->add(p.global, loss);
      shared_.microbatches_done.store(static_cast<long long>(p.microbatch) + 1, std::memory_order_relaxed);
      if (!std::isfinite(loss.sum)) {
        failure_ = divergence{b.updates, b.number, "loss"};
        fail(key);
        return;
      }
    }
    publish(b.wire_out);
    if (b.wire_in.channel == nullptr) return;
    ++b.wire_in.messages;
    if (!b.begins_segment()) pass_wire(b, p.microbatch);
  }

  /// F has read the wire, or R, if that reads it too. Where R rebuilds what is kept, from what R before it made, nothing of
  /// the wire is kept any longer.
  static void pass_wire(bound_stage& b, std::uint32_t m) {
    channel_end const& e = b.wire_in;
    if (e.channel == nullptr || !b.forwarded.pass(m)) return;
    if (e.ring_transit != 0) e.channel->read.advance(b.forwarded.up_to, *e.other);
    if (e.ring_kept != 0 && b.reads_wire_once()) e.channel->released.advance(b.forwarded.up_to, *e.other);
  }

  void update(bound_stage& b, long long key) {
    if (std::string what = shared_.ops->update(b); !what.empty()) {
      failure_ = divergence{b.updates, b.number, std::move(what)};
      fail(key);
      return;
    }
    if (b.beside) keep_beside(std::exchange(b.beside, nullptr));
    if (shared_.watch.after_update != nullptr) tell_update(b);
    copy_for_evaluation(b, b.updates);
  }

  static void publish(channel_end& e) {
    if (e.channel != nullptr) e.channel->produced.advance(++e.messages, *e.other);
  }

  /// What came with microbatch m and is read in one op only has been read.
  static void take(channel_end& e, watermark& through, std::uint32_t m) {
    if (e.channel == nullptr) return;
    ++e.messages;
    if (e.ring_transit != 0 && through.pass(m)) e.channel->read.advance(through.up_to, *e.other);
  }

  /// Activations and gradients of microbatch m are no longer needed.
  static void release(bound_stage& b, std::uint32_t m) {
    if (!b.freed.pass(m)) return;
    for (channel_end* e : {b.continues_segment() ? &b.again_in : &b.wire_in, &b.gradient_in})
      if (e->ring_kept != 0) e->channel->released.advance(b.freed.up_to, *e->other);
  }

  void fail(long long key) {
    failed_key_ = key;
    stopped_ = true;
    shared_.stop(key);
  }

  void traced(bound_stage& b, entry const& e, std::uint32_t m, long long key) {
    auto const now = [] {
      return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
          .count();
    };
    long long const version = b.updates;
    long long const begin = now();
    run(b, e.what, m, key);
    trace_->add({number_, e.rank, e.what.stage, e.what.lane, schedule::name(e.what.kind), shared_.first_microbatch + m,
                 begin, now(), version});
  }

  phase_state& shared_;
  int number_;
  std::vector<entry> body_;
  std::size_t at_ = 0;
  long long period_ = 0;
  long long cut_seen_ = 0, total_ = 0, periods_ = 0;  ///< phase_state::cut, and the microbatches and periods that it leaves
  bool stopped_ = false;
  long long failed_key_ = std::numeric_limits<long long>::max();
  std::optional<divergence> failure_;
  std::exception_ptr exception_, beside_;
  long long beside_key_ = std::numeric_limits<long long>::max();
  report::trace_buffer* trace_ = nullptr;
};

}  // namespace foal::executor
