#include <foal/lower/stage.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

#include <foal/layer/conv.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/model/stages.hpp>

namespace {

using namespace foal;
using table::place;
using kind = table::step::kind;

template <class Net>
std::vector<table::stage_table> tables(bool split = false) {
  auto const& d = Net::description;
  std::vector<table::layer_functions> const functions(static_cast<std::size_t>(d.size));
  return lower::lower_stages(d.row, d.size, d.stages, {1, {d.input}, {}}, split, functions.data());
}

table::tensor const& tensor_of(table::stage_table const& t, int id) {
  REQUIRE(id >= 0);
  return t.tensors[static_cast<std::size_t>(id)];
}

/// The tensors of a place, by number.
std::vector<int> in(table::stage_table const& t, place where) {
  std::vector<int> all;
  for (std::size_t i = 0; i < t.tensors.size(); ++i)
    if (t.tensors[i].where == where) all.push_back(static_cast<int>(i));
  return all;
}

struct tag {};
struct chain : stages<input<5>, linear<7>, foal::tanh, linear<6>, relu, linear<3>> {};
struct spanning : stages<input<4>, linear<8>, save<tag>, linear<6>, linear<5>, linear<8>, add<tag>, linear<2>> {};
struct grouped : stages<input<4>, linear<8>, stage<foal::tanh, residual<linear<8>, foal::tanh>, linear<3>>> {};
struct image_net : stages<input<2, 6, 6>, conv<3, 3>, relu, flatten, dropout<50>, linear<2>> {};

/// Everything that holds for any stage of any model.
void check_sound(std::vector<table::stage_table> const& stages) {
  for (std::size_t s = 0; s < stages.size(); ++s) {
    table::stage_table const& t = stages[s];
    CAPTURE(s);
    bool const first = s == 0, last = s + 1 == stages.size();
    // what one stage sends is what the next one receives
    auto const out = in(t, place::wire_out);
    if (last) {
      REQUIRE(out.empty());
      REQUIRE(t.output_tensor >= 0);
    } else {
      REQUIRE(out.size() == stages[s + 1].wire_in.size());
      for (int id : out) {
        auto const& entry = stages[s + 1].wire_in[static_cast<std::size_t>(tensor_of(t, id).wire)];
        REQUIRE(tensor_of(t, id).elements.per_sample == entry.extent.size());
      }
      REQUIRE(in(t, place::gradient_in).size() == stages[s + 1].wire_in.size());
    }
    REQUIRE(in(t, place::gradient_out).size() == (first ? 0 : t.wire_in.size()));
    // every tensor is written before it is read, and each scratch tensor has a lifetime that covers its steps
    std::set<int> written;
    for (int id : in(t, place::wire_in)) written.insert(id);
    for (std::size_t i = 0; i < t.forward.size(); ++i) {
      table::step const& step = t.forward[i];
      REQUIRE(written.count(step.x) == 1);
      if (step.what == kind::add) REQUIRE(written.count(step.other) == 1);
      if (step.y != step.x) REQUIRE(tensor_of(t, step.y).where != place::wire_in);
      written.insert(step.y);
      for (int id : {step.x, step.y, step.other, step.scratch}) {
        if (id < 0 || tensor_of(t, id).where != place::temporary) continue;
        REQUIRE(tensor_of(t, id).first_step <= static_cast<int>(i));
        REQUIRE(tensor_of(t, id).last_step >= static_cast<int>(i));
      }
    }
    for (int id : out) REQUIRE(written.count(id) == 1);
    written.clear();
    for (int id : in(t, place::gradient_in)) written.insert(id);
    for (table::step const& step : t.backward) {  // layer: from y to x; the others: from x (and other) to y
      if (step.what == kind::layer) {
        REQUIRE(written.count(step.y) == 1);
        if (step.x >= 0) written.insert(step.x);
      } else {
        REQUIRE(written.count(step.x) == 1);
        if (step.what == kind::add) REQUIRE(written.count(step.other) == 1);
        written.insert(step.y);
      }
    }
    for (int id : in(t, place::gradient_out)) REQUIRE(written.count(id) == 1);
    // what a layer's backward reads as its output is not written again by a later step
    for (std::size_t i = 0; i < t.forward.size(); ++i) {
      if (t.forward[i].what != kind::layer) continue;
      int const kept = t.layers[static_cast<std::size_t>(t.forward[i].layer)].y;
      for (std::size_t j = i + 1; j < t.forward.size(); ++j) REQUIRE((kept < 0 || t.forward[j].y != kept));
    }
    for (auto const& p : t.parameters) REQUIRE(p.offset % 16 == 0);
  }
}

}  // namespace

TEST_CASE("Tables of every model agree with each other", "[lower]") {
  for (bool split : {false, true}) {
    check_sound(tables<chain>(split));
    check_sound(tables<spanning>(split));
    check_sound(tables<grouped>(split));
    check_sound(tables<image_net>(split));
  }
}

TEST_CASE("A stage keeps what its backward reads, in the place where it arrives", "[lower]") {
  auto const t = tables<chain>();
  REQUIRE(t.size() == 3);
  // Stage 0: linear keeps its input until W, and the input is the wire; tanh keeps its output, written over linear's.
  CHECK(t[0].layer_names() == "linear tanh");
  CHECK(t[0].wire_in[0].last == until::W);
  CHECK(t[0].forward[0].y == t[0].forward[1].x);
  CHECK(t[0].forward[1].y == t[0].forward[1].x);
  CHECK(t[0].layers[0].x == in(t[0], place::wire_in)[0]);
  CHECK(t[0].layers[0].y == -1);
  CHECK(t[0].layers[1].y == t[0].forward[1].y);
  // tanh's output is kept here and sent on: two tensors, a copy between them.
  CHECK(tensor_of(t[0], t[0].layers[1].y).where == place::kept);
  CHECK(tensor_of(t[0], t[0].layers[1].y).last == until::B);
  REQUIRE(t[0].forward.size() == 3);
  CHECK(t[0].forward[2].what == kind::copy);
  // Stage 1: relu keeps a byte per element and writes over linear's output, which is then the wire itself: no copy.
  CHECK(t[1].forward.size() == 2);
  CHECK(tensor_of(t[1], t[1].forward[1].y).where == place::wire_out);
  REQUIRE(t[1].layers[1].entry[0] >= 0);
  CHECK(tensor_of(t[1], t[1].layers[1].entry[0]).type == element::uint8);
  CHECK(tensor_of(t[1], t[1].layers[1].entry[0]).bytes(8) == 8 * 6);
  CHECK(in(t[1], place::kept) == std::vector<int>{t[1].layers[1].entry[0]});
  // Stage 2: the loss gets the last output and gives the first gradient.
  CHECK(t[2].output == features(3));
  CHECK(t[2].output_tensor == t[2].forward.back().y);
  CHECK(t[2].loss_gradient_tensor == t[2].backward[0].y);
}

TEST_CASE("No gradient is made below the first weights", "[lower]") {
  auto const t = tables<chain>();
  CHECK(!t[0].layers[0].input_gradient);
  CHECK(t[0].backward.back().x == -1);
  CHECK(t[1].layers[0].input_gradient);
  // so B of the first stage reads no weight, and has none to stash or extrapolate
  CHECK(t[0].backward_elements == 0);
  CHECK(t[0].parameters[0].backward_offset == -1);
  CHECK(t[1].parameters[0].backward_offset == 0);
  CHECK(t[1].parameters[1].backward_offset == -1);  // a bias
  CHECK(t[1].backward_elements == 48);              // 7 x 6, to the next 64 bytes

  struct blind : stages<input<1, 4, 4>, relu, flatten, linear<2>> {};
  CHECK(tables<blind>()[0].backward.size() == 1);  // nothing to do for relu and flatten
}

TEST_CASE("Parameters have names, numbers and aligned places", "[lower]") {
  auto const t = tables<chain>();
  auto const& p = t[1].parameters;
  REQUIRE(p.size() == 2);
  CHECK(p[0].name == "2.linear.weight");
  CHECK(p[1].name == "2.linear.bias");
  CHECK(p[0].number == 2);
  CHECK(p[0].size == 42);
  CHECK(p[0].offset == 0);
  CHECK(p[1].offset == 48);
  CHECK(t[1].weight_elements == 64);
}

TEST_CASE("A skip passes through the stages between its ends", "[lower]") {
  auto const t = tables<spanning>();
  REQUIRE(t.size() == 5);
  // The save goes to the stage that it precedes: one entry on the wire into it, not the same numbers twice.
  CHECK(t[1].wire_in.size() == 1);
  CHECK(t[2].wire_in.size() == 2);
  CHECK(t[3].wire_in.size() == 2);
  CHECK(t[4].wire_in.size() == 1);
  CHECK(t[2].wire_in[0].extent == features(6));
  CHECK(t[2].wire_in[1].extent == features(8));
  CHECK(t[2].wire_in[1].entry == 1);
  // The stage between copies the skip from wire to wire, forward and backward, and keeps nothing of it.
  auto const count = [](std::vector<table::step> const& steps, kind what) {
    return std::count_if(steps.begin(), steps.end(), [what](table::step const& s) { return s.what == what; });
  };
  CHECK(count(t[2].forward, kind::copy) == 1);
  CHECK(count(t[2].backward, kind::copy) == 1);
  CHECK(t[2].wire_in[1].last == until::forward);
  CHECK(t[2].wire_in[0].last == until::W);
  CHECK(count(t[3].forward, kind::add) == 1);
  CHECK(count(t[3].forward, kind::copy) == 0);
  // Its gradient is the sum's, and is added to the other use's where the skip began.
  CHECK(count(t[3].backward, kind::copy) == 1);
  CHECK(count(t[1].backward, kind::add) == 1);
}

TEST_CASE("Where W is an op of its own, output gradients are kept for it", "[lower]") {
  auto const together = tables<chain>(false), apart = tables<chain>(true);
  for (std::size_t s = 0; s < apart.size(); ++s) {
    CAPTURE(s);
    CHECK(together[s].backward_weight.empty());
    REQUIRE(apart[s].backward_weight.size() == 1);
    table::step const& w = apart[s].backward_weight[0];
    CHECK(apart[s].layers[static_cast<std::size_t>(w.layer)].parameters == 2);
    CHECK(tensor_of(apart[s], w.y).last == until::W);
    CHECK((tensor_of(apart[s], w.y).where == place::kept || tensor_of(apart[s], w.y).where == place::gradient_in));
  }
  // Stage 1 has relu between the wire and the weights: the gradient that W reads is the one behind relu. It may not be made
  // in place of a tensor that is still needed, and the next stage is told how long its sender needs what it sends.
  CHECK(apart[2].wire_in[0].gradient_last ==
        apart[1].tensors[static_cast<std::size_t>(in(apart[1], place::gradient_in)[0])].last);
  CHECK(together[2].wire_in[0].gradient_last == until::B);
}

TEST_CASE("Scratch that lives at one time is apart, and the output outlives the steps", "[lower]") {
  auto const t = tables<chain>();
  CHECK(tensor_of(t[2], t[2].output_tensor).last_step == static_cast<int>(t[2].forward.size()));
  auto const i = tables<image_net>();
  // a convolution's scratch is asked for in both directions
  CHECK(i[0].forward[0].scratch >= 0);
  CHECK(tensor_of(i[0], i[0].forward[0].scratch).elements.fixed > 0);
  CHECK(!tensor_of(i[0], i[0].forward[0].scratch).backward);
  CHECK(i[0].backward.back().scratch >= 0);
  CHECK(tensor_of(i[0], i[0].backward.back().scratch).backward);
}

TEST_CASE("FLOPs of the stages are those of the model", "[lower]") {
  long long sum = 0;
  for (auto const& t : tables<spanning>()) sum += t.flops;
  CHECK(sum == forward_flops<spanning>());
}
