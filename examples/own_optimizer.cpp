// An optimizer of one's own that takes a parameter as a whole: one second moment for each row and each column of a matrix
// instead of one for each weight, in the manner of Adafactor (Shazeer, Stern 2018). For devices of the host's memory.
#include <cmath>
#include <cstdio>
#include <foal/foal.hpp>

struct row_and_column {
  using role = foal::role::optimizer;
  static constexpr char const* name = "row and column";
  static constexpr int states = 2;  // means of g^2: of the rows, of the columns
  static constexpr bool per_parameter = true;
  double memory = 0.99;

  static int columns(foal::shape s) { return s.extent[s.rank - 1]; }
  static int rows(foal::shape s) { return s.size() / columns(s); }
  long long state_size(int state, foal::shape s) const { return state == 0 ? rows(s) : columns(s); }

  template <class D, class S>
  void step(D&, foal::shape s, S* w, S* g, S* const* states, S*, foal::optim::moment m) const {
    int const r = rows(s), c = columns(s);
    S *const row = states[0], *const column = states[1];
    for (int i = 0; i < r; ++i) row[i] *= S(memory);
    for (int j = 0; j < c; ++j) column[j] *= S(memory);
    for (int k = 0; k < r * c; ++k) {
      S const square = S(1 - memory) * g[k] * g[k];
      row[k / c] += square / S(c);
      column[k % c] += square / S(r);
    }
    S mean = 0;
    for (int i = 0; i < r; ++i) mean += row[i] / S(r);
    double const rest = 1 - std::pow(memory, static_cast<double>(m.update));  // what the means lack yet
    for (int k = 0; k < r * c; ++k)
      w[k] -= S(m.rate) * g[k] / (std::sqrt(row[k / c] * column[k % c] / (mean * S(rest) + S(1e-30))) + S(1e-8));
  }

  template <class F>
  void numbers(F&& f) const {
    f("memory", memory);
  }
};

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<64>, foal::tanh, foal::linear<64>, foal::tanh,
                          foal::linear<10>> {};

template <class Optimizer>
void show(foal::data::dataset const& digits) {
  foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, Optimizer, foal::delay::discrepancy_correction> t(
      {.microbatches = 4, .workers = 2, .lr = {.rate = 0.002}});
  auto const result = t.fit(digits.train, {.epochs = 5, .evaluate = digits.test, .quiet = true});
  std::printf("%-16s %6lld bytes of state, %.1f %% of the test digits\n", Optimizer::name,
              t.facts().bytes[foal::category::optimizer], 100 * result.accuracy());
}

int main() {
  foal::data::dataset const digits = foal::data::handwritten();
  show<foal::optim::adam>(digits);
  show<foal::optim::muon>(digits);
  show<row_and_column>(digits);
}
