// 2BP (Rae, Lee, Richings, Weiland: 2BP: 2-Stage Backpropagation, 2024): any schedule with all its W's behind its last B.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include <foal/schedule/rules/global_norm.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/wrap.hpp>

namespace foal::schedule {

/// The program with every BW split, and the W's of a rank behind its last B, in the order of its BW's and W's; then its sums
/// and updates. So gradients are added up in the order of `base`, to its bits. What a stage saves of any microbatch it keeps
/// until its W: all N of them.
///
/// Needs a synchronous program that prove() accepts, with one U of a stage in a minibatch; throws a sentence otherwise.
constexpr program with_weights_last(program base) {
  program_view const v = base.view();
  if (verdict const bad = prove(v); !bad) throw error(text(bad));
  if (v.asynchronous || v.inference)
    throw error(sentence("cannot put the backwards for weights last in a program that is ",
                         v.inference ? "for inference" : "asynchronous", ", because ",
                         v.inference ? "it has none" : "its minibatches overlap, and none of its backwards is the last one",
                         "; use a synchronous schedule that trains"));
  std::vector<int> updates(static_cast<std::size_t>(units(v.size)), 0);
  for (op const& o : v.ops)
    if (o.kind == op_kind::U && ++updates[static_cast<std::size_t>(unit_of(v.size, o.stage, o.replica))] > 1)
      throw error(sentence("cannot put the backwards for weights last in a program in which stage ", o.stage,
                           " has several updates in a minibatch, because each is for the gradients before it; give it one"));
  program out(v.size, 0, false);
  out.recompute({v.recompute.begin(), v.recompute.end()});
  out.wants({v.wants.begin(), v.wants.end()});
  out.offloads({v.offloads.begin(), v.offloads.end()});  // which prove() refuses beside W of its own
  for (int r = 0; r < v.size.ranks; ++r) {
    std::vector<op> weights, closing;
    for (op o : v.rank(r)) {
      o.slot = -1, o.lane = 0;
      if (o.kind == op_kind::G || o.kind == op_kind::U) {
        closing.push_back(o);
        continue;
      }
      if (adds_weight_gradient(o.kind)) {
        weights.push_back(o);
        weights.back().kind = op_kind::W;
      }
      if (o.kind == op_kind::W) continue;
      if (o.kind == op_kind::BW) o.kind = op_kind::B;
      out(r, o);
    }
    for (op const& o : weights) out(r, o);
    for (op const& o : closing) out(r, o);
  }
  time(out);
  if (v.global_norm) return with_global_norm(std::move(out));
  return out;
}

/// A schedule with 2BP: `two_bp<gpipe>`. Over gpipe and one_f_one_b the bubble is (R - 1)(tF + tB), without the W; every
/// rank saves N microbatches. Placement, replicas and delay 0 are those of `base`, and bits too.
template <generator Base = one_f_one_b>
struct two_bp {
 private:
  static constexpr bool plain = std::string_view(Base::name) == one_f_one_b::name;
  static constexpr auto name_ = detail::suffixed<Base>("_two_bp");

 public:
  static constexpr char const* name = plain ? "two_bp" : name_.data();
  static constexpr bool asynchronous = Base::asynchronous;
  static constexpr bool one_rank = detail::on_one_rank<Base>;

  Base base{};

  template <class F>
  constexpr void numbers(F&& f) const {
    f("base", base);
  }

  constexpr void merge(int& microbatch_size, int& microbatches)
    requires requires(Base b, int n) { b.merge(n, n); }
  {
    base.merge(microbatch_size, microbatches);
  }

  constexpr program build(extent e) const { return with_weights_last(generate(base, e)); }

  template <class Sink>
  constexpr void emit(extent e, Sink& sink) const {
    detail::emit_all(build(e), sink);
  }
};

}  // namespace foal::schedule
