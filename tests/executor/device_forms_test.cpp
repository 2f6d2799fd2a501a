// A device that keeps forms of weights is told where they have room, when they are old, and of which weights there are none.
#include <catch2/catch.hpp>
#include <foal/foal.hpp>
#include <map>
#include <mutex>

#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;

/// Keeps a list of what it is told, by object. An element has a form of one byte.
struct told {
  int kept = 0, changed = 0;
  void const *weights = nullptr, *room = nullptr;
  std::size_t bytes = 0, room_bytes = 0;
};
struct forming : test::deferred {
  using deferred::deferred;
  static inline std::mutex lock;
  static inline std::map<void*, told> all;

  static constexpr element form_type = element::uint8;
  template <class S>
  static constexpr long long form_elements(shape parameter) {
    return parameter.rank < 2 ? 0 : parameter.size();
  }
  void keep_forms(void const* weights, std::size_t bytes, void* room, std::size_t room_bytes) {
    std::scoped_lock const held(lock);
    told& t = all[this];
    t = {t.kept + 1, t.changed, weights, room, bytes, room_bytes};
  }
  void weights_changed() {
    std::scoped_lock const held(lock);
    ++all[this].changed;
  }
};
static_assert(device::has_forms<forming> && !device::has_forms<test::deferred>);

struct mlp : stages<input<test::mlp_inputs>, linear<8>, foal::tanh, linear<test::mlp_classes>> {};

template <class Schedule, class... Policies>
using run_of = trainer<mlp, loss::cross_entropy, Schedule, on<forming>, executor::threads, Policies...>;

test::stream const stream{.features = test::mlp_inputs, .samples = 2};

}  // namespace

TEST_CASE("forms of weights are old after each U, and forgotten when a run begins", "[executor]") {
  forming::all.clear();
  using run = run_of<schedule::pipemare, optim::momentum>;
  typename run::config c{.microbatch_size = 2, .microbatches = 2, .workers = 2, .seed = 3};
  run t(c);
  for (int runs = 1; runs <= 2; ++runs) {
    REQUIRE_FALSE(t.run(stream, {.minibatches = 5}).diverged);
    int units = 0;
    for (auto const& [object, of] : forming::all) {
      if (of.kept == 0) continue;
      ++units;
      CHECK(of.kept == runs);
      CHECK(of.changed == 5 * runs);
      CHECK(reinterpret_cast<std::uintptr_t>(of.room) % alignment == 0);
      bool const first = of.room_bytes == 8 * test::mlp_inputs;
      CHECK((first || of.room_bytes == 8 * test::mlp_classes));
      CHECK(of.bytes >= sizeof(float) * (of.room_bytes + (first ? 8 : test::mlp_classes)));
    }
    CHECK(units == 2);
  }
}

TEST_CASE("weights that others than their own U write have no forms", "[executor]") {
  forming::all.clear();
  using run = run_of<schedule::gpipe, optim::momentum>;
  typename run::config c{.microbatch_size = 2, .microbatches = 2, .workers = 1, .seed = 3};
  c.replicas = 2;
  run t(c);
  REQUIRE_FALSE(t.run(stream, {.minibatches = 2}).diverged);
  for (auto const& [object, of] : forming::all) CHECK(of.kept == 0);
}
