// Batches of sequences: order, lengths, packing and weights against the source.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/sequence_batches.hpp>
#include <foal/data/window_source.hpp>

#include "tests/support/sequences.hpp"

using namespace foal::data;
using foal_test::pairs;
using ids = std::vector<std::int32_t>;

namespace {

template <class Batches>
std::vector<long long> epoch_order(Batches const& b, long long epoch) {
  long long const samples = b.minibatches_per_epoch() * b.how().microbatches * b.how().microbatch_size;
  std::vector<long long> result;
  for (long long i = 0; i < samples; ++i) result.push_back(b.index(epoch * samples + i));
  return result;
}

/// Padded positions among all positions, on both axes.
double padding(sequence_batches<parallel_source> const& b) {
  long long all = 0, real = 0;
  for (long long m = 0; m < b.minibatches_per_epoch() * b.how().microbatches; ++m)
    for (int i = 0; i < b.samples(); ++i)
      for (int axis : {1, 2}) {
        all += b.lengths(m).length[axis - 1];
        real += b.source().length(b.index(b.ordinal(m) + i), axis);
      }
  return 1 - static_cast<double>(real) / static_cast<double>(all);
}

}  // namespace

TEST_CASE("an epoch has every sample at most once, and leaves out fewer than a minibatch") {
  for (int n : {12, 13, 100, 257, 1000})
    for (int group : {1, 3, 1000}) {
      parallel_source const source = pairs(n);
      sequence_batches const b(source, {.microbatch_size = 4, .microbatches = 3, .seed = 5}, layout::padded, group);
      CHECK(b.minibatches_per_epoch() == n / 12);
      for (long long epoch : {0, 1, 7}) {
        std::vector<long long> const order = epoch_order(b, epoch);
        std::set<long long> const seen(order.begin(), order.end());
        INFO(n << " pairs, group " << group << ", epoch " << epoch);
        CHECK(order.size() == static_cast<std::size_t>(n / 12 * 12));
        CHECK(seen.size() == order.size());
        CHECK(*seen.begin() >= 0);
        CHECK(*seen.rbegin() < n);
      }
    }
}

TEST_CASE("over many epochs no sample is left out more often than others") {
  parallel_source const source = pairs(101);
  sequence_batches const b(source, {.microbatch_size = 2, .microbatches = 5, .seed = 5}, layout::padded,
                           2);  // 1 of 101 is left out
  std::vector<int> missing(101, 500);
  for (long long epoch = 0; epoch < 500; ++epoch)
    for (long long i : epoch_order(b, epoch)) --missing[static_cast<std::size_t>(i)];
  CHECK(std::count_if(missing.begin(), missing.end(), [](int m) { return m > 0; }) > 95);  // 4.95 expected of each
  CHECK(*std::max_element(missing.begin(), missing.end()) < 20);
}

TEST_CASE("epochs and seeds differ") {
  parallel_source const source = pairs(200);
  sequence_batches const b(source, {.microbatch_size = 4, .microbatches = 2, .seed = 5});
  sequence_batches const same(source, {.microbatch_size = 4, .microbatches = 2, .seed = 5});
  sequence_batches const other(source, {.microbatch_size = 4, .microbatches = 2, .seed = 6});
  CHECK(epoch_order(b, 3) == epoch_order(same, 3));
  CHECK(epoch_order(b, 0) != epoch_order(b, 1));
  CHECK(epoch_order(b, 0) != epoch_order(other, 0));
  // Not only whole minibatches move: who is with whom changes, too.
  std::map<long long, std::set<long long>> companions;
  for (long long epoch = 0; epoch < 20; ++epoch) {
    std::vector<long long> const order = epoch_order(b, epoch);
    for (std::size_t i = 0; i < order.size(); ++i) companions[order[i]].insert(order[i / 4 * 4 + (i + 1) % 4]);
  }
  for (auto const& [sample, with] : companions) CHECK(with.size() > 5);
}

TEST_CASE("the order is pinned, as it is part of what a run is") {
  parallel_source const source = pairs(26);
  sequence_batches const b(source, {.microbatch_size = 2, .microbatches = 3, .seed = 1}, layout::padded, 2);
  CHECK(epoch_order(b, 0) ==
        std::vector<long long>{25, 15, 4, 3, 21, 5, 9, 22, 20, 7, 17, 10, 8, 2, 13, 24, 6, 19, 23, 16, 1, 0, 12, 11});
}

TEST_CASE("lengths are those of the longest sample, and rows are packed at them") {
  parallel_source const source = pairs(60);
  sequence_batches const b(source, {.microbatch_size = 4, .microbatches = 2, .seed = 9}, layout::padded, 3);
  for (long long m = 0; m < 3 * 2 * b.minibatches_per_epoch(); ++m) {
    foal::lengths_of_axes const n = b.lengths(m);
    int longest[2] = {};
    for (int i = 0; i < 4; ++i)
      for (int axis : {1, 2})
        longest[axis - 1] = std::max(longest[axis - 1], source.length(b.index(b.ordinal(m) + i), axis));
    REQUIRE(n.length[0] == longest[0]);
    REQUIRE(n.length[1] == longest[1]);

    auto const cells = [&](int axis) { return static_cast<std::size_t>(4 * n.length[axis - 1]); };
    std::vector<float> source_ids(cells(1) + 1, -7.0F), length(5, -7.0F), target_ids(cells(2) + 1, -7.0F);
    ids t(cells(2) + 1, -7);
    b.inputs(m, 0, source_ids.data());
    b.inputs(m, 1, length.data());
    b.inputs(m, 2, target_ids.data());
    b.targets(m, t.data());
    for (int i = 0; i < 4; ++i) {
      long long const sample = b.index(b.ordinal(m) + i);
      REQUIRE(length[static_cast<std::size_t>(i)] == static_cast<float>(source.length(sample, 1)));
      for (int k = 0; k < n.length[0]; ++k) {
        int const words = source.length(sample, 1) - 1;
        float const expected = k < words ? static_cast<float>(10 + sample) : k == words ? 2.0F : 0.0F;
        REQUIRE(source_ids[static_cast<std::size_t>(i * n.length[0] + k)] == expected);
      }
      for (int k = 0; k < n.length[1]; ++k) {
        int const words = source.length(sample, 2) - 1;
        auto const at = static_cast<std::size_t>(i * n.length[1] + k);
        REQUIRE(t[at] == (k < words ? 5 : k == words ? 2 : -100));
        REQUIRE(target_ids[at] == (k == 0 ? 1.0F : k <= words ? 5.0F : 0.0F));
      }
    }
    REQUIRE(source_ids.back() == -7.0F);  // nothing is written beyond
    REQUIRE(length.back() == -7.0F);
    REQUIRE(target_ids.back() == -7.0F);
    REQUIRE(t.back() == -7);
  }
}

TEST_CASE("the weight of a minibatch is its targets that are not padding") {
  parallel_source const source = pairs(60);
  sequence_batches const b(source, {.microbatch_size = 3, .microbatches = 4, .seed = 2});
  for (long long k = 0; k < 8; ++k) {
    long long count = 0;
    for (long long m = 4 * k; m < 4 * k + 4; ++m) {
      ids t(static_cast<std::size_t>(3 * b.lengths(m).length[1]));
      b.targets(m, t.data());
      count += std::count_if(t.begin(), t.end(), [](std::int32_t x) { return x != ignored_target; });
    }
    CHECK(b.weight(k) == static_cast<double>(count));
  }
}

TEST_CASE("samples of like length are together") {
  parallel_source const source = pairs(4000, 40);
  double const together = padding(sequence_batches(source, {.microbatch_size = 8, .microbatches = 8, .seed = 1}));
  double const mixed =
      padding(sequence_batches(source, {.microbatch_size = 8, .microbatches = 8, .seed = 1}, layout::padded, 1 << 20));
  double const in_file =
      padding(sequence_batches(source, {.microbatch_size = 8, .microbatches = 8, .order = ordering::in_order}));
  INFO(together << ", in one group " << mixed << ", in the order of the source " << in_file);
  CHECK(together < 0.1);
  CHECK(mixed < 0.25);
  CHECK(in_file > 0.3);
}

TEST_CASE("minibatches of a group do not come one after the other") {
  parallel_source const source = pairs(4000, 40);
  sequence_batches const b(source, {.microbatch_size = 8, .microbatches = 2, .seed = 1});
  int near = 0;
  for (long long k = 0; k + 1 < b.minibatches_per_epoch(); ++k) {
    int const a = b.lengths(2 * k).length[0], c = b.lengths(2 * k + 2).length[0];
    near += a - c < 4 && c - a < 4;
  }
  CHECK(near < b.minibatches_per_epoch() / 3);  // of 40 lengths within 3: about 7 in 40
}

TEST_CASE("sequences of one length are one group") {
  ids text(20 * 160 + 1);
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<std::int32_t>(4 + i);
  window_source const source(text, {.length = 20});
  sequence_batches const b(source, {.microbatch_size = 4, .microbatches = 1, .seed = 1}, layout::padded, 2);
  CHECK(b.lengths(0).length[0] == 20);
  CHECK(b.lengths(0).length[1] == 0);
  // In groups of two minibatches, windows of a microbatch would lie within 8 of each other.
  int far = 0;
  for (long long m = 0; m < 40; ++m) {
    long long low = 160, high = -1;
    for (int i = 0; i < 4; ++i) {
      low = std::min(low, b.index(4 * m + i));
      high = std::max(high, b.index(4 * m + i));
    }
    far += high - low > 40;
  }
  CHECK(far > 30);
}

TEST_CASE("in order and cyclic follow the source") {
  parallel_source const source = pairs(13);
  sequence_batches const ordered(source, {.microbatch_size = 2, .microbatches = 2, .order = ordering::in_order});
  CHECK(ordered.index(0) == 0);
  CHECK(ordered.index(11) == 11);
  CHECK(ordered.index(12) == 0);  // 13 is not a whole number of minibatches of 4
  CHECK(ordered.epoch(5) == 0);
  CHECK(ordered.epoch(6) == 1);
  sequence_batches const cyclic(source, {.microbatch_size = 2, .microbatches = 20, .order = ordering::cyclic});
  CHECK(cyclic.index(12) == 12);
  CHECK(cyclic.index(13) == 0);
  CHECK(cyclic.epoch(6) == 0);
  CHECK(cyclic.epoch(7) == 1);
}

TEST_CASE("what cannot be batched is refused") {
  parallel_source const source = pairs(13);
  using batches_of_pairs = sequence_batches<parallel_source>;
  CHECK_THROWS_AS(batches_of_pairs(source, {.microbatch_size = 0}), foal::error);
  CHECK_THROWS_AS(batches_of_pairs(source, {.microbatches = 0}), foal::error);
  CHECK_THROWS_AS(batches_of_pairs(source, {}, layout::padded, 0), foal::error);
  CHECK_THROWS_AS(batches_of_pairs(source, {.microbatch_size = 7, .microbatches = 2}), foal::error);
  parallel_source const none;
  CHECK_THROWS_AS(batches_of_pairs(none, {.order = ordering::cyclic}), foal::error);
}

TEST_CASE("ragged batches are the padded ones without the padding") {
  parallel_source const source = pairs(50);
  batching const how{.microbatch_size = 4, .microbatches = 3, .seed = 5};
  sequence_batches const padded(source, how), ragged(source, how, layout::ragged);
  CHECK_FALSE(padded.ragged());
  CHECK(ragged.ragged());
  for (long long m = 0; m < 3 * padded.minibatches_per_epoch(); ++m) {
    auto const longest = padded.lengths(m);
    CHECK(ragged.lengths(m) == longest);
    for (int entry : {0, 1, 2}) {
      int const axis = source.entry_axis(entry), width = axis == 0 ? 1 : longest.length[axis - 1];
      int length[4] = {1, 1, 1, 1};
      if (axis > 0) ragged.sample_lengths(m, axis, length);
      std::vector<float> x(static_cast<std::size_t>(4 * width)), wanted, y(x.size() + 1, -7);
      padded.inputs(m, entry, x.data());
      ragged.inputs(m, entry, y.data());
      for (int i = 0; i < 4; ++i) {
        CHECK(length[i] == (axis == 0 ? 1 : source.length(ragged.index(ragged.ordinal(m) + i), axis)));
        wanted.insert(wanted.end(), x.begin() + i * width, x.begin() + i * width + length[i]);
      }
      wanted.resize(y.size(), -7);  // nothing is written behind them
      CHECK(y == wanted);
    }
    ids t(static_cast<std::size_t>(4 * longest.length[1])), kept, packed(t.size(), -7);
    padded.targets(m, t.data());
    ragged.targets(m, packed.data());
    std::copy_if(t.begin(), t.end(), std::back_inserter(kept), [](std::int32_t id) { return id != ignored_target; });
    kept.resize(packed.size(), -7);
    CHECK(packed == kept);
  }
}
