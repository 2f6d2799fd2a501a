// Offloading: what stages of any program save goes to host memory after F, and comes back before the backward.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/offloads.hpp>
#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// The program with offloads of these stages; none: of all that hold more than 2 * slots microbatches, which is what the
/// slots in device memory take. Throws a sentence where there is no such stage, or one that is named cannot be; what else
/// cannot be is for prove() to say.
constexpr program with_offloads(program base, std::vector<int> stages, int slots = 2, int ahead = 1) {
  program_view const v = base.view();
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  if (!v.offloads.empty())
    throw error(sentence("cannot offload in a program that offloads ", v.offloads.size(),
                         " stages, because each is copied once; begin with one without"));
  std::vector<int> const heads = recompute_groups_of(v);
  int most = 0;
  bool const chosen = !stages.empty();
  for (int s = 0; s < v.size.stages && !chosen; ++s) {
    if (!may_offload(v, heads, s)) continue;
    int const held = order_of(v, {s, slots, ahead}).held();
    most = std::max(most, held);
    if (held > 2 * slots) stages.push_back(s);
  }
  if (stages.empty())
    throw error(sentence("cannot offload with ", slots, " slots each way, because a stage that may be offloaded holds ",
                         most, " microbatches at most, and the slots take ", 2 * slots,
                         "; use fewer slots, more microbatches, or leave it out"));
  std::vector<offload> all;
  for (int const s : stages) all.push_back({s, slots, ahead});
  base.offloads(std::move(all));
  return base;
}

/// A schedule with offloads: `offloaded<pipemare>`, `offloaded<gpipe>{.stages = {0, 1}}`. Ops, delays and bits are the
/// schedule's. `slots`: in device memory, for what F writes and as many for what comes back; 2 are one in use and one that
/// is copied. `ahead`: the copy back begins so many ops of the stage before its backward, as far as F of the microbatch is
/// done.
template <generator Base>
struct offloaded {
 private:
  static constexpr auto name_ = detail::suffixed<Base>("_offloaded");

 public:
  static constexpr char const* name = name_.data();
  static constexpr bool asynchronous = Base::asynchronous;
  static constexpr bool one_rank = detail::on_one_rank<Base>;

  Base base{};
  std::vector<int> stages{};
  int slots = 2, ahead = 1;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("stages", stages);
    f("slots", slots);
    f("ahead", ahead);
  }

  constexpr void check() const {
    if constexpr (requires { base.check(); }) base.check();
    if (slots < 1 || ahead < 0)
      throw error(sentence("cannot offload with .slots = ", slots, " and .ahead = ", ahead,
                           ", because what is copied needs a slot, and comes back before it is read; use 1 slot or more, "
                           "and 0 ops ahead or more"));
  }

  constexpr void merge(int& microbatch_size, int& microbatches)
    requires requires(Base b, int n) { b.merge(n, n); }
  {
    base.merge(microbatch_size, microbatches);
  }

  constexpr program build(extent e) const {
    check();
    return with_offloads(generate(base, e), stages, slots, ahead);
  }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
