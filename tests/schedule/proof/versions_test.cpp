// The newest versions of a program, those that rules have its ops read, and the proof that they are there.
#include <catch2/catch.hpp>

#include <foal/schedule/generate.hpp>
#include <foal/schedule/proof/versions.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/frozen.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

using namespace foal::schedule;

namespace {

/// Every op reads the version `ahead` of the newest one.
struct shifted {
  int forward = 0, recompute = 0, backward = 0;

  constexpr version_read read(version_table const& there, int s, int j) const {
    version_read const& newest = there.at(s, j);
    return {newest.forward + forward, newest.recompute + recompute, newest.backward + backward};
  }
};

template <class G>
constexpr version_table table(G const& g, extent e) {
  return versions(generate(g, e).view());
}

/// Without what is kept for a gradient's sake.
constexpr kept_versions kept(shifted const& rule, version_table const& there, int stage) {
  kept_versions k = reads_of(rule, there).kept[static_cast<std::size_t>(stage)];
  k.until_update = 0;
  return k;
}

constexpr version_verdict judged(version_table const& there, shifted const& rule, int copies = largest_slot) {
  return prove_versions(there, reads_of(rule, there), copies);
}

}  // namespace

// The compiler proves: the newest version is there, the next one is not, and of the older ones as many as are kept.
static_assert(judged(table(pipemare{}, {3, 3, 2}), {}));
static_assert(judged(table(pipemare{}, {3, 3, 2}), {.forward = 1}).what == version_flaw::future);
static_assert(judged(table(pipemare{}, {3, 3, 2}), {.backward = -2}, 2));
static_assert(judged(table(pipemare{}, {3, 3, 2}), {.backward = -2}, 1).what == version_flaw::gone);

TEST_CASE("a version that is not there yet is refused, with op, version and the newest one there") {
  version_table const there = table(recomputed<pipemare>{.segment = 1}, {4, 4, 2});
  REQUIRE(there.at(1, 0).forward == -3);
  REQUIRE((there.at(0, 0).recompute == -1 && there.at(0, 0).backward == 0));
  CHECK(text(judged(there, {})) == "every version is there when it is read");
  CHECK(judged(there, {.forward = 1}) == version_verdict{version_flaw::future, op_kind::F, 0, 0, -3, -4, largest_slot});
  CHECK(text(judged(there, {.forward = 1})) ==
        "cannot have F(stage 0, microbatch 0 of minibatch k) read version k - 3, because the newest there is k - 4; read "
        "that one, or one before it");
  CHECK_THAT(text(judged(there, {.recompute = 1})),
             Catch::Contains("R(stage 0, microbatch 0 of minibatch k) read version k, because the newest there is k - 1;"));
  CHECK_THAT(text(judged(there, {.backward = 3})), Catch::Contains("B(stage 0, microbatch 0") && Catch::Contains("k + 3"));
}

TEST_CASE("a version that is no longer kept is refused, with the number of those that are") {
  version_table const there = table(async_1f1b{}, {3, 3, 4});
  CHECK(judged(there, {.forward = -2}, 2));
  CHECK(text(judged(there, {.forward = -2}, 1)) ==
        "cannot have F(stage 0, microbatch 0 of minibatch k) read version k - 3, because the newest there is k - 1 and the "
        "rule keeps 1 older than that; keep 2, or read a newer one");
  CHECK(judged(there, {.backward = -1}, 0).kind == op_kind::B);
  CHECK(judged(there, {.forward = -2147483647}).what == version_flaw::gone);  // the difference is counted in more than int
}

TEST_CASE("what a stage keeps is what its ops read, and only where they read it") {
  version_table const there = table(recomputed<pipemare>{.segment = 1}, {4, 4, 2});
  CHECK(kept({}, there, 0) == kept_versions{});
  // What F has read, 4 updates before the one that its minibatch changes, may be wanted until then.
  CHECK(reads_of(own_versions{}, there).kept[0].copies_of(true) == 4);
  CHECK(reads_of(own_versions{}, there).kept[0].copies_of(false) == 0);
  CHECK(kept(shifted{.forward = -3}, there, 0) == kept_versions{3, true, false, false});
  CHECK(kept(shifted{.recompute = -1}, there, 0) == kept_versions{1, false, true, false});
  CHECK(kept(shifted{.recompute = -1}, there, 3) == kept_versions{});  // the last stage has no R
  CHECK(kept(shifted{.recompute = -1, .backward = -4}, there, 1) == kept_versions{4, false, true, true});
  CHECK(reads_of(shifted{.recompute = -1, .backward = -4}, there).delayed);
  CHECK_FALSE(reads_of(own_versions{}, table(gpipe{}, {4, 4, 2})).delayed);
  CHECK_FALSE(reads_of(own_versions{}, there).one_version);
}

TEST_CASE("stages without an update have one version, and are asked nothing") {
  version_table const there = table(frozen<pipemare>{.trainable_from = 1, .stages = {2}}, {4, 4, 2});
  CHECK(there.updates == std::vector<int>{0, 1, 0, 1});
  CHECK(there.first_trained() == 1);
  version_reads const reads = reads_of(shifted{.forward = -1}, there);
  for (int j = 0; j < 2; ++j) {
    CHECK(reads.at(0, j) == version_read{});
    CHECK(reads.at(1, j).forward == there.at(1, j).forward - 1);
    CHECK(reads.at(2, j) == version_read{});
  }
  CHECK(reads.kept[2] == kept_versions{});
  CHECK(judged(there, {.forward = 1}).stage == 1);
}

TEST_CASE("a program that injects delays asks for them itself, and its newest versions are those of its order") {
  version_table const there = table(injected{{7, 5, 0}}, {3, 3, 4});
  for (int s = 0; s < 3; ++s) {
    for (int j = 0; j < 4; ++j) {
      CHECK(there.at(s, j) == version_read{0, 0, 0});
      int const d = s == 0 ? 7 : s == 1 ? 5 : 0;
      CHECK(there.forward(s, j) == floor_div(j - d, 4));
      CHECK(reads_of(own_versions{}, there).at(s, j) == version_read{there.forward(s, j), there.forward(s, j), 0});
    }
  }
  CHECK(reads_of(own_versions{}, there).kept[0].copies == 2);
}
