// A recurrent layer of one's own, and how its gradient goes back through time; its backward functions are checked first.
#include <cstdio>
#include <foal/foal.hpp>
#include <foal/layer/check_gradient.hpp>

/// The rows of a feature map, N numbers each, one after the other: h_t = tanh(x_t + h_{t-1} V), y = h_T. backward_weight
/// gets no weights and may run before backward_input, or without it: forward keeps the states, and the V that made them.
template <int N>
struct recurrent {
  static constexpr char const* name = "recurrent";
  static constexpr bool accepts(foal::shape in) { return in.rank == 3 && in.width() * in.channels() == N; }
  static constexpr foal::shape output(foal::shape) { return foal::features(N); }
  static constexpr foal::list<foal::parameter> parameters(foal::shape) {
    return {foal::parameter{"V", {2, {N, N, 1, 1}}, {foal::initial::kind::uniform, 1.0 / 3, N}, true}};
  }
  static constexpr foal::list<foal::kept_entry> kept(foal::shape in) {
    return {foal::kept_entry{{0, in.size()}, foal::until::W}, foal::kept_entry{{N * N, 0}, foal::until::W}};
  }
  template <class C, class S = typename C::scalar>
  static void forward(C& ctx, S const* x, foal::weights<S const> w, S* y, foal::saved<S> s) {
    std::copy_n(w[0], N * N, s.at(1));
    for (int row = 0, steps = ctx.in.height(); row < ctx.samples * steps; ++row) {
      S* const h = std::copy_n(x + row * N, N, s.at(0) + row * N) - N;
      for (int k = 0; k < N * N && row % steps > 0; ++k) h[k % N] += h[k / N - N] * w[0][k];
      for (int j = 0; j < N; ++j) h[j] = std::tanh(h[j]);
      if (row % steps == steps - 1) std::copy_n(h, N, y + row / steps * N);
    }
  }
  /// f(row, da) from each sample's last row to its first; da: the gradient of what enters the row's tanh.
  template <class S, class F>
  static void back(int samples, int steps, S const* dy, S const* V, S const* h, F f) {
    S da[N], dh[N];
    for (int row = samples * steps - 1; row >= 0; --row) {
      if (row % steps == steps - 1) std::copy_n(dy + row / steps * N, N, dh);
      for (int j = 0; j < N; ++j) da[j] = dh[j] * (1 - h[row * N + j] * h[row * N + j]);
      f(row, da);
      std::fill_n(dh, N, S(0));
      for (int k = 0; k < N * N; ++k) dh[k / N] += V[k] * da[k % N];
    }
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C& ctx, S const* dy, foal::weights<S const> w, foal::saved<S> s, S* dx) {
    back<S>(ctx.samples, ctx.in.height(), dy, w[0], s.at(0), [&](int row, S* da) { std::copy_n(da, N, dx + row * N); });
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C& ctx, S const* dy, foal::saved<S> s, foal::weights<S> dw) {
    back<S>(ctx.samples, ctx.in.height(), dy, s.at(1), s.at(0), [&](int row, S* da) {
      for (int k = 0; k < N * N && row % ctx.in.height() > 0; ++k) dw[0][k] += s.at(0)[row * N - N + k / N] * da[k % N];
    });
  }
};
struct net : foal::stages<foal::input<1, 8, 8>, foal::conv<4, 3>, recurrent<32>, foal::linear<10>> {};
int main() {
  if (auto const check = foal::check_gradient<recurrent<4>>(foal::image(2, 5, 2)); !check) throw foal::error(check.fault);
  auto const digits = foal::data::handwritten();
  foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adam> t({.lr = {.rate = 3e-3}});
  auto const report = t.fit(digits.train, {.epochs = 6, .evaluate = digits.test});
  std::printf("gradients right, and %.1f %% of the test digits\n", 100 * report.accuracy());
}
