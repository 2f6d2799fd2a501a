// The worker loop: one call of advance() runs one op, or says what it waits for. Every driver is built on it.
#pragma once

#include <algorithm>
#include <exception>
#include <utility>
#include <vector>

#include <foal/executor/awaited.hpp>
#include <foal/executor/op_watch.hpp>
#include <foal/executor/pool_gates.hpp>
#include <foal/executor/worker_periods.hpp>

namespace foal::executor {

/// One worker: the merged lists of the ranks that it hosts, in (slot, rank, lane) order. One thread at a time calls it.
class worker : public worker_periods {
 public:
  worker(phase_state& shared, schedule::program_view program, std::vector<int> const& ranks, int number)
      : worker_periods(shared, program, ranks, number), shared_(shared), number_(number), first_(period_, at_) {}

  int number() const { return number_; }
  /// What it sleeps on while it is blocked: rung when something that it may wait for has come.
  transport::bell& bell() const { return (*shared_.bells)[static_cast<std::size_t>(number_)]; }
  /// Whether it has run an op.
  bool moved() const { return stopped_ || first_ != std::pair<long long, std::size_t>(period_, at_); }
  /// What looks at its ops; null: nothing does.
  void watch(op_watch const* w) { watch_ = w; }
  /// Runs the next op if it is ready.
  progress advance() {
    if (finished()) return end();
    if (recorded() != nullptr && at_once([this](worker_op const& e) { before(e, now()), run(e, now(), key_of(e)); }))
      return stopped_ ? end() : progress::ran;
    worker_op const& e = body_[at_];
    long long const key = key_of(e);
    position const p = now();
    bool const can = ready(e, p);
    if (key >= shared_.stop_at.load(std::memory_order_relaxed)) {  // after that: hold() stops it before it admits anything
      stopped_ = true;
      return end();
    }
    if (cut_off()) {  // looked at last: what made the op ready comes after the cut that forbids it
      skip();
      return advance();
    }
    if (!can) return wait(e, p, key);
    try {
      if (watch_ != nullptr)
        watched_run(e, p, key);
      else
        before(e, p), run(e, p, key);
    } catch (...) {
      fail(std::current_exception(), key);
    }
    if (stopped_) return end() == progress::done ? progress::done : progress::ran;
    ++at_;
    skip();
    return progress::ran;
  }

  /// Whether advance() would not be blocked. Any thread that drives this worker may ask.
  bool could_advance() {
    bool const ends = finished() || key_of(body_[at_]) >= shared_.stop_at.load();
    if (!ends && cut_off()) return skip(), could_advance();
    return (ends ? owes_nothing() : ready(body_[at_], now())) || has_parts() || shared_.where.asked(number_);
  }

  /// Something beside the training has thrown: it is kept, and the phase ends at a place that the program gives; where other
  /// processes host ranks, at one that all agree on.
  void keep_beside(std::exception_ptr thrown) {
    set_beside(std::move(thrown), key_of(body_[at_]));
    if (shared_.alone)
      shared_.cut_after(period_ + shared_.most_begun);
    else
      shared_.end_soon();
  }

  /// The op that advance() would run, for messages.
  std::string next_op() const {
    if (finished()) return "nothing";
    return sentence(schedule::name(body_[at_].kind), "(stage ", body_[at_].unit->number, ", microbatch ", microbatch(), ")");
  }

 private:
  bool finished() const { return stopped_ || through(); }

  [[gnu::cold]] progress wait(worker_op const& e, position p, long long key) {
    shared_.where.answer_if_asked(number_, [&] { return awaited(shared_, e, p); });
    return add_parts(key);
  }
  /// All ops have been called: what its units' queues still owe is heard.
  [[gnu::cold]] progress end() {
    if (!owes_nothing()) {
      shared_.where.answer_if_asked(number_, [] { return "has run its ops, and waits for parts of other replicas"; });
      return add_parts(key_of(body_[at_]));
    }
    shared_.where.through(number_);
    if (!shared_.queues || std::exchange(heard_, true)) return progress::done;
    if (recorded() != nullptr) hear_period(true);
    try {
      for (worker_op const& e : body_) {
        settle(*e.unit);
        hear_losses(*e.unit, true);
      }
    } catch (...) {
      fail(std::current_exception(), key_of(body_.front()));
    }
    return progress::done;
  }
  /// Whether the op may run: what it waits for has come, there is room for what it sends, and no evaluation is in its way.
  bool ready(worker_op const& e, position p) {
    bound_stage& b = *e.unit;
    if (!e.ends.arrived() || !e.ends.room(p.microbatch)) return false;
    if (e.tied && !tied_ready(e, p.microbatch)) return false;
    if (e.kind == schedule::op_kind::F)
      return !(copies_after(b, p) && copy_pending(b, minibatches_at(p))) && (b.number > 0 || may_begin(p));
    if (e.kind == schedule::op_kind::U)
      return (!shared_.norm.used() || shared_.norm.complete(b.replica, b.version + 1)) &&
             shared_.ops->sums_there(b, e.kind) && !(copies_after_update(e) && copy_pending(b, minibatches_at(p)));
    return e.kind != schedule::op_kind::G || shared_.ops->sums_there(b, e.kind);
  }

  /// Whether a microbatch may enter the first stage. It says that it is about to before it looks, as hold() needs.
  bool may_begin(position p) {
    auto const m = static_cast<std::uint32_t>(p.global - shared_.first_microbatch);
    shared_.begin(static_cast<long long>(m / static_cast<std::uint32_t>(shared_.microbatches)) + 1);
    return static_cast<long long>(m) < std::min(shared_.admitted.load(), shared_.held.load());
  }

  /// What the op waits for on its unit's queue.
  void before(worker_op const& e, position p) const {
    if (shared_.queues) shared_.queues.before(*e.unit, e.ends, p.microbatch);
  }
  void run(worker_op const& e, position p, long long key) {
    using schedule::op_kind;
    bound_stage& b = *e.unit;
    std::uint32_t const m = p.microbatch;
    switch (e.kind) {
      case op_kind::F:
        forward(e, p, key);
        if (!stopped_ && copies_after(b, p)) copy_for_evaluation(b, minibatches_at(p));
        break;
      case op_kind::BW:
      case op_kind::B:
        if (shared_.watch.versions != nullptr && b.replica == 0) tell_versions(b, p);
        if (e.evicts) shared_.ops->fetch(b, m);
        shared_.ops->backward(b, p, e.kind == op_kind::BW);
        if (b.beside) keep_beside(std::exchange(b.beside, nullptr));
        pass(e);
        if (e.tied) send_tied(e);
        if (b.gradient_in.transit && b.pass(passage::returned, m)) read(b, b.gradient_in, b.passed(passage::returned));
        if (b.input_gradient_only)
          release(b, m);
        else if (e.kind == op_kind::BW)
          weights_done(b, p);
        break;
      case op_kind::R:
        shared_.ops->recompute(b, p);
        pass(e);
        if (b.begins_recompute_group())
          pass_wire(b, m);
        else if (b.rebuilt_in.transit && b.pass(passage::rebuilt, m))
          read(b, b.rebuilt_in, b.passed(passage::rebuilt));
        break;
      case op_kind::W:
        if (!shared_.tables->thick) shared_.ops->backward_weight(b, p);
        weights_done(b, p);
        break;
      case op_kind::U:
        update(e, p, key);
        break;
      case op_kind::G:
        sum(e, key);
        break;
      default:
        break;
    }
  }

  /// W of a microbatch, or, where they wait for each other, of all in the minibatch with the last one.
  void weights_done(bound_stage& b, position p) {
    if (!shared_.tables->thick) {
      release(b, p.microbatch);
      return give(b);
    }
    if (++b.accumulated < b.facts.share) return;
    b.accumulated = 0;
    auto const n = static_cast<std::uint32_t>(b.facts.share);
    std::uint32_t const first = p.microbatch / n * n;
    shared_.ops->backward_weight_together(b, {first, p.global / shared_.microbatches * shared_.microbatches});
    for (std::uint32_t j = 0; j < n; ++j) release(b, first + j);
    give(b);
  }

  void sum(worker_op const& e, long long key) {
    bound_stage& b = *e.unit;
    if (shared_.tables->replica.shards()) {
      step_part(b, e.summed, key);
    } else if (shared_.tables->replica.what != replica::exchanged::weights) {
      shared_.ops->take_sums(b);
      if (shared_.norm.used()) give_norm(b);
    } else if (shared_.ops->exchanges_next(b) && step(e, key)) {
      send(b);
    }
  }

  template <class F>
  void tell(F const& f) {
    try {
      f();
    } catch (...) {
      keep_beside(std::current_exception());
    }
  }
  void tell_versions(bound_stage const& b, position p) {
    if (!begins_microbatch(*shared_.tables, p.microbatch)) return;
    tell([&] {
      shared_.watch.versions(shared_.watch.self, b.number, p.global, b.in_run(b.forward_version(p.microbatch)),
                             b.in_run(b.backward_version(p.microbatch)));
    });
  }

  void forward(worker_op const& e, position p, long long key) {
    bound_stage& b = *e.unit;
    bool const told_later = shared_.queues && shared_.ops->gives_loss_later(b);
    if (told_later && !b.later->in_period()) hear_losses(b, false);
    if (stopped_) return;
    loss::loss_result const loss = shared_.ops->forward(b, p);
    if (b.refused >= 0)
      return diverge({b.updates, b.number, b.table->buffers[static_cast<std::size_t>(b.refused)].name}, key);
    if (told_later) b.later->give_loss(b.device, {p.global, key, b.updates});
    bool const last = !told_later && b.number + 1 == static_cast<int>(shared_.tables->stages.size());
    if (last && shared_.losses != nullptr) shared_.losses->add(p.global, loss, b.replica);
    if (b.number == shared_.last_hosted) shared_.forwarded(b, p.microbatch);
    if (last && !std::isfinite(loss.sum)) return diverge({b.updates, b.number, "loss", p.microbatch, b.replica}, key);
    pass(e);
    if (e.evicts) shared_.ops->evict(b, p.microbatch);
    if (!b.begins_recompute_group()) pass_wire(b, p.microbatch);
  }

  /// F has read the wire, or R, if that reads it too. Where R rebuilds what is kept, from what R before it made, nothing of
  /// the wire is kept any longer.
  void pass_wire(bound_stage& b, std::uint32_t m) const {
    if (b.wire_in.through == nullptr || !b.pass(passage::forwarded, m)) return;
    read(b, b.wire_in, b.passed(passage::forwarded));
    if (!b.reads_wire_once()) return;
    if (shared_.queues) shared_.queues.released(b, b.wire_in, b.passed(passage::forwarded));
    b.wire_in.release(b.passed(passage::forwarded));
  }

  /// The op has been called: its message is on its way.
  void pass(worker_op const& e) const {
    if (shared_.queues) shared_.queues.sent(*e.unit, e.ends);
    e.ends.pass();
  }
  void read(bound_stage const& b, transport::inbox& in, std::uint32_t up_to) const {
    if (shared_.queues) shared_.queues.read(b, in, up_to);
    in.read(up_to);
  }

  /// The update itself. Gives whether it has been done.
  bool step(worker_op const& e, long long key) {
    bound_stage& b = *e.unit;
    b.summed = e.summed;
    if (std::string what = shared_.ops->take_or_update(b, shared_.norm.squares(b.replica)); !what.empty()) {
      diverge({b.updates, b.number, std::move(what)}, key);
      return false;
    }
    if (b.beside) keep_beside(std::exchange(b.beside, nullptr));
    return true;
  }
  void update(worker_op const& e, position p, long long key) {
    bound_stage& b = *e.unit;
    if (b.later != nullptr && !settle(b)) return;
    bool const late = shared_.tables->replica.what == replica::exchanged::late_weights;
    if (bool const taken = shared_.ops->takes_reference(b); !taken && !step(e, key))
      return;
    else if (taken || (late && b.updates > 1))
      shared_.ops->take_reference(b);
    if (e.tied) send_tied(e);
    if (late) send(b);
    bool const watched = shared_.watch.after_update != nullptr && b.replica == 0;
    bool const copied = copies_after_update(e) && evaluated_after(minibatches_at(p));
    if (b.later != nullptr) {
      b.later->key = key;
      if ((watched || copied) && !settle(b)) return;
    }
    if (watched) tell([&] { shared_.watch.after_update(shared_.watch.self, b); });
    if (copied) copy_for_evaluation(b, minibatches_at(p));
  }

  /// Activations and gradients of microbatch m are no longer needed.
  void release(bound_stage& b, std::uint32_t m) const {
    if (!b.pass(passage::freed, m)) return;
    std::uint32_t const up_to = b.passed(passage::freed);
    transport::inbox& in = b.continues_recompute_group() ? b.rebuilt_in : b.wire_in;
    if (shared_.queues) {
      shared_.queues.released(b, in, up_to);
      shared_.queues.released(b, b.gradient_in, up_to);
    }
    in.release(up_to);
    b.gradient_in.release(up_to);
    if (b.freed != nullptr) b.freed->advance(up_to);
  }

  [[gnu::cold]] void watched_run(worker_op const& e, position p, long long key) {
    bound_stage const& b = *e.unit;
    report::span const s{number_, b.rank, b.number, shared_.lane(key), schedule::name(e.kind), p.global, 0, 0, b.updates};
    watch_->around(
        b, e.kind, s, [&] { before(e, p); }, [&] { run(e, p, key); });
  }

  phase_state& shared_;
  int number_;
  std::pair<long long, std::size_t> first_;  ///< where it began
  bool heard_ = false;                       ///< all that queues still owed
  op_watch const* watch_ = nullptr;
};

}  // namespace foal::executor
