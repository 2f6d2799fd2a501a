// Processes that have loaded other data say so before they train.
#include <foal/trainer/data_items.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <vector>

#include <foal/executor/any_source.hpp>

namespace {

using namespace foal;

/// Four samples of three positions; in ragged batches sample i of microbatch m has 1 + (i + m) mod 3.
struct batches {
  static constexpr int samples = 4, longest = 3;
  bool lies_ragged = false;
  long long changed_input = -1, changed_target = -1;  ///< microbatch

  bool ragged() const { return lies_ragged; }
  long long minibatches_per_epoch() const { return 5; }
  int positions(long long m, int i) const { return lies_ragged ? 1 + static_cast<int>((i + m) % 3) : longest; }
  int all(long long m) const {
    int n = 0;
    for (int i = 0; i < samples; ++i) n += positions(m, i);
    return n;
  }
  void sample_lengths(long long m, int, int* n) const {
    for (int i = 0; i < samples; ++i) n[i] = positions(m, i);
  }
  lengths_of_axes lengths(long long) const { return {{longest}}; }
  void inputs(long long m, int, float* x) const {
    for (int i = 0; i < all(m); ++i) x[i] = static_cast<float>(m + i);
    if (m == changed_input) x[all(m) - 1] += 0x1p-10F;
  }
  void targets(long long m, std::int32_t* t) const {
    for (int i = 0; i < all(m); ++i) t[i] = static_cast<std::int32_t>(m % 2);
    if (m == changed_target) t[all(m) - 1] = 7;
  }
};

/// Of a model of one stage whose input and output are a sequence.
table::run_tables tables() {
  shape const sequence{2, {1, batches::longest, 1, 1}, 1};
  table::run_tables t;
  table::stage_table one;
  one.wire_in.push_back({.extent = sequence});
  one.tensors.push_back({.sample = sequence});
  one.output = sequence;
  t.stages.push_back(std::move(one));
  t.loss.targets = [](shape output) { return output.positions(); };
  t.loss.targets_per_sample = batches::longest;
  t.loss.target_bytes = sizeof(std::int32_t);
  return t;
}

report::fingerprint items(batches const& from, detail::data_sizes const& sizes = {20, 5}) {
  report::fingerprint f;
  detail::add_data_items(f, tables(), {.microbatch_size = batches::samples, .microbatches = 2},
                         executor::source_of<float, std::int32_t>(from), sizes);
  return f;
}

}  // namespace

TEST_CASE("data of other sizes, inputs or targets are named", "[trainer]") {
  CHECK(report::difference(items({}), items({})).empty());
  CHECK(report::difference(items({}), items({}, {21, 5})) == "samples of the data is 20 here and 21 there");
  CHECK(report::difference(items({}), items({}, {20, 6})) == "minibatches of an epoch is 5 here and 6 there");
  CHECK(report::difference(items({}), items({.changed_input = 9})).starts_with("digest of some inputs is"));
  CHECK(report::difference(items({}), items({.changed_target = 9})).starts_with("digest of some targets is"));
}

TEST_CASE("of ragged microbatches every position is looked at, and none behind them", "[trainer]") {
  auto const ragged = [](batches b) {
    b.lies_ragged = true;
    return items(b);
  };
  CHECK(report::difference(ragged({}), ragged({})).empty());
  CHECK(report::difference(ragged({}), ragged({.changed_input = 0})).starts_with("digest of some inputs is"));
  CHECK(report::difference(ragged({}), ragged({.changed_target = 0})).starts_with("digest of some targets is"));
}

TEST_CASE("batches that say nothing of themselves are compared by their first minibatch", "[trainer]") {
  detail::data_sizes const silent;
  CHECK(items({}, silent).items.size() == 2);
  CHECK_FALSE(report::difference(items({}, silent), items({.changed_input = 1}, silent)).empty());
  CHECK(report::difference(items({}, silent), items({.changed_input = 2}, silent)).empty());
}

TEST_CASE("what a process has not loaded is not read, and not compared", "[trainer]") {
  using data::part;
  auto const of = [](batches const& from, part loaded) { return items(from, {20, 5, loaded}); };
  for (part const p : {part::none, part::inputs, part::targets}) {
    CHECK(report::difference(of({}, p), items({})).empty());
    CHECK(report::difference(of({.changed_input = 9}, p), items({})).empty() == !has_inputs(p));
    CHECK(report::difference(of({.changed_target = 9}, p), items({})).empty() == !has_targets(p));
    CHECK(of({}, p).items.size() == items({}).items.size());
  }
}
