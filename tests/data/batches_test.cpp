// Microbatches: who comes when, the same for any M and N, with augmentations in order.
#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include <foal/data/augment.hpp>
#include <foal/data/batches.hpp>
#include <foal/data/memory.hpp>
#include <foal/data/split.hpp>

#include "tests/support/files.hpp"

using foal::data::batches;
using foal::data::batching;
using foal::data::ordering;

namespace {

/// n samples of 2 features: sample i is (i, 100 + i), its label i.
foal::data::memory<> rows(int n) {
  std::vector<float> x;
  std::vector<std::int32_t> y;
  for (int i = 0; i < n; ++i) {
    x.push_back(static_cast<float>(i));
    x.push_back(static_cast<float>(100 + i));
    y.push_back(i);
  }
  return {foal::features(2), x, y};
}

/// The labels of the first `samples` samples of the run, checked against the inputs.
template <class Batches>
std::vector<std::int32_t> seen(Batches const& b, int samples) {
  int const m = b.how().microbatch_size;
  std::vector<std::int32_t> result, t(static_cast<std::size_t>(m));
  std::vector<float> x(static_cast<std::size_t>(2 * m));
  for (long long s = 0; s * m < samples; ++s) {
    b.inputs(s, x.data());
    b.targets(s, t.data());
    for (std::size_t i = 0; i < t.size(); ++i) {
      CHECK(x[2 * i] == static_cast<float>(t[i]));
      CHECK(x[2 * i + 1] == static_cast<float>(100 + t[i]));
    }
    result.insert(result.end(), t.begin(), t.end());
  }
  result.resize(static_cast<std::size_t>(samples));
  return result;
}

/// Adds a constant, then doubles: so that the order of a pack shows, and how often each was applied.
struct add {
  template <class S>
  void operator()(foal::random_key const&, foal::shape sample, S const* x, S* y) const {
    for (int i = 0; i < sample.size(); ++i) y[i] = x[i] + 1;
  }
};
struct twice {
  template <class S>
  void operator()(foal::random_key const&, foal::shape sample, S const* x, S* y) const {
    for (int i = 0; i < sample.size(); ++i) y[i] = 2 * x[i];
  }
};
/// Writes down what it was keyed by.
struct key_as_value {
  template <class S>
  void operator()(foal::random_key const& key, foal::shape, S const*, S* y) const {
    y[0] = static_cast<S>(key.sample);
    y[1] = static_cast<S>(1000 * key.seed + 10 * key.layer + (key.use == foal::purpose::augment ? 1 : 0));
  }
};

}  // namespace

TEST_CASE("an epoch shows every sample once, but for the last partial minibatch") {
  auto const data = rows(50);
  batches const b(data, {.microbatch_size = 4, .microbatches = 3, .seed = 8});
  REQUIRE(b.minibatches_per_epoch() == 4);
  std::vector<std::int32_t> const all = seen(b, 96);
  for (int e = 0; e < 2; ++e) {
    std::set<std::int32_t> const epoch(all.begin() + 48 * e, all.begin() + 48 * (e + 1));
    CHECK(epoch.size() == 48);
    for (int i = 0; i < 48; ++i)
      CHECK(all[static_cast<std::size_t>(48 * e + i)] == foal::data::shuffled(8, static_cast<std::uint64_t>(e), 50, i));
  }
  CHECK(b.epoch(11) == 0);
  CHECK(b.epoch(12) == 1);
  CHECK(b.epoch(24) == 2);
  CHECK(b.ordinal(12) == 48);
}

TEST_CASE("the order does not depend on M and N") {
  auto const data = rows(48);
  auto const reference = seen(batches(data, {.microbatch_size = 1, .microbatches = 1, .seed = 8}), 144);
  for (int m : {1, 2, 3, 4, 8, 16})
    for (int n : {1, 2, 3}) {
      if (48 % (m * n) != 0) continue;  // where a partial minibatch is dropped, the next epoch starts earlier
      INFO("M = " << m << ", N = " << n);
      CHECK(seen(batches(data, {.microbatch_size = m, .microbatches = n, .seed = 8}), 144) == reference);
    }
  CHECK(seen(batches(data, {.microbatch_size = 4, .microbatches = 3, .seed = 9}), 144) != reference);
}

TEST_CASE("in file order, with and without dropping") {
  auto const data = rows(7);
  batches const dropping(data, {.microbatch_size = 2, .microbatches = 1, .order = ordering::in_order});
  CHECK(seen(dropping, 10) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 0, 1, 2, 3});
  batches const cyclic(data, {.microbatch_size = 2, .microbatches = 1, .order = ordering::cyclic});
  CHECK(seen(cyclic, 10) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2});
  CHECK(cyclic.epoch(3) == 0);
  CHECK(cyclic.epoch(4) == 1);
  batches const larger(data, {.microbatch_size = 5, .microbatches = 2, .order = ordering::cyclic});
  CHECK(seen(larger, 20) == std::vector<std::int32_t>{0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5});
}

TEST_CASE("augmentations are applied in order, keyed by their place and the sample's ordinal in the run") {
  auto const data = rows(6);
  batching const how{.microbatch_size = 3, .microbatches = 1, .seed = 4, .order = ordering::in_order};
  float x[6], scratch[2];
  batches(data, how, add{}).inputs(0, x, scratch);
  CHECK(x[4] == 3);
  batches(data, how, add{}, twice{}).inputs(0, x, scratch);
  CHECK(x[4] == 6);
  batches(data, how, twice{}, add{}).inputs(0, x, scratch);
  CHECK(x[4] == 5);
  batches(data, how, add{}, twice{}, add{}).inputs(1, x, scratch);
  CHECK(x[4] == 13);
  batches(data, how, key_as_value{}).inputs(3, x, scratch);
  CHECK(x[4] == 11);
  CHECK(x[5] == 4001);
  batches(data, how, add{}, key_as_value{}).inputs(2, x, scratch);
  CHECK(x[0] == 6);
  CHECK(x[1] == 4011);
}

TEST_CASE("augmented inputs do not depend on M and N") {
  std::vector<std::uint8_t> pixels;
  for (std::uint32_t i = 0; i < 24 * 48; ++i) pixels.push_back(static_cast<std::uint8_t>(foal::random_word({5}, i)));
  foal::data::split const data(foal::image(3, 4, 4), 1, pixels, std::vector<std::int32_t>(24), {{0, 0, 0}, {1, 1, 1}});
  auto const run = [&](int m, int n) {
    batches const b(data, {.microbatch_size = m, .microbatches = n, .seed = 2}, foal::data::augment::flip{},
                    foal::data::augment::crop{.padding = 1}, foal::data::augment::shift{});
    std::vector<double> all(48 * 48), scratch(48);
    for (int s = 0; s < 48 / m; ++s) b.inputs(s, all.data() + s * m * 48, scratch.data());
    return all;
  };
  CHECK(run(1, 1) == run(4, 3));
  CHECK(run(1, 1) == run(12, 2));
}

TEST_CASE("evaluation sees every sample once in file order and pads with zeros") {
  auto const data = rows(7);
  foal::data::in_order const e(data, 3);
  REQUIRE(e.microbatches() == 3);
  float x[6] = {9, 9, 9, 9, 9, 9};
  std::int32_t t[3] = {9, 9, 9};
  e.inputs(1, x);
  e.targets(1, t);
  CHECK(e.samples(1) == 3);
  CHECK(std::vector<float>(x, x + 6) == std::vector<float>{3, 103, 4, 104, 5, 105});
  CHECK(std::vector<std::int32_t>(t, t + 3) == std::vector<std::int32_t>{3, 4, 5});
  e.inputs(2, x);
  e.targets(2, t);
  CHECK(e.samples(2) == 1);
  CHECK(std::vector<float>(x, x + 6) == std::vector<float>{6, 106, 0, 0, 0, 0});
  CHECK(std::vector<std::int32_t>(t, t + 3) == std::vector<std::int32_t>{6, 0, 0});
}

TEST_CASE("batches refuse what cannot be") {
  using foal_test::complaint;
  auto const data = rows(7), none = rows(0);
  CHECK_THAT(complaint([&] { batches(data, {.microbatch_size = 4, .microbatches = 2}); }),
             Catch::Contains("2 microbatches x 4 samples = 8 samples and the source holds 7"));
  CHECK_THAT(complaint([&] { batches(data, {.microbatch_size = 0}); }), Catch::Contains("microbatch size is 0"));
  CHECK_THAT(complaint([&] { batches(none, {.order = ordering::cyclic}); }), Catch::Contains("holds 0 samples"));
  CHECK_THAT(complaint([&] { foal::data::in_order(data, 0); }), Catch::Contains("microbatch size is 0"));
  CHECK_THAT(complaint([&] { batches(data, {}, foal::data::augment::crop{.padding = -1}); }),
             Catch::Contains("cannot use crop, because its padding is -1"));
}
