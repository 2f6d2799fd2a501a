// A residual tanh MLP of 32 stages that learns the labels of a random teacher, from samples that never come again.
#include <foal/layer/initialise.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>

#include "../sweep/shrink.hpp"
#include "random_teacher.hpp"
#include "train.hpp"

struct delay_lab_mlp
    : foal::stages<foal::input<16>, foal::linear<32>, foal::tanh,
                   foal::repeat<30, foal::residual<foal::linear<32>, foal::tanh, sweep::shrink<10>>>, foal::linear<8>> {};

namespace delay_lab {

namespace {

struct mlp_task {
  using net = delay_lab_mlp;
  using loss = foal::loss::cross_entropy;
  using initial = foal::initialisation::he;
  using target = std::int32_t;
  static constexpr int minibatch = 16, evaluated = 64;
  static constexpr float gain = 1;  ///< keeps the variance of tanh units
  static constexpr bool has(answer a) { return all_answers(a); }

  explicit mlp_task(std::uint64_t seed) : seed_(seed) {}
  int write_input(long long i, float* x) const { return random_teacher::point(seed_, static_cast<std::uint64_t>(i), x); }
  int write_target(long long i, std::int32_t* y) const {
    float x[random_teacher::inputs];
    random_teacher::point(seed_, static_cast<std::uint64_t>(i), x);
    y[0] = random_teacher::label(x);
    return 1;
  }
  foal::data::memory<> const& test() const { return random_teacher::test(); }
  static double judged(double loss) { return loss; }

 private:
  std::uint64_t seed_;
};

}  // namespace

network const& mlp() {
  static_assert(foal::stage_count<delay_lab_mlp> == 32);
  static network const n = make_network<mlp_task>(
      "mlp", "residual tanh MLP 16-32x31-8, a stage a layer, a random teacher's labels, 16 samples an update", 800, 1);
  return n;
}

}  // namespace delay_lab
