// A language model trains on the CUDA device with its sequences in segments, as on the host.
#include <catch2/catch.hpp>
#include <foal/cuda.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>

#include "../support/host_and_gpu.hpp"

namespace {

using namespace foal::test;
using foal::device::cuda;

constexpr int words = 11, longest = 12;

struct language : foal::zoo::gpt<foal::zoo::gpt_size{
                      .layers = 1, .width = 8, .heads = 2, .vocabulary = words, .longest = longest, .dropout_percent = 25}> {
};

/// Windows of random tokens, of as many positions as each microbatch likes; some targets are ignored.
struct texts {
  static constexpr int samples = 2;
  static int positions(long long m) { return 6 + static_cast<int>(m * 7 % (longest - 5)); }
  foal::lengths_of_axes lengths(long long m) const { return {{positions(m)}}; }
  static int token(long long sample, int position) {
    foal::random_key const key{3, foal::purpose::user, 0, static_cast<std::uint64_t>(sample)};
    return static_cast<int>(foal::random_word(key, static_cast<std::uint32_t>(position)) % words);
  }
  template <class S>
  void inputs(long long m, int, S* x) const {
    for (int i = 0; i < samples; ++i)
      for (int p = 0; p < positions(m); ++p) *x++ = static_cast<S>(token(m * samples + i, p));
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < samples; ++i)
      for (int p = 0; p < positions(m); ++p)
        *t++ = (m + i + p) % 7 == 0 ? foal::loss::cross_entropy::ignored : token(m * samples + i, p + 1);
  }
};

/// The weights after 20 updates.
template <class Device>
std::vector<float> trained() {
  using run = foal::trainer<language, foal::loss::cross_entropy, foal::schedule::seq1f1b, foal::optim::momentum,
                            foal::on<Device>, foal::executor::single_thread>;
  typename run::config c{.microbatch_size = texts::samples, .microbatches = 1, .workers = 1, .seed = 5};
  c.schedule.segments = 3;
  c.lr = {.rate = 0.05F};
  run t(c);
  REQUIRE_FALSE(t.run(texts{}, {.minibatches = 20}).diverged);
  return t.all_weights();
}

}  // namespace

TEST_CASE("a language model trains in segments on the GPU as on the host", "[cuda]") {
  auto const host = trained<host_apart<float>>(), gpu = trained<cuda>();
  CHECK(distance(gpu, host) < 1e-5);
  CHECK(trained<cuda>() == gpu);
}
