// A run that is cut before any of its ops is the same after it has been through files, and goes on from them to the bits of
// the run that is not cut, for every schedule with every optimizer; weights alone begin a run; what lacks something is
// refused.
#include <foal/checkpoint/run_file.hpp>

#include <catch2/catch.hpp>
#include <iostream>
#include <map>
#include <string>

#include "tests/executor/pausing.hpp"
#include "tests/support/files.hpp"
#include "tests/support/sanitized.hpp"

namespace {

using namespace foal;
using Catch::Contains;
using checkpoint::named_array;
using checkpoint::safetensors_content;
using checkpoint::saved_run;
using test::choice;
using test::outcome;
using test::pausing;
using piece = test::piece<>;

constexpr int every_cut = foal_test::repeats(1, 37), every_file = foal_test::repeats(41, 211);

template <class Net>
checkpoint::layouts order_of() {
  return {Net::description.row, Net::description.size};
}

std::vector<named_array> names_of(piece& p, choice const& of) {
  checkpoint::layouts const order = of.net == 6   ? order_of<test::tied_net>()
                                    : of.net == 9 ? order_of<test::mixed>()
                                                  : order_of<test::mlp<4>>();
  return checkpoint::named_arrays(p.tables(), p.engine().memory(), &order);
}

/// As text, number by number, so that a difference is seen.
std::string text_of(executor::run_cut const& c) {
  std::string text = checkpoint::lines_of(c.of.items) + "update " + std::to_string(c.update) + "\n";
  auto const add = [&](std::string const& name, auto x) { text += name + " " + report::shortest(x) + "\n"; };
  executor::each_number_of_run(c.run, add);
  for (auto const& l : c.run.losses) {
    text += sentence("losses ", l.count, " ", l.complete, "\n");
    for (auto const& o : l.open)
      text +=
          sentence(report::shortest(o.sum.sum), " ", report::shortest(o.sum.weight), " ", o.sum.correct, " ", o.count, "\n");
  }
  for (auto const& u : c.units) executor::each_number_of_unit(u, [&](std::string const& name, auto x) { add(name, +x); });
  return text;
}

bool same_arrays(executor::run_cut const& a, executor::run_cut const& b) {
  if (a.arrays.size() != b.arrays.size()) return false;
  for (std::size_t i = 0; i < a.arrays.size(); ++i) {
    executor::saved_array const &x = a.arrays[i], &y = b.arrays[i];
    if (x.id != y.id || x.slots.size() != y.slots.size()) return false;
    for (std::size_t k = 0; k < x.slots.size(); ++k)
      if (x.slots[k].microbatch != y.slots[k].microbatch || x.slots[k].bytes != y.slots[k].bytes) return false;
  }
  return true;
}

struct both {
  safetensors_content weights, run;
};
both in_memory(saved_run const& from, std::vector<named_array> const& named) {
  checkpoint::run_parts parts;
  checkpoint::encode(parts, from, named, "net");
  return {parts.weights.whole(), parts.run.whole()};
}
saved_run through_memory(saved_run const& from, std::vector<named_array> const& named) {
  both const c = in_memory(from, named);
  return checkpoint::run_of("w", c.weights, "r", c.run, named);
}
saved_run through_files(std::string const& folder, saved_run const& from, std::vector<named_array> const& named) {
  checkpoint::run_parts parts;
  checkpoint::encode(parts, from, named, "net");
  std::string const w = folder + "/w", r = folder + "/r";
  parts.weights.write(w);
  parts.run.write(r);
  return checkpoint::run_of(w, checkpoint::read_safetensors_file(w), r, checkpoint::read_safetensors_file(r), named);
}

}  // namespace

TEST_CASE("every number of a unit's state has a name, and no two have the same") {
  executor::unit_state u;
  std::map<std::string, int> names;
  std::size_t bytes = 0;
  executor::each_number_of_unit(u, [&](std::string const& name, auto& x) {
    ++names[name];
    bytes += sizeof x;
  });
  for (auto const& [name, count] : names) CHECK(count == 1);
  auto const [wires, b, c, d, e, f, g, h, i] = u.messages;  // a new one needs a name
  std::size_t const behind = sizeof u.messages - 9 * sizeof wires;
  CHECK(bytes + 7 + behind == sizeof u);  // 7 are behind a bool: a new member needs a name
}

TEST_CASE("a cut before any op of a run is the same after it has been through the two parts of a checkpoint") {
  long long cuts = 0;
  std::size_t named_arrays = 0;
  for (pausing const& of : test::pausing_cases()) {
    INFO(of.what.text());
    outcome all;
    piece p(of, 1);
    std::vector<named_array> const named = names_of(p, of.what);
    named_arrays += named.size();
    bool resumes = false;
    int turn = 0;
    for (executor::run_place const& at : test::places_of(of)) {
      if (++turn % every_cut != 0) continue;
      REQUIRE(p.run(all, at, std::exchange(resumes, true)));
      saved_run const from{p.engine().cut(), {{"rate.best", "0.1"}, {"rate.patience", "3"}}, 7, {}};
      saved_run const to = through_memory(from, named);
      REQUIRE(text_of(to.run) == text_of(from.run));
      REQUIRE(same_arrays(to.run, from.run));
      REQUIRE(to.policies == from.policies);
      REQUIRE(to.epochs == 7);
      ++cuts;
    }
  }
  std::cout << cuts << " cuts of runs with " << named_arrays << " named arrays\n";
}

TEST_CASE("a run goes on from files, on another number of workers, to the bits of the run that is not cut") {
  foal_test::temporary_directory const folder;
  long long cuts = 0;
  int turn = 0;
  for (pausing const& of : test::pausing_cases()) {
    outcome const reference = test::in_one_piece(of);
    int const ranks = of.what.ranks > 0 ? of.what.ranks : of.what.net;
    for (executor::run_place const& at : test::places_of(of)) {
      if (++turn % every_file != 0) continue;
      INFO(of.what.text() << "  phase " << at.phase << " key " << at.key);
      outcome all;
      piece first(of, 1 + turn % ranks), second(of, 1 + turn / 2 % ranks);
      REQUIRE(first.run(all, at));
      std::vector<named_array> const named = names_of(second, of.what);
      saved_run const read = through_files(folder.path(), {first.engine().cut(), {}, 0, {}}, named);
      second.scribble();
      second.engine().restore(read.run);
      REQUIRE_FALSE(second.run(all, {}, true));
      REQUIRE(all == reference);
      ++cuts;
    }
  }
  std::cout << cuts << " cuts that went on from files\n";
}

TEST_CASE("a run goes on from its files at every update, for every schedule with every optimizer") {
  foal_test::temporary_directory const folder;
  foal_test::turns turns(3);
  for (int schedule = 0; schedule <= 4; ++schedule)
    for (int optimizer = 0; optimizer <= 4; ++optimizer) {
      pausing const of{{4, schedule, false, schedule >= 3 ? 1 : 0, optimizer, 2}, {}, 6};
      outcome const reference = test::in_one_piece(of);
      table::run_tables const tables = test::tables_of(of.what, of.own);
      schedule::program program = tables.phases.back().program;
      executor::op_order const order(program.view());
      for (long long period = 1; period < of.minibatches; ++period) {
        if (!turns.take()) continue;
        INFO(of.what.text() << "  period " << period);
        outcome all;
        piece first(of, 1), second(of, 1);
        REQUIRE(first.run(all, executor::run_place{0, period * order.keys_of_period()}));
        saved_run const read = through_files(folder.path(), {first.engine().cut(), {}, 0, {}}, names_of(second, of.what));
        if (schedule < 3) CHECK(read.run.update == period);
        second.engine().restore(read.run);
        REQUIRE_FALSE(second.run(all, {}, true));
        REQUIRE(all == reference);
      }
    }
}

TEST_CASE("between two runs a cut has weights, states and counts, and the next run goes on to the same bits") {
  for (pausing const& of : test::pausing_cases()) {
    if (of.evaluate_every > 0) continue;
    INFO(of.what.text());
    outcome once, again, all;
    piece reference(of, 1), first(of, 1), second(of, 1);
    REQUIRE_FALSE(reference.run(once, {}));
    REQUIRE_FALSE(reference.run(once, {}));
    REQUIRE_FALSE(first.run(all, {}));
    saved_run from;
    first.engine().cut_between(from.run, {});
    CHECK(from.run.update == of.minibatches);
    second.scribble();
    second.engine().restore(through_memory(from, names_of(second, of.what)).run);
    CHECK_FALSE(second.engine().paused());
    CHECK(second.engine().updates() == of.minibatches);
    REQUIRE_FALSE(second.run(all, {}));
    CHECK(all == once);
  }
}

TEST_CASE("weights alone begin a run of another schedule, to the bits of it where no pipeline was cut through") {
  choice const gpipe{9, 1, false, 0, 3, 2, 3};
  choice one_f_one_b = gpipe;
  one_f_one_b.schedule = 2;
  one_f_one_b.ranks = 9;
  pausing const from{gpipe, {}, 3}, to{one_f_one_b, {}, 3};
  outcome all, reference;
  piece first(from, 2), second(to, 3), whole(to, 1);
  REQUIRE_FALSE(first.run(all, {}));
  saved_run saved;
  first.engine().cut_between(saved.run, {});
  auto const named = names_of(second, to.what);
  auto const weights = checkpoint::weights_of("w", in_memory(saved, named).weights, named);
  CHECK(weights.update == 3);
  CHECK(weights.missing == 0);
  CHECK(weights.unknown == 0);
  second.engine().begin_at(weights.update, 0, weights.arrays);
  CHECK(second.engine().updates() == 3);
  all = {};
  REQUIRE_FALSE(second.run(all, {}));
  REQUIRE_FALSE(whole.run(reference, {}));
  reference = {};
  REQUIRE_FALSE(whole.run(reference, {}));
  CHECK(all == reference);
  CHECK_THROWS_WITH(second.engine().begin_at(3, 0, weights.arrays), Contains("cannot begin after 3 updates, because"));
}

TEST_CASE("parts that lack something are refused by its name, and states may be missing") {
  pausing const of{{4, 4, false, 1, 3, 2}};
  outcome all;
  piece p(of, 1);
  REQUIRE(p.run(all, executor::run_place{0, 40}));
  auto const named = names_of(p, of.what);
  both const whole = in_memory({p.engine().cut(), {{"a", "1"}}, 2, {}}, named);
  auto const without = [](safetensors_content c, std::string const& name) {
    std::erase_if(c.tensors, [&](auto const& t) { return t.name == name; });
    return c;
  };
  auto const refuses = [&](both const& c, std::string const& why) {
    std::string const said = foal_test::complaint([&] { checkpoint::run_of("the/w", c.weights, "the/r", c.run, named); });
    CHECK_THAT(said, Contains(why));
  };
  refuses({without(whole.weights, "0.linear.weight"), whole.run}, "the/w, because it has no 0.linear.weight");
  refuses({without(whole.weights, "optimizer.1.0.linear.bias"), whole.run}, "the/r, because the weights beside it lack 1");
  refuses({whole.weights, without(whole.run, "unit.version")}, "the/r, because it has no tensor 'unit.version'");
  refuses({whole.run, whole.run}, "the/w, because it is the part 'run' of one");
  both other = whole;
  other.weights.tensors.front().shape = {20};
  refuses(other, "has the shape [20] where");
  other = whole;
  other.run.about["run.key"] = "4x";
  refuses(other, "its 'run.key' is '4x', which is no number");
  other = whole;
  other.run.about["foal.arrays"] = "0.nothing.0=0\n";
  refuses(other, "'0.nothing.0' is no name of an array");
  other = whole;
  other.weights.tensors.push_back({"9.linear.weight", "F32", {}, 0, 4});
  refuses(other, "it has 9.linear.weight, which the model has not");

  auto const less = checkpoint::weights_of("w", without(whole.weights, "optimizer.1.0.linear.bias"), named);
  CHECK(less.missing == 1);
  CHECK(less.epochs == 2);
  CHECK(less.policies == policy_state{{"a", "1"}});
  pausing const plain{{4, 1, false, 0, 3, 2}};
  piece q(plain, 1);
  auto const more = checkpoint::weights_of("w", whole.weights, names_of(q, plain.what));
  CHECK(more.missing == 0);
  CHECK(more.unknown > 0);  // T2's delta
}
