// What keeps a run from recording its periods, in a sentence, and how many recordings the others take.
#include <catch2/catch.hpp>

#include <foal/foal.hpp>

#include <string>

#include "tests/support/deferred.hpp"
#include "tests/support/nets.hpp"

namespace {

using namespace foal;
using Catch::Matchers::Contains;
using test::deferred;

template <class Net, class Schedule, class... Policies>
using recorded_on = trainer<Net, loss::cross_entropy, Schedule, executor::threads, Policies...>;

/// The facts' note on recording.
template <class Trainer>
std::string note_of(Trainer const& t) {
  for (std::string const& note : t.facts().notes)
    if (note.find("periods") == 0) return note;
  return {};
}

/// A trainer that asks for it where it is possible says why it is not; one that insists is refused with the same words.
template <class Trainer, class Set>
void not_recorded_because(std::string const& why, Set set) {
  typename Trainer::config c{.microbatch_size = 2, .microbatches = 2};
  set(c);
  CHECK(note_of(Trainer(c)).empty());
  c.record = recording::where_possible;
  Trainer t(c);
  CHECK_THAT(note_of(t), Contains("periods are called op by op, because") && Contains(why));
  c.record = recording::always;
  CHECK_THROWS_WITH(Trainer(c), Contains("cannot record the periods of this run, because") && Contains(why) &&
                                    Contains("give .record = foal::recording::where_possible"));
}
auto const as_it_is = [](auto&) {};

}  // namespace

TEST_CASE("what the host must know within a period keeps it from being recorded") {
  using foal::on;
  using mlp = test::mlp<3>;
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<device::host>>>("its device does not record", as_it_is);
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<deferred>>>("it has 2 workers", [](auto& c) { c.workers = 2; });
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<deferred>>>("it has replicas", [](auto& c) { c.replicas = 2; });
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<deferred>, clip::per_stage>>("clipped by a norm", as_it_is);
  not_recorded_because<recorded_on<mlp, schedule::offloaded<schedule::gpipe>, on<deferred>>>(
      "stages offload what they save", [](auto& c) { c.microbatches = 6; });
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<deferred>, optim::muon>>("takes parameters as a whole",
                                                                                     as_it_is);
  not_recorded_because<recorded_on<mlp, schedule::gpipe, on<deferred>, accumulate::thick>>("once a minibatch", as_it_is);
  not_recorded_because<recorded_on<mlp, schedule::pipemare, on<deferred>, delay::dc_asgd>>("gradient of each microbatch",
                                                                                           as_it_is);
}

TEST_CASE("a run that cannot record takes no slots for it") {
  auto const bytes_of = [](auto of, recording how, int workers) {
    using run = typename decltype(of)::type;
    typename run::config c{.microbatch_size = 2, .microbatches = 3, .workers = workers};
    c.record = how;
    return run(c).facts().bytes.total();
  };
  using one = recorded_on<test::mlp<4>, schedule::pipemare, on<deferred>>;
  std::type_identity<one> const of{};
  CHECK(bytes_of(of, recording::where_possible, 1) > bytes_of(of, recording::never, 1));
  CHECK(bytes_of(of, recording::where_possible, 2) == bytes_of(of, recording::never, 2));
}

TEST_CASE("what somebody asks of one run keeps it from being recorded") {
  using run = recorded_on<test::mlp<3>, schedule::gpipe, on<deferred>>;
  run::config c{.microbatch_size = 2, .microbatches = 2, .record = recording::where_possible};
  run t(c);
  CHECK_THAT(note_of(t), Contains("periods that repeat themselves are recorded, and done again by one launch each") &&
                             Contains(" bytes of the device, and as many of the host, beside what is planned"));
  report::trace trace(1, 100);
  auto const traced = t.run(test::stream{}, {.minibatches = 6, .traces = &trace});
  CHECK(traced.not_recorded == "it is traced op by op");
  CHECK(traced.periods.again == 0);
  executor::observer const watch{.after_update = [](void*, executor::bound_stage const&) {}};
  CHECK(t.run(test::stream{}, {.minibatches = 6, .watch = watch}).not_recorded == "somebody watches its ops");
  auto const free = t.run(test::stream{}, {.minibatches = 6});
  CHECK(free.not_recorded.empty());
  CHECK(free.periods.again > 0);
  c.record = recording::always;
  run insists(c);
  CHECK_THROWS_WITH(insists.run(test::stream{}, {.minibatches = 6, .traces = &trace}),
                    Contains("because it is traced op by op"));
}

TEST_CASE("recordings are as many as periods after which all rings have their slots again") {
  executor::bound_stage b;
  std::byte memory[8];
  auto const with = [&](std::vector<std::uint32_t> const& counts, int share) {
    b.tensors.clear();
    for (std::uint32_t const n : counts) b.tensors.push_back({memory, 1, n});
    b.facts.share = share;
    return executor::recordings_of({b});
  };
  CHECK(with({1, 2, 4}, 4) == 1);
  CHECK(with({8}, 4) == 2);
  CHECK(with({3, 5}, 4) == 15);
  CHECK(with({8, 6}, 4) == 6);
  b.history = {memory, 1, 5};
  CHECK(with({1}, 1) == 1);  // no U reads it
  b.versions.updates = 1;
  CHECK(with({2}, 1) == 10);
}
