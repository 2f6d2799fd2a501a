// The proof of a program's offloads: no slot is written while what it had is still read, and none read before it is written.
#pragma once

#include <vector>

#include <foal/schedule/offloads.hpp>
#include <foal/schedule/proof/timeline.hpp>

namespace foal::schedule {

/// What two ops or copies of a stage do to one slot with nothing that orders them.
struct offload_race {
  enum class slot { none, of_forward, of_host, of_backward } what = slot::none;
  int microbatch = 0;  ///< of the later one
};

/// Follows the calls of a run's first minibatches, with what each op and copy then knows to be done: vector clocks of two
/// queues. As places repeat from period to period, what holds for these holds for all.
constexpr offload_race race_of(offload_order const& order, offload const& x, offload_waits const& waits = {}) {
  struct moment {
    int ops = -1, copies = -1;  ///< the last ones that are known to be done
  };
  auto const know = [](moment& to, moment const& of) {
    to.ops = of.ops > to.ops ? of.ops : to.ops;
    to.copies = of.copies > to.copies ? of.copies : to.copies;
  };
  int const n = static_cast<int>(order.forward.size()), host = order.held(), total = 2 * n + x.slots + host;
  auto const all = static_cast<std::size_t>(total);
  std::vector<moment> forward(all), out(all), back(all), backward(all);
  moment ops, copies;  // what the queues know
  int op_count = 0, copy_count = 0, brought = 0;
  auto const of = [](std::vector<moment>& list, int m) -> moment& { return list[static_cast<std::size_t>(m)]; };
  offload_race race;
  auto const require_known = [&](bool known, offload_race::slot slot, int m) {
    if (!known && race.what == offload_race::slot::none) race = {slot, m};
  };
  using slot = offload_race::slot;
  auto const bring = [&](int m) {
    int const before = m - x.slots;
    if (before >= 0 && waits.back) know(copies, of(backward, before));
    moment const* const last = before >= 0 ? &of(backward, before) : nullptr;
    require_known(last == nullptr || (last->ops >= 0 && last->ops <= copies.ops), slot::of_backward, m);
    require_known(of(out, m).copies >= 0, slot::of_host, m);  // called before on the same queue
    copies.copies = copy_count++;
    of(back, m) = copies;
  };
  auto const bring_until = [&](int newest) {
    for (; brought <= newest && brought < total; ++brought) bring(brought);
  };
  for (int f = 0, b = 0; f < total;) {
    bool const is_forward = order.at(order.forward, f) < order.at(order.backward, b);
    int const m = is_forward ? f : b;
    auto const j = static_cast<std::size_t>(floor_mod(m, n));
    if (is_forward) {
      bring_until(m + order.due_forward[j]);
      int const before = m - x.slots, lost = m - host;
      if (before >= 0) {
        if (waits.forward) know(ops, of(out, before));
        require_known(of(out, before).copies <= ops.copies, slot::of_forward, m);
      }
      ops.ops = op_count++;
      of(forward, m) = ops;
      if (waits.out) know(copies, ops);
      require_known(ops.ops <= copies.ops, slot::of_forward, m);
      require_known(lost < 0 || of(back, lost).copies >= 0, slot::of_host, m);
      copies.copies = copy_count++;
      of(out, m) = copies;
      ++f;
    } else {
      bring_until(m + order.due_backward[j]);
      if (waits.backward) know(ops, of(back, m));
      require_known(of(back, m).copies >= 0 && of(back, m).copies <= ops.copies, slot::of_backward, m);
      ops.ops = op_count++;
      of(backward, m) = ops;
      ++b;
    }
  }
  return race;
}

namespace detail {

/// Needs a program whose ops are proved.
constexpr verdict prove_offloads(program_view const& v, timeline const& t) {
  std::vector<char> seen(static_cast<std::size_t>(v.size.stages), 0);
  for (offload const& x : v.offloads) {
    op const o{.kind = op_kind::F, .stage = x.stage, .microbatch = 0};
    if (x.stage < 0 || x.stage >= v.size.stages)
      return {.what = flaw::range, .first = o, .found = x.stage, .expected = v.size.stages};
    int const home = t.rank[static_cast<std::size_t>(x.stage)];
    char& twice = seen[static_cast<std::size_t>(x.stage)];
    if (twice++ != 0 || x.slots < 1 || x.ahead < 0)
      return {.what = flaw::offload, .first = o, .first_rank = home, .found = x.slots, .expected = x.ahead};
    if (!may_offload(v, t.head, x.stage)) return {.what = flaw::offloader, .first = o, .first_rank = home};
    offload_race const race = race_of(order_of(v, x), x);
    if (race.what == offload_race::slot::none) continue;
    op const late{.kind = op_kind::BW, .stage = x.stage, .microbatch = race.microbatch};
    return {.what = flaw::back,
            .first = late,
            .second = {.kind = op_kind::BW, .stage = x.stage, .microbatch = race.microbatch - x.slots},
            .first_rank = home,
            .second_rank = home,
            .found = x.slots,
            .expected = x.ahead};
  }
  return {};
}

}  // namespace detail

}  // namespace foal::schedule
