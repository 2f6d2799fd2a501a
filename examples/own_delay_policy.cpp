// A delay policy of one's own: forwards guess the weights that their backwards will meet.
#include <cstdio>
#include <foal/foal.hpp>

/// Weight prediction (in the manner of Chen, Yang, Cheng 2018 and PipeMare's T2, turned around): with v a running mean of
/// the updates, F reads w + lag v, which is what w will be `lag` updates later if they go on as they did. B reads w as it
/// is.
struct weight_prediction {
  using role = foal::role::delay;
  static constexpr char const* name = "weight prediction";
  static constexpr int states = 1;                                          // v, an array like each parameter,
  static constexpr foal::delay::scope states_of = foal::delay::scope::all;  // biases too: F reads them
  double memory = 0.9;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("memory", memory);
  }

  // Each is asked once per op and gives a functor, which the device runs over all elements: U stays one pass.
  template <class S>
  struct ahead {
    S lag;
    FOAL_HOST_DEVICE S operator()(S w, S const& v) const { return w + lag * v; }
  };
  template <class S>
  ahead<S> forward_weight(foal::delay::moment m) const {
    return {static_cast<S>(m.lag)};
  }

  template <class S>
  struct follow {
    S memory, rest;
    FOAL_HOST_DEVICE void operator()(S before, S after, S& v) const { v = memory * v + rest * (after - before); }
  };
  template <class S>
  follow<S> after_update(foal::delay::moment) const {
    return {static_cast<S>(memory), static_cast<S>(1 - memory)};
  }
};

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh,
                          foal::repeat<10, foal::residual<foal::linear<48>, foal::tanh>>, foal::linear<10>> {};

template <class Delay>
void show(foal::data::dataset const& digits, char const* what) {
  std::printf("%-28s", what);
  for (double const rate : {0.0025, 0.005, 0.01, 0.02}) {
    foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum, Delay> t(
        {.microbatch_size = 8, .microbatches = 4, .workers = 2, .lr = {.rate = rate}});
    foal::fit_report const result = t.fit(digits.train, {.epochs = 5, .evaluate = digits.test, .quiet = true});
    std::printf("%8.1f %%", result.diverged ? 0 : 100 * result.accuracy());
  }
  std::puts("");
}

int main() {
  std::puts("test accuracy by learning rate    0.0025     0.005      0.01      0.02");
  foal::data::dataset const digits = foal::data::handwritten();
  show<foal::delay::none>(digits, "none");
  show<foal::delay::discrepancy_correction>(digits, "T2 (corrects what B reads)");
  show<weight_prediction>(digits, "weight prediction (what F)");
}
