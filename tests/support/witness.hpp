// A linear layer that notes, bit for bit, the weights that its forwards and backwards read, and the gradients it adds.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include <foal/layer/linear.hpp>

namespace foal::test {

/// What an op of a witness has read, or for W has added to the gradient: its parameters one after the other.
struct witness_note {
  char op = 'F';         ///< F, R, B or W
  long long sample = 0;  ///< the microbatch's first in the run
  std::vector<double> weights{};
};

/// By global layer number, each in the order of its ops. A layer is called by one worker at a time, so workers do not meet.
struct witness_notes {
  static inline std::array<std::vector<witness_note>, 64> of_layer{};
  static void clear() {
    for (auto& notes : of_layer) notes.clear();
  }
};

template <int Out>
struct witness : linear<Out> {
  static constexpr char const* name = "witness";
  static constexpr bool draws = true;  // it draws nothing, but reads for which sample it would

  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, weights<S const> w, S* y, saved<S> s) {
    if (ctx.phase != phase::evaluate) note(ctx, ctx.phase == phase::recompute ? 'R' : 'F', w);
    linear<Out>::forward(ctx, x, w, y, s);
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, weights<S const> w, saved<S> s, S* dx) {
    note(ctx, 'B', w);
    linear<Out>::backward_input(ctx, dy, w, s, dx);
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, saved<S> s, weights<S> dw) {
    auto const before = values(ctx, dw);
    linear<Out>::backward_weight(ctx, dy, s, dw);
    witness_note& added = note(ctx, 'W', dw);
    for (std::size_t i = 0; i < before.size(); ++i) added.weights[i] -= before[i];
  }

 private:
  template <class C, class S>
  static std::vector<double> values(C const& ctx, weights<S> w) {
    std::vector<double> all(w[0], w[0] + ctx.in.channels() * Out);
    all.insert(all.end(), w[1], w[1] + Out);
    return all;
  }
  template <class C, class S>
  static witness_note& note(C const& ctx, char op, weights<S> w) {
    auto& notes = witness_notes::of_layer[ctx.random.layer];
    notes.push_back({op, static_cast<long long>(ctx.random.sample), values(ctx, w)});
    return notes.back();
  }
};

}  // namespace foal::test
