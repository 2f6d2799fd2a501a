// What replicas of a stage do to be one model: parts of their gradients, or weights, are sent, added up and used.
#pragma once

#include <utility>

#include <foal/executor/calls.hpp>
#include <foal/executor/queue_order.hpp>
#include <foal/executor/shard_ops.hpp>
#include <foal/executor/sum_ends.hpp>

namespace foal::executor {

/// Parts and sums are counted from the start of the phase (message_counts). Gradients set out with the last W of a
/// minibatch, and G is where their sums are there. Where weights are exchanged, G and U of a minibatch are one step in two
/// halves: with replica::exchanged::weights, of the updates after which they are, the update is G's and taking the reference
/// U's; with late_weights G waits for the reference of the update before, and U's own weights set out behind it.
class replica_ops : public shard_ops {
 public:
  /// Whether what an op, G or U, takes is there.
  bool sums_there(bound_stage& b, schedule::op_kind kind) const {
    if (b.others.empty()) return true;
    if (t_.replica.shards())  // G: its own part; U: the weights of all
      return kind == schedule::op_kind::G ? b.messages.parts_in != b.messages.sums_in : arrived(b, b.messages.sums_in);
    bool const late = t_.replica.is_late(), g = kind == schedule::op_kind::G;
    if (g != (t_.replica.what != replica::exchanged::weights)) return true;
    if (!g) return !takes_reference(b) || arrived(b, b.messages.sums_in);
    return (late && b.messages.sums_in == 0) || arrived(b, b.messages.sums_in - (late ? 1 : 0));
  }

  /// The unit's gradients, or weights, set out, each part to the replica that adds it up.
  void send_parts(bound_stage& b) const {
    std::uint32_t const k = b.messages.parts_out;
    if (t_.wait == nullptr) {
      if (!t_.replica.of_weights()) collect_lent(t_, b);
      std::byte* const from = t_.replica.of_weights() ? b.w : b.g;
      for (other_replica& r : b.others) t_.device.copy(b.device, r.to.at(k), in_part(from, r.part), bytes_of_part(r.part));
      sent(b, &other_replica::part_out, k);
    }
    ++b.messages.parts_out;
    for (other_replica& r : b.others) {
      r.part_out.send(b.messages.parts_out);
      r.sum_in.read(detail::sums_used(b, b.messages.parts_out));
    }
  }

  /// When the parts of all replicas are there: their sum, in the order of their numbers, or the reference that it makes,
  /// sets out to all of them.
  void add_parts(bound_stage& b) const {
    std::uint32_t const k = b.messages.parts_in;
    if (t_.wait == nullptr) {
      if (order_)
        for (other_replica const& r : b.others) order_.before_sum(b, r.part_in, k);
      bool const weights = t_.replica.of_weights();
      std::byte *const result = in_part(static_cast<std::byte*>(b.results.at(k)), b.part), *const own =
                                                                                               weights ? in_part(b.w, b.part)
                                                                                                       : result;
      auto const room = [&](int r) { return b.others[static_cast<std::size_t>(r < b.replica ? r : r - 1)].from.at(k); };
      auto const part = [&](int r) -> void* { return r == b.replica ? own : room(r); };
      auto const n = static_cast<std::size_t>(b.part.count);
      void* sum = part(0);  // in the rooms of those before until it comes to this one's, whose weights stay
      for (int r = 1; r <= static_cast<int>(b.others.size()); ++r) {
        void* const to = weights ? (sum == own ? room(r) : sum) : r < b.replica ? sum : own;
        t_.device.add(b.device, n, to, to == sum ? part(r) : sum, to);
        sum = to;
      }
      if (weights) t_.replica.merge(t_.replica.policy, n, t_.replicas, sum, result, b.outer);
      if (!t_.replica.shards()) copy_sums(b, k);
    }
    ++b.messages.parts_in;
    for (other_replica& r : b.others) {
      r.part_in.read(b.messages.parts_in);
      if (!t_.replica.shards()) r.sum_out.send(b.messages.parts_in);
    }
  }

  /// After G's step on its part: the new weights set out to the others.
  void send_part(bound_stage& b) const {
    if (t_.wait == nullptr) copy_sums(b, b.messages.sums_in);
    ++b.gradients_given;
    for (other_replica& r : b.others) r.sum_out.send(b.gradients_given);
  }

  /// G: the sums of all parts are there. Of late gradients those of the minibatch before, which U finds; this one's come to
  /// where they were added up.
  void take_sums(bound_stage& b) const {
    std::uint32_t const k = b.messages.sums_in++;
    if (waited(b, schedule::op_kind::G)) return;
    bool const late = t_.replica.is_late();
    if (order_ && !(late && k == 0))
      for (other_replica const& r : b.others) order_.before_sum(b, r.sum_in, late ? k - 1 : k);
    turn_gradients(b, k + 1);
  }

  /// U. Where G has been a step on the unit's part it takes the weights of all.
  std::string take_or_update(bound_stage& b, double squares_of_model) const {
    if (!is_sharded(t_, b)) return update(b, squares_of_model);
    if (order_ && t_.wait == nullptr)
      for (other_replica const& r : b.others) order_.before_sum(b, r.sum_in, b.messages.sums_in);
    std::string what = take_parts(b);
    if (what.empty()) ++b.messages.sums_in;
    return what;
  }

  /// Whether the unit's next update is one after which weights are exchanged before anything reads them.
  bool exchanges_next(bound_stage const& b) const { return (b.updates + 1) % t_.replica.every == 0; }
  /// Whether U is to take the reference: the update has been G's.
  bool takes_reference(bound_stage const& b) const {
    return t_.replica.what == replica::exchanged::weights && b.messages.parts_out != b.messages.sums_in;
  }
  /// Takes it, or is drawn to it.
  void take_reference(bound_stage& b) const {
    if (t_.replica.what == replica::exchanged::weights) ++b.messages.sums_in;
    if (t_.wait != nullptr) return;
    t_.replica.take(t_.replica.policy, static_cast<std::size_t>(b.table->trained_elements), t_.replicas, b.results.base,
                    b.w);
    b.bounded = false;
    publish_lent(t_, b);
  }

 protected:
  replica_ops(table::run_tables const& tables, table::run_values const& values, probes watching)
      : shard_ops(tables, values, std::move(watching)), order_{tables.device.asynchronous ? &tables.device : nullptr} {}

 private:
  /// What the unit has made of its part, to where the others use it.
  void copy_sums(bound_stage& b, std::uint32_t k) const {
    for (other_replica& r : b.others)
      if (r.results.base != nullptr)  // else it leaves from here
        t_.device.copy(b.device, in_part(static_cast<std::byte*>(r.results.at(k)), b.part),
                       in_part(static_cast<std::byte*>(b.results.at(k)), b.part), bytes_of_part(b.part));
    sent(b, &other_replica::sum_out, k);
  }
  /// The copies to the other replicas have been called: message k is there behind them.
  void sent(bound_stage& b, transport::outbox other_replica::*by, std::uint32_t k) const {
    if (!order_) return t_.device.synchronise(b.device);
    for (other_replica const& r : b.others) order_.sum_sent(b, r.*by, k);
  }
  /// The sums of exchange k may be used, and then parts of the next one be sent (see bind_sums).
  static bool arrived(bound_stage& b, std::uint32_t k) {
    if (static_cast<std::int32_t>(b.messages.parts_in - k) <= 0) return false;  // its own part is not added up
    for (other_replica& r : b.others)
      if (!r.sum_in.arrived(k) || !r.sum_out.room(k + r.sum_out.transit_slots) || !r.part_out.room(b.messages.parts_out))
        return false;
    return true;
  }
  std::byte* in_part(std::byte* all, gradient_part p) const { return all + bytes_of(t_.types.gradients, p.first); }
  std::size_t bytes_of_part(gradient_part p) const { return bytes_of(t_.types.gradients, p.count); }

  queue_order order_;
};

}  // namespace foal::executor
