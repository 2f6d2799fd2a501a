// Wires of 8-bit integers in the tables: what is quantised, in which rows, what it takes, and where errors are kept.
#include <foal/lower/wire.hpp>

#include <catch2/catch.hpp>

#include <foal/device/host.hpp>

#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/lower/stage.hpp>
#include <foal/model/stages.hpp>
#include <foal/policy/codec/bfloat16.hpp>
#include <foal/policy/codec/int8.hpp>
#include <foal/zoo/transformer.hpp>

namespace {

using namespace foal;
using table::place;

constexpr int half = 0, int8 = 1;  // numbers of the codecs

template <class Net>
table::run_tables tables(lower::codings what) {
  auto const& d = Net::description;
  std::vector<table::layer_functions> const functions(static_cast<std::size_t>(d.size));
  foal::detail::input_list inputs;
  inputs.count = d.inputs;
  for (int e = 0; e < d.inputs; ++e) inputs.sample[e] = d.input_entry[e];
  table::run_tables t;
  t.stages = lower::lower_stages(d.row, d.size, d.stages, inputs, false, functions.data());
  static codec::bfloat16 const half;
  static codec::int8 const bytes;
  t.codecs = {lower::codec_of<device::host, float>(half), lower::codec_of<device::host, float>(bytes)};
  lower::encode_activations(t, what);
  return t;
}

struct images : stages<input<1, 6, 6>, conv<8, 3>, relu, conv<2, 3>, flatten, linear<3>, linear<5>> {};
struct tag {};
struct spanning : stages<input<4>, linear<8>, save<tag>, linear<6>, linear<5>, linear<8>, add<tag>, linear<2>> {};
struct texts : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                      .decoder_layers = 1,
                                                      .width = 16,
                                                      .heads = 2,
                                                      .hidden = 24,
                                                      .source_vocabulary = 300,
                                                      .target_vocabulary = 300,
                                                      .longest = 6}> {};

int errors(table::stage_table const& t, bool backward) {
  int n = 0;
  for (table::tensor const& x : t.tensors) n += x.where == place::error && x.backward == backward ? 1 : 0;
  return n;
}

}  // namespace

TEST_CASE("A row of a wire is a sample, the model's input and rows of less than four values stay exact", "[wire]") {
  auto const t = tables<images>({.wire = int8});
  CHECK(!t.stages[0].wire_in[0].code.coded());
  CHECK(t.stages[0].wire_in[0].loaded == -1);
  CHECK(t.stages[1].wire_in[0].code.row == 6 * 6 * 8);
  CHECK(t.stages[2].wire_in[0].code.row == 6 * 6 * 2);
  CHECK(!t.stages[3].wire_in[0].code.coded());  // of 3
  CHECK(t.stages[1].wire_in[0].bytes(7) == 7 * (288 + 4));
  CHECK(t.stages[3].wire_in[0].bytes(7) == 7 * 3 * 4);
  for (table::tensor const& x : t.stages[1].tensors)
    if (x.where == place::wire_in || x.where == place::gradient_out) CHECK(x.bytes(7) == 7 * (288 + 4));
  CHECK(lower::wire_bytes(t, 7, false, true) == 7 * (292 + 76 + 12));
  CHECK(lower::wire_bytes(t, 7, false, false) == 7 * 4 * (288 + 72 + 3));
  CHECK(lower::wire_bytes(t, 7, true, true) == 7 * (292 + 76 + 12));
  for (auto const& stage : t.stages) CHECK(errors(stage, false) + errors(stage, true) == 0);
}

TEST_CASE("A row of a sequence is a position, token numbers and lengths stay exact", "[wire]") {
  auto const t = tables<texts>({.wire = int8});
  int exact = 0, quantised = 0;
  for (std::size_t s = 1; s < t.stages.size(); ++s)
    for (auto const& e : t.stages[s].wire_in) {
      bool const number = e.extent.channels() == 1;
      CHECK(e.code.row == (number ? 1 : e.extent.channels()));
      CHECK(e.code.codec == (number ? -1 : int8));
      (number ? exact : quantised) += 1;
    }
  CHECK(exact > 10);
  CHECK(quantised > 10);
}

TEST_CASE("With bfloat16, wires are integers and what is kept is in two bytes", "[wire]") {
  auto const t = tables<images>({.storage = half, .wire = int8});
  CHECK(t.stages[0].wire_in[0].code.codec == half);
  CHECK(t.stages[0].wire_in[0].loaded >= 0);
  CHECK(t.stages[1].wire_in[0].code == table::encoding{int8, 288, 292});
  CHECK(t.stages[3].wire_in[0].code.codec == half);
}

TEST_CASE("The sender of a message keeps its error, what is passed on as it came has none", "[wire]") {
  auto t = tables<spanning>({.wire = int8, .feedback_forward = true, .feedback_backward = true});
  std::vector<int> forward, backward;
  for (auto const& stage : t.stages) {
    forward.push_back(errors(stage, false));
    backward.push_back(errors(stage, true));
  }
  // Stages 0 to 3 send activations; the skip is quantised once, where it sets out.
  CHECK(forward == std::vector<int>{1, 1, 1, 1, 0});
  CHECK(backward == std::vector<int>{0, 1, 1, 1, 1});
  auto const only = tables<spanning>({.wire = int8, .feedback_backward = true});
  for (auto const& stage : only.stages) CHECK(errors(stage, false) == 0);

  lower::drop_feedback(t);
  for (auto const& stage : t.stages) {
    for (auto const& x : stage.tensors)
      if (x.where == place::error) CHECK(x.bytes(8) == 0);
    for (auto const* steps : {&stage.forward, &stage.backward})
      for (auto const& s : *steps)
        if (s.what == table::step::kind::encode) CHECK(s.other == -1);
  }
}

TEST_CASE("Feedback of activations is refused where stages are recomputed", "[wire]") {
  table::run_tables t;
  t.phases.resize(2);
  t.phases[1].name = "some";
  t.phases[1].facts.stage.resize(3);
  CHECK_NOTHROW(lower::check_feedback(t, true));
  t.phases[1].facts.stage[1].head = 0;
  CHECK_NOTHROW(lower::check_feedback(t, false));
  CHECK_THROWS_WITH(lower::check_feedback(t, true),
                    Catch::Matchers::Contains("cannot feed back the errors of activations on the schedule some"));
}
