// A codec of one's own: activations in 12 bits, two values in three bytes, where they are kept and where they are sent.
#include <bit>
#include <cstdio>
#include <foal/foal.hpp>

/// The sign, the exponent and 3 bits of the fraction of a float, rounded: a relative error of at most 2^-4 in each value.
struct twelve_bits {
  static constexpr char const* name = "12 bits";

  // A row is a sample, or a position of a sequence. Its code has so many bytes, whatever lies beside it.
  static constexpr std::size_t bytes(std::size_t row) { return (row * 12 + 7) / 8; }

  void encode(foal::codec::rows of, float const* x, std::byte* code) const {
    for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size))
      for (std::size_t i = 0; i < of.size; i += 2) {
        std::uint32_t const pair = shortened(x[i]) | (i + 1 < of.size ? shortened(x[i + 1]) : 0) << 12U;
        for (std::size_t b = 0; b < 3 && i * 12 / 8 + b < bytes(of.size); ++b)
          code[i * 12 / 8 + b] = static_cast<std::byte>(pair >> (8 * b) & 0xFFU);
      }
  }
  void decode(foal::codec::rows of, std::byte const* code, float* x) const {
    for (std::size_t r = 0; r < of.count; ++r, x += of.size, code += bytes(of.size))
      for (std::size_t i = 0; i < of.size; ++i) {
        auto const at = [&](std::size_t b) { return std::to_integer<std::uint32_t>(code[i * 12 / 8 + b]); };
        std::uint32_t const two = at(0) | at(1) << 8U;
        x[i] = std::bit_cast<float>((i % 2 == 0 ? two & 0xFFFU : two >> 4U) << 20U);
      }
  }
  static std::uint32_t shortened(float x) {
    auto const bits = std::bit_cast<std::uint32_t>(x);
    return (x - x == 0 ? bits + 0x80000U : bits) >> 20U;  // infinities and NaN stay
  }
};

struct net : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<64>, foal::tanh,
                          foal::repeat<6, foal::residual<foal::linear<64>, foal::tanh>>, foal::linear<10>> {};

template <class... Policies>
void show(char const* what, foal::data::dataset const& digits) {
  using run = foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum, Policies...>;
  run t({.microbatch_size = 8, .workers = 2, .lr = {.rate = 0.01}});
  double const right = t.fit(digits.train, {.epochs = 5, .evaluate = digits.test, .quiet = true}).accuracy();
  auto const facts = t.facts();
  std::printf("%-22s %.1f %% of the test digits right\n", what, 100 * right);
  for (auto const& note : facts.notes)
    if (note.find("would be") != std::string::npos) std::printf("  %s\n", note.c_str());
}

int main() {
  foal::data::dataset const digits = foal::data::handwritten();
  show<>("float", digits);
  show<foal::storage::coded<twelve_bits>>("kept in 12 bits", digits);
  show<foal::wire::coded<twelve_bits>>("sent in 12 bits", digits);
  show<foal::storage::bfloat16, foal::wire::coded<twelve_bits>>("and kept as bfloat16", digits);
}
