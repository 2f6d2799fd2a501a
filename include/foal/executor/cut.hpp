// A run that is cut: all that it needs to go on, copied out of one memory and into another.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include <foal/executor/copy_together.hpp>
#include <foal/executor/identity.hpp>
#include <foal/executor/memory.hpp>
#include <foal/executor/op_order.hpp>
#include <foal/executor/run_losses.hpp>
#include <foal/executor/saved_array.hpp>

namespace foal::executor {

/// A place in a run: before the first op of phase `phase` whose key (op_order) is not below `key`. It is the same place for
/// any number of workers.
struct run_place {
  int phase = 0;
  long long key = 0;
};

/// The phase of no run: the pipeline is empty, and a call of run() may begin.
inline constexpr int between_runs = -1;

/// How far a call of run() is that has been paused: plain numbers.
struct run_state {
  run_place at{};
  long long updates = 0;         ///< that all stages had when the phase began
  long long begin = 0, end = 0;  ///< updates before and after the whole call
  long long warmup = 0;          ///< minibatches of the first of two phases
  long long cut = 0;             ///< minibatches of the phase, where it ends early
  long long evaluate_every = 0, evaluations_before = 0, evaluations_done = 0, copies_made = 0;
  long long loss_every = 0;           ///< minibatches of one sum of losses
  std::vector<losses_so_far> losses;  ///< of the call, by replica; empty: none
};

/// Calls f(name, number) for every number of a run's state but its losses.
template <class State, class F>
void each_number_of_run(State& s, F const& f) {
  f("phase", s.at.phase);
  f("key", s.at.key);
  f("updates", s.updates);
  f("begin", s.begin);
  f("end", s.end);
  f("warmup", s.warmup);
  f("cut", s.cut);
  f("evaluate_every", s.evaluate_every);
  f("evaluations_before", s.evaluations_before);
  f("evaluations_done", s.evaluations_done);
  f("copies_made", s.copies_made);
  f("loss_every", s.loss_every);
}

/// Says nothing of ranks and workers. One of several processes has a share: what it hosts, and of other units what has come
/// from them.
struct run_cut {
  report::fingerprint of{};  ///< identity_of() the run
  run_state run{};
  long long update = 0;  ///< that every stage has had at the place
  std::vector<unit_state> units{};
  std::vector<saved_array> arrays{};
  std::vector<int> hosted{};  ///< of a share: the units that it has; empty: it has all

  bool has(int unit) const { return hosted.empty() || std::binary_search(hosted.begin(), hosted.end(), unit); }
};

namespace detail {

/// Where copies for evaluations lie: of a stage's weights, or statistics. Empty: there are none.
using copies_of = std::function<std::span<std::byte>(int stage, bool statistics)>;

/// What a unit has of an array that replicas share out.
struct array_piece {
  int unit = 0;
  std::byte* base = nullptr;
  std::size_t offset = 0, bytes = 0;  ///< in the array
};

/// Where an array lies now.
struct placed_array {
  array what{};
  std::byte* base = nullptr;
  std::size_t stride = 0;
  bool host = false;
  std::vector<array_piece> pieces{};  ///< those that are here; empty: it lies in one
};

/// Calls f(unit, place, offset, bytes) for the pieces of the first `bytes` of one slot of an array, which is at `base`.
template <class F>
void for_each_piece(placed_array const& a, std::byte* base, std::size_t bytes, F f) {
  if (a.pieces.empty()) return f(a.what.id.unit, base, std::size_t{0}, bytes);
  for (array_piece const& p : a.pieces) f(p.unit, p.base, p.offset, p.bytes);
}

/// Where replicas share out states, a cut has them as those of replica 0, whole, or a share its pieces of them: so they are
/// the same for any D.
inline void join_states(std::vector<placed_array>& all, table::run_tables const& t, std::vector<bound_stage> const& stages) {
  if (!t.replica.shards()) return;
  std::map<array_id, std::size_t> of_first;
  std::vector<placed_array> joined;
  for (placed_array& a : all) {
    array_id id = a.what.id;
    if (id.purpose != array_purpose::optimizer_state) {
      joined.push_back(std::move(a));
      continue;
    }
    auto const unit = static_cast<std::size_t>(id.unit), stage = t.stage_of(unit);
    id.unit = static_cast<int>(stage);
    array_piece const piece{a.what.id.unit, a.base, bytes_of(t.types.optimizer, stages[unit].part.first), a.what.bytes};
    auto const [at, first] = of_first.emplace(id, joined.size());
    if (first) {
      a.what.id = id;
      a.what.bytes = bytes_of(t.types.optimizer, t.stages[stage].state_elements[id.entry]);
      joined.push_back(std::move(a));
    }
    joined[at->second].pieces.push_back(piece);
  }
  all = std::move(joined);
}

inline std::vector<placed_array> place_arrays(run_memory& memory, table::run_tables const& t, table::phase_table const& ph,
                                              copies_of const& evaluated) {
  std::vector<placed_array> all;
  for (array const& a : memory.arrays(ph))
    all.push_back({a, memory.at(a.where), padded(a.bytes), memory.on_host(a.where), {}});
  join_states(all, t, memory.stages());
  for (bound_stage& b : memory.stages()) {
    if (b.worker < 0) continue;
    auto const u = static_cast<std::size_t>(b.unit);
    auto const whole = [&](array_purpose what, std::span<std::byte> bytes) {
      if (!bytes.empty()) all.push_back({{{b.unit, what, 0}, {}, bytes.size(), 0, {}, {}}, bytes.data(), 0, true, {}});
    };
    whole(array_purpose::numbers, memory.numbers(u).bytes());
    if (evaluated && b.replica == 0)
      for (bool const statistics : {false, true})
        if (std::span<std::byte> const copy = evaluated(b.number, statistics); !copy.empty())
          all.push_back({{{b.unit, statistics ? array_purpose::evaluated_statistics : array_purpose::evaluated_weights, 0},
                          {},
                          copy.size(),
                          0,
                          {},
                          {}},
                         copy.data(),
                         0,
                         false,
                         {}});
    if (b.number == 0 || b.lengths_in.empty()) continue;
    std::size_t const one = microbatch_lengths::size(b.lengths_in.samples) * sizeof(int);
    array const lengths{{b.unit, array_purpose::lengths, 0},
                        {},
                        one,
                        static_cast<int>(b.lengths_in.count),
                        {slot_end::op::forward, b.unit - 1},
                        {slot_end::op::forward, b.unit}};
    all.push_back({lengths, reinterpret_cast<std::byte*>(b.lengths_in.numbers), one, true, {}});
  }
  return all;
}

/// Of one slot, which is at `base`. What is saved is the begin of the array, all of it, or the pieces that are here; what is
/// behind stays as it is.
inline void copy_in_pieces(placed_array const& a, std::byte* base, saved_array const& saved, saved_slot const& slot,
                           run_memory& memory, table::run_tables const& t) {
  for_each_piece(a, base, a.what.bytes, [&](int unit, std::byte* place, std::size_t offset, std::size_t bytes) {
    std::byte const* from = nullptr;
    if (!saved.has.empty()) {
      from = bytes_of(saved, {offset, offset + bytes});
    } else if (offset < slot.bytes.size()) {
      from = slot.bytes.data() + offset;
      bytes = std::min(bytes, slot.bytes.size() - offset);
    }
    if (from == nullptr) return;
    void* const device = memory.stages()[static_cast<std::size_t>(unit)].device;
    t.device.copy_in(device, place, from, bytes);
    t.device.synchronise(device);
  });
}

/// The phase of a place; between runs that which comes last, whose arrays are those of all.
inline table::phase_table const& phase_at(table::run_tables const& t, run_place at) {
  return at.phase == between_runs ? t.phases.back() : t.phases[static_cast<std::size_t>(at.phase)];
}

/// Where a microbatch that is to be read lies; microbatch -1: all of the array.
inline std::byte* place_of(placed_array const& a, run_memory const& memory, long long m) {
  if (m < 0) return a.base;
  if (a.what.evicted != nullptr) {
    // Of what F itself has written, F is done; a message may still wait for it.
    auto const at = static_cast<std::uint32_t>(m);
    bound_stage const& b = memory.stages()[static_cast<std::size_t>(a.what.id.unit)];
    bool const done = a.what.filled.unit == b.unit || b.passed(passage::forwarded) > at;
    if (done && b.evicted.has(at)) return memory.at(a.what.away) + a.what.away.places[at % a.what.away.places.size()];
  }
  return a.base + a.what.offset(m, a.stride);
}

/// Calls f(microbatch, place) of what of an array counts at the cut; microbatch -1: all of it.
template <class F>
void for_each_slot(placed_array const& a, run_memory const& memory, done_ops const* done, F f) {
  if (a.what.slots == 0) return f(-1LL, a.base);
  long long const after = done == nullptr ? 0 : done->after_last(a.what.filled);
  for (long long m = std::max(0LL, after - a.what.slots); m < after; ++m)
    if (done->alive(a.what, m)) f(m, place_of(a, memory, m));
}

/// Of a slot, what the microbatch in it fills: where sequences are shorter than the longest, less than all.
inline std::size_t used_bytes(placed_array const& a, run_memory const& memory, done_ops const* done, long long m) {
  bound_stage const& b = memory.stages()[static_cast<std::size_t>(a.what.id.unit)];
  if (a.host || a.what.slots == 0 || b.lengths.empty()) return a.what.bytes;
  bool const begun = done->after_last({slot_end::op::forward, b.unit}) > m;  // else they are still beside the wire
  lengths_ring const& from = begun || b.number == 0 ? b.lengths : b.lengths_in;
  return a.what.used(memory.microbatch_size(), from.at(static_cast<std::uint32_t>(m)).all());
}

/// What a cut has for each of a run's arrays. Refuses one that is another run's, or lacks what is hosted here; changes
/// nothing.
inline std::vector<saved_array const*> check_cut(run_cut const& from, run_memory const& memory,
                                                 std::vector<placed_array> const& arrays, report::fingerprint const& here) {
  std::size_t const stages = memory.stages().size();
  require(from.units.size() == stages, "cannot go on from a cut of ", from.units.size(), " stages, because this run has ",
          stages, "; make it with the same model");
  report::require_same(here, from.of, "go on from this cut");
  for (bound_stage const& b : memory.stages())
    require(b.worker < 0 || from.has(b.unit), "cannot go on from a cut without stage ", b.unit,
            ", because this process hosts it; join the cuts of all processes");
  require(!memory.whole() || from.arrays.size() == arrays.size(), "cannot go on from a cut of ", from.arrays.size(),
          " arrays, because this run has ", arrays.size(), "; copy the cut whole");
  std::map<array_id, saved_array const*> known;
  for (saved_array const& a : from.arrays) known.emplace(a.id, &a);
  std::vector<saved_array const*> all;
  for (placed_array const& to : arrays) {
    array const& a = to.what;
    auto const at = known.find(a.id);
    require(at != known.end(), "cannot go on from a cut that has no '", name(a.id.purpose), "' number ", a.id.entry,
            " of stage ", a.id.unit, ", because this run has it; make the run with the same model and schedule");
    saved_array const& saved = *all.emplace_back(at->second);
    if (!saved.has.empty()) {
      for (array_piece const& p : to.pieces)
        require(bytes_of(saved, {p.offset, p.offset + p.bytes}) != nullptr, "cannot go on from a cut without bytes ",
                p.offset, " to ", p.offset + p.bytes, " of '", name(a.id.purpose), "' of stage ", a.id.unit,
                ", because this process hosts them; join the cuts of all processes");
      require(!to.pieces.empty() && saved.whole == a.bytes, "cannot go on from a cut with pieces of '", name(a.id.purpose),
              "' of stage ", a.id.unit, ", because here it is one of ", a.bytes,
              " bytes; make the run with the same numbers");
      continue;
    }
    require(a.slots > 0 || saved.slots.size() == 1, "cannot go on from a cut with ", saved.slots.size(), " of '",
            name(a.id.purpose), "' of stage ", a.id.unit, ", because a run has 1; copy the cut whole");
    for (saved_slot const& slot : saved.slots) {
      bool const fits = slot.bytes.size() == a.bytes || (a.sample.rank > 0 && slot.bytes.size() < a.bytes);
      require(fits, "cannot go on from a cut with ", slot.bytes.size(), " bytes of '", name(a.id.purpose), "' of stage ",
              a.id.unit, ", because here these are ", a.bytes, "; make the run with the same numbers");
      require((slot.microbatch >= 0) == (a.slots > 0), "cannot go on from a cut with microbatch ", slot.microbatch, " of '",
              name(a.id.purpose), "' of stage ", a.id.unit, ", because here it has ", a.slots,
              " places for microbatches; copy the cut whole");
    }
  }
  return all;
}

/// Of units that others host: how many of their messages have come here. At a cut these are all that they have sent.
inline void add_sent(std::vector<unit_state>& units, std::vector<bound_stage> const& stages, bool shards) {
  auto const sent = [](transport::inbox const& i) { return i.through == nullptr ? 0U : i.through->produced.value.load(); };
  for (bound_stage const& b : stages) {
    if (b.worker < 0) continue;
    auto const u = static_cast<std::size_t>(b.unit);
    if (b.wire_in.through != nullptr && stages[u - 1].worker < 0) {
      units[u - 1].messages.wire_out = sent(b.wire_in);
      units[u - 1].messages.rebuilt_out = sent(b.rebuilt_in);
    }
    if (b.gradient_in.through != nullptr && stages[u + 1].worker < 0)
      units[u + 1].messages.gradient_out = sent(b.gradient_in);
    for (other_replica const& r : b.others)
      if (r.part_in.transit) {
        unit_state& other = units[static_cast<std::size_t>(r.unit)];
        other.messages.parts_out = sent(r.part_in);
        (shards ? other.gradients_given : other.messages.parts_in) = sent(r.sum_in);
      }
  }
  add_sent_tied(units, stages);
}

}  // namespace detail

/// Of units and arrays; needs all workers to stand at the cut. done: null between runs. What `to` has had is written over
/// where it fits: pages of memory that is new cost more than the copy.
inline void copy_out(run_cut& to, run_memory& memory, table::run_tables const& t, done_ops const* done,
                     detail::copies_of const& evaluated) {
  table::phase_table const& phase = detail::phase_at(t, to.run.at);
  to.units.clear();
  to.hosted.clear();
  bool const whole = memory.whole();
  for (bound_stage const& b : memory.stages()) {
    to.units.push_back(b.state());
    if (b.worker >= 0 && !whole) to.hosted.push_back(b.unit);
  }
  detail::add_sent(to.units, memory.stages(), t.replica.shards());
  auto const placed = detail::place_arrays(memory, t, phase, evaluated);
  std::vector<memory_copy> copies;
  bool const at_once = t.device.host_memory && !t.device.asynchronous;  // no queue has to be waited for
  to.arrays.resize(placed.size());
  for (std::size_t i = 0; i < placed.size(); ++i) {
    detail::placed_array const& a = placed[i];
    saved_array& saved = to.arrays[i];
    saved.id = a.what.id;
    std::size_t used = 0, here = a.pieces.empty() ? a.what.bytes : 0;
    for (detail::array_piece const& p : a.pieces) here += p.bytes;
    saved.whole = a.what.bytes;
    saved.has.clear();
    for (detail::array_piece const& p : a.pieces)
      if (here < saved.whole) saved.has.push_back({p.offset, p.offset + p.bytes});
    detail::for_each_slot(a, memory, done, [&](long long m, std::byte* from) {
      if (used == saved.slots.size()) saved.slots.emplace_back();
      saved_slot& slot = saved.slots[used++];
      slot.microbatch = m;
      std::size_t const filled = a.pieces.empty() ? detail::used_bytes(a, memory, done, m) : here;
      slot.bytes.resize(filled);
      std::size_t at = 0;  // pieces come in order, and leave no gap where all are here
      detail::for_each_piece(a, from, filled, [&](int unit, std::byte* place, std::size_t, std::size_t bytes) {
        std::byte* const out = slot.bytes.data() + std::exchange(at, at + bytes);
        if (a.host || at_once)
          copies.push_back({out, place, bytes});
        else
          t.device.copy_out(memory.stages()[static_cast<std::size_t>(unit)].device, out, place, bytes);
      });
    });
    saved.slots.resize(used);
  }
  int workers = 1;
  for (bound_stage const& b : memory.stages()) workers = std::max(workers, b.worker + 1);
  copy_together(copies, workers);
}

/// The other way round, into the memory of a run with the same tables, of any number of workers. Throws foal::error where it
/// is another run's, as far as identity_of() and the arrays tell, and has changed nothing then.
inline void copy_in(run_cut const& from, run_memory& memory, table::run_tables const& t, report::fingerprint const& here,
                    detail::copies_of const& evaluated) {
  require(from.run.at.phase >= between_runs && from.run.at.phase < static_cast<int>(t.phases.size()),
          "cannot go on in phase ", from.run.at.phase, ", because this run has ", t.phases.size(),
          "; make it with the same warm-up");
  table::phase_table const& phase = detail::phase_at(t, from.run.at);
  auto const arrays = detail::place_arrays(memory, t, phase, evaluated);
  auto const saved = detail::check_cut(from, memory, arrays, here);
  memory.enter_phase(phase);
  for (std::size_t u = 0; u < from.units.size(); ++u) memory.stages()[u].state(from.units[u]);
  memory.restore_channels();
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    detail::placed_array const& a = arrays[i];
    for (saved_slot const& slot : saved[i]->slots) {
      std::byte* const to = detail::place_of(a, memory, slot.microbatch);
      if (a.host)
        std::memcpy(to, slot.bytes.data(), slot.bytes.size());
      else
        detail::copy_in_pieces(a, to, *saved[i], slot, memory, t);
    }
  }
}

/// By replica: the process of its last stage has them.
inline void join(std::vector<losses_so_far>& to, std::vector<losses_so_far> share) {
  if (to.size() < share.size()) to.resize(share.size());
  for (std::size_t r = 0; r < share.size(); ++r)
    if (share[r].count > to[r].count) to[r] = std::move(share[r]);
}

/// Adds the share of another process to that of one, or to what has been joined; the first one begins it. What two shares
/// have is taken from the first.
inline void join(run_cut& to, run_cut share) {
  if (to.units.empty()) {
    to = std::move(share);
    return;
  }
  report::require_same(to.of, share.of, "join these cuts");
  require(to.units.size() == share.units.size(), "cannot join cuts of ", to.units.size(), " stages and of ",
          share.units.size(), ", because they are of different runs; take those of one");
  for (std::size_t u = 0; u < to.units.size(); ++u) {
    auto const unit = static_cast<int>(u);
    if (to.has(unit) || !share.has(unit)) continue;
    to.units[u] = share.units[u];
    to.hosted.insert(std::upper_bound(to.hosted.begin(), to.hosted.end(), unit), unit);
  }
  for (saved_array& a : share.arrays) {
    auto const there = std::find_if(to.arrays.begin(), to.arrays.end(), [&](saved_array const& b) { return a.id == b.id; });
    if (there == to.arrays.end())
      to.arrays.push_back(std::move(a));
    else
      join(*there, a);
  }
  join(to.run.losses, std::move(share.run.losses));
  if (to.hosted.size() == to.units.size()) to.hosted.clear();
}

}  // namespace foal::executor
