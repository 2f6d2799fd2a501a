// Frozen stages: takes out of a program the backwards and updates that nothing needs.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include <foal/schedule/recompute_groups.hpp>
#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// The program with no B, W, G, U or R for the stages below `lowest`, nor W, G and U for the stages in `frozen`, whose BW
/// becomes B. Where `frozen` has the lowest stages that are left, they lose their B as well. What is left of a group of
/// recomputed stages begins at the lowest stage with a backward. A synchronous program is clocked anew; an asynchronous one
/// keeps its slots, so that what is trained keeps its delays.
///
/// Needs a program that is not for inference. Throws a sentence where a stage does not exist or no stage is left to train.
constexpr program without_backward_below(program base, int lowest, std::vector<int> const& frozen = {}) {
  program_view const v = base.view();
  int const stages = v.size.stages;
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  std::vector<gradients> wants;
  for (int s = 0; s < stages; ++s) wants.push_back(s < lowest ? gradients::none : v.wanted(s));
  for (int const s : frozen) {
    if (s < 0 || s >= stages)
      throw error(
          sentence("cannot freeze stage ", s, ", because the program has stages 0 to ", stages - 1, "; name one of them"));
    gradients& want = wants[static_cast<std::size_t>(s)];
    want = std::min(want, gradients::input);
  }
  for (std::size_t s = 0; s < wants.size() && wants[s] != gradients::both; ++s) wants[s] = gradients::none;
  if (lowest < 0 || std::count(wants.begin(), wants.end(), gradients::both) == 0)
    throw error(sentence("cannot train from stage ", lowest, " up with ", frozen.size(), " of ", stages,
                         " stages frozen, because some stage must be trained; give a stage from 0 to ", stages - 1,
                         " and leave one above it free, or use forward_only"));
  auto const lowest_wanted = static_cast<int>(
      std::find_if(wants.begin(), wants.end(), [](gradients g) { return g != gradients::none; }) - wants.begin());

  program out(v.size, v.asynchronous ? v.period : 0, v.asynchronous);
  out.delays({v.delays.begin(), v.delays.end()});
  if (std::vector<int> heads = recompute_groups_of(v); !heads.empty()) {
    cut_below(heads, lowest_wanted);
    out.recompute(std::move(heads));
  }
  for (int r = 0; r < v.size.ranks; ++r) {
    for (op o : v.rank(r)) {
      gradients const want = wants[static_cast<std::size_t>(o.stage)];
      if (o.kind != op_kind::F && want == gradients::none) continue;
      bool const updates = o.kind == op_kind::W || o.kind == op_kind::G || o.kind == op_kind::U;
      if (updates && want != gradients::both) continue;
      if (o.kind == op_kind::BW && want == gradients::input) o.kind = op_kind::B;
      if (!v.asynchronous) o.slot = -1, o.lane = 0;
      out(r, o);
    }
  }
  std::vector<offload> offloads;  // what is saved for no backward is not kept
  for (offload const& x : v.offloads)
    if (x.stage >= 0 && x.stage < stages && wants[static_cast<std::size_t>(x.stage)] != gradients::none)
      offloads.push_back(x);
  out.offloads(std::move(offloads));
  out.wants(std::move(wants));
  time(out);
  return out;
}

/// A schedule with frozen stages: `frozen<pipemare>{.trainable_from = 3}` trains stages 3 and up, without those in `stages`.
template <generator Base>
struct frozen {
 private:
  static constexpr auto name_ = detail::suffixed<Base>("_frozen");

 public:
  static constexpr char const* name = name_.data();
  static constexpr bool asynchronous = Base::asynchronous;
  static constexpr bool one_rank = detail::on_one_rank<Base>;

  Base base{};
  int trainable_from = 0;
  std::vector<int> stages{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
    f("trainable_from", trainable_from);
    f("stages", stages);
  }

  constexpr void merge(int& microbatch_size, int& microbatches)
    requires requires(Base b, int n) { b.merge(n, n); }
  {
    base.merge(microbatch_size, microbatches);
  }

  constexpr program build(extent e) const { return without_backward_below(generate(base, e), trainable_from, stages); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
