// A residual convolutional net with group norm for handwritten digits of 8 x 8; every layer with weights is a stage.
#include <cstdint>

#include <foal/core/random.hpp>
#include <foal/data/handwritten.hpp>
#include <foal/layer/avg_pool.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/group_norm.hpp>
#include <foal/layer/initialise.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "train.hpp"

namespace delay_lab {

template <int Channels, int Stride = 1>
using conv3 = foal::conv<Channels, 3, Stride, 1, foal::bias::none>;
using norm = foal::group_norm<4>;
template <int Channels>
using block = foal::residual<conv3<Channels>, norm, foal::relu, conv3<Channels>, norm>;

}  // namespace delay_lab

struct delay_lab_digits
    : foal::stages<foal::input<1, 8, 8>, delay_lab::conv3<8>, delay_lab::norm, foal::relu,
                   foal::repeat<2, delay_lab::block<8>, foal::relu>, delay_lab::conv3<16, 2>, delay_lab::norm, foal::relu,
                   delay_lab::block<16>, foal::relu, foal::global_avg_pool, foal::linear<10>> {};

namespace delay_lab {

namespace {

auto const& all_digits() {
  static auto const made = foal::data::handwritten({.train = 4000, .test = 256, .seed = 1});
  return made;
}

struct digits_task {
  using net = delay_lab_digits;
  using loss = foal::loss::cross_entropy;
  using initial = foal::initialisation::he;
  using target = std::int32_t;
  static constexpr int minibatch = 16, evaluated = 64;
  static constexpr float gain = static_cast<float>(foal::initialisation::he{}.gain);
  static constexpr bool has(answer a) { return few_answers(a); }

  explicit digits_task(std::uint64_t seed) : seed_(seed) {}
  int write_input(long long i, float* x) const {
    all_digits().train.write_sample(which(i), x);
    return all_digits().train.sample().size();
  }
  int write_target(long long i, std::int32_t* y) const {
    all_digits().train.write_target(which(i), y);
    return 1;
  }
  auto const& test() const { return all_digits().test; }
  static double judged(double loss) { return loss; }

 private:
  long long which(long long i) const {
    foal::random_key const key{seed_, foal::purpose::user, 0, static_cast<std::uint64_t>(i)};
    return static_cast<long long>(foal::random_word(key, 0)) % all_digits().train.size();
  }
  std::uint64_t seed_;
};

}  // namespace

network const& digits() {
  static network const n = make_network<digits_task>(
      "digits", "residual convolutional net with group norm, 8 x 8 handwritten digits, 16 samples an update", 400, 1);
  return n;
}

}  // namespace delay_lab
