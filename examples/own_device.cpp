// A device of one's own: the host, but its products add up in double, to see what rounding does to a whole training run.
#include <cmath>
#include <cstddef>
#include <cstdio>

#include <foal/device/contract.hpp>
#include <foal/foal.hpp>

/// What it does not say again is the host's: memory, elementwise work, losses, the products inside convolutions.
struct exact_sums : foal::device::host {
  explicit exact_sums(void* workspace) : host(workspace) {}

  template <class S>
  void product_nn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(rows, cols, depth, a, depth, 1, b, cols, 1, c, accumulate);
  }
  template <class S>
  void product_nt(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(rows, cols, depth, a, depth, 1, b, 1, depth, c, accumulate);
  }
  template <class S>
  void product_tn(int rows, int cols, int depth, S const* a, S const* b, S* c, bool accumulate) const {
    product(rows, cols, depth, a, 1, rows, b, cols, 1, c, accumulate);
  }

 private:
  // c = a b (accumulate: c += a b), with the steps in memory from row to row and from column to column of a and b
  template <class S>
  static void product(std::ptrdiff_t rows, std::ptrdiff_t cols, std::ptrdiff_t depth, S const* a, std::ptrdiff_t a_row,
                      std::ptrdiff_t a_col, S const* b, std::ptrdiff_t b_row, std::ptrdiff_t b_col, S* c, bool accumulate) {
    for (std::ptrdiff_t i = 0; i < rows * cols; ++i) {
      S const *x = a + i / cols * a_row, *y = b + i % cols * b_col;
      double sum = accumulate ? static_cast<double>(c[i]) : 0;
      for (std::ptrdiff_t k = 0; k < depth; ++k)
        sum += static_cast<double>(x[k * a_col]) * static_cast<double>(y[k * b_row]);
      c[i] = static_cast<S>(sum);
    }
  }
};
static_assert(foal::device::device<exact_sums>);

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<32>, foal::tanh, foal::linear<10>> {};

template <class Device>
std::vector<float> trained(foal::data::dataset const& digits, char const* what) {
  foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::on<Device>> t({.lr = {.rate = 0.1}});
  double const right = 100 * t.fit(digits.train, {.epochs = 8, .evaluate = digits.test, .quiet = true}).accuracy();
  std::printf("%s %.1f %% of the test digits right\n", what, right);
  return t.all_weights();
}

int main() {
  foal::data::dataset const digits = foal::data::handwritten();
  auto const host = trained<foal::device::host>(digits, "sums of the host:  ");
  auto const exact = trained<exact_sums>(digits, "sums in double:   ");
  double most = 0;
  for (std::size_t i = 0; i < host.size(); ++i) most = std::max(most, std::abs(static_cast<double>(host[i] - exact[i])));
  std::printf("after training the weights differ by at most %.1g\n", most);
}
