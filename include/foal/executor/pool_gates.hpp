// What units that share slots tell those who send to them: which slots are free.
#pragma once

#include <algorithm>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/evicted_slots.hpp>
#include <foal/plan/rank_pools.hpp>

namespace foal::executor {

/// All microbatches of a unit before `count` have given back their slots of a pool.
struct freed_slots {
  transport::counter count;
  std::vector<transport::bell*> waiting;  ///< of those who may fill one next

  void advance(std::uint32_t to) {
    count.value.store(to, std::memory_order_release);
    for (transport::bell* b : waiting) b->ring();
  }
};

/// The gates of all wires that lie in pools, or of which something is evicted. Units point into it.
class pool_gates {
 public:
  explicit pool_gates(std::size_t units) : freed_(units), gone_(units), activations_(units), gradients_(units) {}
  pool_gates(pool_gates const&) = delete;
  pool_gates& operator=(pool_gates const&) = delete;

  /// bell_of(unit): of who runs the unit's ops, or, elsewhere, of who brings what they send. Needs channels bound.
  template <class BellOf>
  void bind(rank_pools const& pools, std::vector<bound_stage>& stages, BellOf const& bell_of) {
    for (rank_pool const& p : pools.all())
      for (std::size_t i = 0; i < p.blocks.size(); ++i) {
        if (!p.blocks[i].elsewhere) continue;
        slot_table const& table = p.slots.of[i];
        bool const back = p.what == pooled::gradients;
        bound_stage& sender = stages[static_cast<std::size_t>(p.blocks[i].filler)];
        transport::slot_gate& gate = (back ? gradients_ : activations_)[static_cast<std::size_t>(p.blocks[i].unit)];
        gate.cycle = static_cast<std::uint32_t>(table.before.size());
        for (std::vector<slot_condition> const& before : table.before) {
          gate.begin.push_back(static_cast<std::uint32_t>(gate.all.size()));
          for (slot_condition const& c : before) {
            bound_stage& other = stages[static_cast<std::size_t>(p.blocks[static_cast<std::size_t>(c.block)].unit)];
            other.freed = &freed_[static_cast<std::size_t>(other.unit)];
            let_wait(*other.freed, bell_of(sender));
            gate.all.push_back({&other.freed->count, c.first, c.step});
          }
        }
        gate.begin.push_back(static_cast<std::uint32_t>(gate.all.size()));
        (back ? sender.gradient_out : sender.wire_out).gate = &gate;
      }
  }
  /// The same of units that evict: their senders wait for what has gone, too.
  template <class BellOf>
  void bind(run_evictions const& evictions, std::vector<bound_stage>& stages, BellOf const& bell_of) {
    for (std::size_t u = 0; u < stages.size(); ++u) {
      bound_stage& b = stages[u];
      evicted_slots const* const x = evictions.of(u);
      if (x == nullptr || b.number == 0) continue;
      b.freed = &freed_[u];
      b.evicted.gone = &gone_[u];
      bound_stage& sender = stages[u - 1];
      for (freed_slots* of : {b.freed, b.evicted.gone}) let_wait(*of, bell_of(sender));
      transport::slot_gate& gate = activations_[u];
      gate.cycle = static_cast<std::uint32_t>(x->before.size());
      for (evicted_condition const& c : x->before) {
        gate.begin.push_back(static_cast<std::uint32_t>(gate.all.size()));
        gate.all.push_back({&(c.evicted ? b.evicted.gone : b.freed)->count, c.first, gate.cycle});
      }
      gate.begin.push_back(static_cast<std::uint32_t>(gate.all.size()));
      sender.wire_out.gate = &gate;
    }
  }
  /// As the units' counts say.
  void restore(std::vector<bound_stage> const& stages) {
    for (bound_stage const& b : stages) {
      if (b.freed != nullptr) b.freed->count.value = b.passed(passage::freed);
      if (b.evicted.gone != nullptr) b.evicted.gone->count.value = b.passed(passage::forwarded);
    }
  }
  /// Nothing is kept.
  void reset() {
    for (flat_table<freed_slots>* all : {&freed_, &gone_})
      for (std::size_t u = 0; u < all->size(); ++u) (*all)[u].count.value = 0;
  }

 private:
  static void let_wait(freed_slots& of, transport::bell& bell) {
    if (std::find(of.waiting.begin(), of.waiting.end(), &bell) == of.waiting.end()) of.waiting.push_back(&bell);
  }

  flat_table<freed_slots> freed_, gone_;                      // by unit
  flat_table<transport::slot_gate> activations_, gradients_;  // by unit that receives them
};

}  // namespace foal::executor
