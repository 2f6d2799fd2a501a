// Slots that units of a rank share: never two microbatches in one place, as few bytes as are held at once, and who fills one
// from elsewhere waits for all that has been there.
#include <foal/plan/slot_pool.hpp>
#include <foal/schedule/cost/analysis.hpp>

#include <catch2/catch.hpp>

#include "examples/schedules/catalogue.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using executor::pool_block;
using schedule::op_kind;

constexpr std::size_t one = 64;

/// The units of a rank, each with a block of `bytes(unit)`. wires: as stages receive them, where every rank has a worker.
template <class Bytes>
std::vector<pool_block> blocks_of(schedule::program_view v, int rank, bool wires, Bytes const& bytes) {
  std::vector<int> const rank_of = schedule::ranks_of(v);
  std::vector<pool_block> all;
  for (int u = 0; u < units(v.size); ++u) {
    if (rank_of[static_cast<std::size_t>(u)] != rank) continue;
    bool const below = wires && schedule::stage_of(v.size, u) > 0;
    all.push_back(
        {u, bytes(u), op_kind::F, below ? u - 1 : u, until::W, below && rank_of[static_cast<std::size_t>(u) - 1] != rank});
  }
  return all;
}

struct listed {
  schedule::op what;
  int rank, own;
};
std::vector<listed> in_order(schedule::program_view v) {
  schedule::shares const shares(v);
  std::vector<listed> all;
  for (int r = 0; r < v.size.ranks; ++r)
    for (schedule::op const& o : v.rank(r)) all.push_back({o, r, shares.own(o)});
  std::stable_sort(all.begin(), all.end(), [](listed const& a, listed const& b) {
    return std::tuple(a.what.slot, a.rank, a.what.lane) < std::tuple(b.what.slot, b.rank, b.what.lane);
  });
  return all;
}

struct held {
  std::size_t block;
  long long own;
  std::size_t place;
};

/// Runs the program op by op with the slots of a pool, from the start of a run, and looks at every fill: the place is free,
/// and what has been there has been given back by what the conditions name.
void run_with(schedule::program_view v, std::vector<pool_block> const& blocks, executor::slot_pool const& pool,
              int periods) {
  schedule::shares const shares(v);
  std::vector<listed> const ops = in_order(v);
  std::vector<held> live, been;
  for (int period = 0; period < periods; ++period)
    for (listed const& e : ops)
      for (std::size_t b = 0; b < blocks.size(); ++b) {
        pool_block const& x = blocks[b];
        int const unit = unit_of(v.size, e.what.stage, e.what.replica);
        long long const own = e.own + static_cast<long long>(period) * shares.of(e.what.replica);
        if (own < 0) continue;
        std::vector<std::size_t> const& places = pool.of[b].place;
        if (unit == x.filler && e.what.kind == x.fill) {
          std::size_t const i = static_cast<std::size_t>(own) % places.size(), place = places[i];
          auto const meets = [&](held const& h) {
            return h.place < place + x.bytes && place < h.place + blocks[h.block].bytes;
          };
          REQUIRE(place + x.bytes <= pool.bytes);
          REQUIRE(std::none_of(live.begin(), live.end(), meets));
          live.push_back({b, own, place});
          auto const waits = [&](held const& h) {
            auto const cycle = own / static_cast<long long>(places.size());
            return std::any_of(pool.of[b].before[i].begin(), pool.of[b].before[i].end(), [&](auto const& c) {
              return static_cast<std::size_t>(c.block) == h.block && c.first + cycle * c.step > h.own;
            });
          };
          if (!x.elsewhere) continue;
          for (held const& h : been)
            if (meets(h)) REQUIRE(waits(h));
        }
        if (unit == x.unit && schedule::adds_weight_gradient(e.what.kind)) {
          auto const at =
              std::find_if(live.begin(), live.end(), [&](held const& h) { return h.block == b && h.own == own; });
          REQUIRE(at != live.end());
          been.push_back(*at);
          live.erase(at);
        }
      }
}

}  // namespace

TEST_CASE("Of every schedule units of a rank share as many slots as it holds at once", "[slot_pool]") {
  for (schedules::entry const& e : schedules::catalogue())
    for (int const ranks : {2, 4, 8}) {
      if (ranks > foal_test::repeats(8, 4)) continue;
      schedule::program p = e.build({.ranks = ranks, .microbatches = 2 * ranks});
      schedule::program_view const v = p.view();
      if (v.size.segments > 1) continue;
      for (int r = 0; r < v.size.ranks; ++r)
        for (bool const wires : {false, true}) {
          INFO(e.name << " on " << ranks << " ranks, rank " << r << (wires ? ", wires" : ""));
          std::vector<pool_block> const blocks = blocks_of(v, r, wires, [](int) { return one; });
          std::size_t const most = most_at_once(v, blocks, wires);
          CHECK_FALSE(share_slots(v, blocks, wires, most));
          auto const pool = share_slots(v, blocks, wires, most + 1);
          if (!pool) {  // what takes longer to repeat than is waited for stays in rings
            CHECK(v.asynchronous);
            continue;
          }
          CHECK(pool->bytes == most);
          run_with(v, blocks, *pool, 6);
        }
    }
}

TEST_CASE("Slots of different sizes lie apart, too", "[slot_pool]") {
  for (schedules::entry const& e : schedules::catalogue()) {
    schedule::program p = e.build({.ranks = 4, .microbatches = 8});
    schedule::program_view const v = p.view();
    if (v.size.segments > 1) continue;
    for (int r = 0; r < v.size.ranks; ++r)
      for (bool const wires : {false, true}) {
        INFO(e.name << ", rank " << r);
        std::vector<pool_block> const blocks =
            blocks_of(v, r, wires, [](int u) { return one * static_cast<std::size_t>(1 + u % 3); });
        auto const pool = share_slots(v, blocks, wires, 100000 * one);
        if (pool) run_with(v, blocks, *pool, 6);
      }
  }
}

TEST_CASE("A microbatch that comes from elsewhere has its slot before its sender needs it", "[slot_pool]") {
  schedule::program p = schedule::generate(schedule::one_f_one_b{}, {4, 4, 8});
  std::vector<pool_block> blocks{{1, one, op_kind::F, 0, until::W, false}};
  CHECK(most_at_once(p.view(), blocks, true) == 4 * one);  // from F of the stage before: one more than it saves
  blocks[0].elsewhere = true;
  CHECK(most_at_once(p.view(), blocks, true) == 5 * one);
  auto const pool = share_slots(p.view(), blocks, true, 6 * one);
  REQUIRE(pool);
  run_with(p.view(), blocks, *pool, 5);
}
