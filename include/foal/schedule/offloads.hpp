// What stages save for a time in host memory: where in the order of a stage's ops its copies are called, and what each of
// them has to wait for.
#pragma once

#include <span>
#include <vector>

#include <foal/schedule/edges.hpp>

namespace foal::schedule {

/// The offload of a stage; null: what it saves stays where it is.
constexpr offload const* offload_of(program_view v, int stage) {
  for (offload const& x : v.offloads)
    if (x.stage == stage) return &x;
  return nullptr;
}

/// Whether what a stage saves can be offloaded: its F, and its backwards (BW, or B where its weights are frozen), go through
/// the microbatches in their order, in one replica and one segment; none of them is recomputed, or evicted. heads:
/// recompute_groups_of().
constexpr bool may_offload(program_view v, std::vector<int> const& heads, int stage) {
  bool const recomputed = !heads.empty() && heads[static_cast<std::size_t>(stage)] >= 0;
  if (v.size.replicas != 1 || v.size.segments != 1 || v.wanted(stage) == gradients::none || recomputed) return false;
  for (eviction const& x : v.evictions)
    if (x.stage == stage) return false;
  op const *forward[2]{}, *backward[2]{};  // the first one, and the one before
  for (op const& o : v.ops) {
    if (o.stage != stage) continue;
    if (o.kind == op_kind::W) return false;
    if (o.kind != op_kind::F && !is_backward(o.kind)) continue;
    auto& of = o.kind == op_kind::F ? forward : backward;
    if (of[0] == nullptr) of[0] = &o;
    if (of[1] != nullptr && o.microbatch <= of[1]->microbatch) return false;
    of[1] = &o;
  }
  auto const ends = [&](auto const& of) {
    return of[0] != nullptr && of[1]->microbatch < of[0]->microbatch + v.size.microbatches;
  };
  return ends(forward) && ends(backward);
}

/// Places in the endless list of a stage's F and backwards, of which a period has 2 N; by microbatch of minibatch 0.
struct offload_order {
  std::vector<int> forward, backward;
  std::vector<int> back;  ///< of the op before which the copy back is called
  /// By microbatch, before its F and before its backward: the newest one whose copy back is then to have been called, less
  /// the microbatch itself.
  std::vector<int> due_forward, due_backward;

  /// The place of any microbatch, in one of the first three.
  constexpr int at(std::vector<int> const& of, int m) const {
    int const n = static_cast<int>(of.size());
    return of[static_cast<std::size_t>(floor_mod(m, n))] + 2 * n * floor_div(m, n);
  }
  /// Microbatches between the begin of F and the end of the backward, at most: so many slots host memory needs.
  constexpr int held() const {
    int most = 0;
    for (int j = 0; j < static_cast<int>(forward.size()); ++j) {
      int done = j;
      while (at(backward, done) > at(forward, j)) --done;
      most = j - done > most ? j - done : most;
    }
    return most;
  }
};

/// Needs a stage that may_offload(), of the program.
constexpr offload_order order_of(program_view v, offload const& x) {
  int const n = v.size.microbatches;
  offload_order order;
  for (auto* of : {&order.forward, &order.backward, &order.back, &order.due_forward, &order.due_backward})
    of->assign(static_cast<std::size_t>(n), 0);
  int place = 0;
  for (op const& o : v.ops) {
    if (o.stage != x.stage || !(o.kind == op_kind::F || is_backward(o.kind))) continue;
    auto& of = o.kind == op_kind::F ? order.forward : order.backward;
    of[static_cast<std::size_t>(floor_mod(o.microbatch, n))] = place++ - 2 * n * floor_div(o.microbatch, n);
  }
  for (std::size_t j = 0; j < order.back.size(); ++j) {
    int const wanted = order.backward[j] - x.ahead, earliest = order.forward[j] + 1;
    order.back[j] = wanted > earliest ? wanted : earliest;
  }
  for (int j = 0; j < n; ++j) {
    int newest = j;
    while (order.at(order.back, newest) > order.forward[static_cast<std::size_t>(j)]) --newest;
    order.due_forward[static_cast<std::size_t>(j)] = newest - j;
    for (newest = j; order.at(order.back, newest + 1) <= order.backward[static_cast<std::size_t>(j)];) ++newest;
    order.due_backward[static_cast<std::size_t>(j)] = newest - j;
  }
  return order;
}

/// A stage's ops are done in the order in which they are called, and so are its copies; of ops and copies together only what
/// these say. forward: F of microbatch m waits for the copy out of m - slots; out: that copy for F of m; back: the copy back
/// of m for the backward of m - slots; backward: that of m for the copy back of m.
struct offload_waits {
  bool forward = true, out = true, back = true, backward = true;
};

}  // namespace foal::schedule
