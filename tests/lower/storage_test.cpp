// Stages that store or send activations in smaller types: the same computation, with a conversion wherever one is needed.
#include <foal/lower/storage.hpp>

#include <foal/device/host.hpp>
#include <foal/lower/codec.hpp>
#include <foal/policy/codec/bfloat16.hpp>
#include <foal/policy/codec/int8.hpp>

#include <catch2/catch.hpp>

#include <map>
#include <tuple>

#include <foal/layer/batch_norm.hpp>
#include <foal/layer/conv.hpp>
#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/lower/stage.hpp>
#include <foal/model/stages.hpp>
#include <foal/zoo/transformer.hpp>

namespace {

using namespace foal;
using table::place;
using table::stage_table;
using table::step;
using kind = table::step::kind;

template <class Net>
table::run_tables tables(bool split) {
  auto const& d = Net::description;
  std::vector<table::layer_functions> const functions(static_cast<std::size_t>(d.size));
  foal::detail::input_list inputs;
  inputs.count = d.inputs;
  for (int e = 0; e < d.inputs; ++e) inputs.sample[e] = d.input_entry[e];
  table::run_tables t;
  t.stages = lower::lower_stages(d.row, d.size, d.stages, inputs, split, functions.data());
  static codec::bfloat16 const half;
  static codec::int8 const bytes;
  t.codecs = {lower::codec_of<device::host, float>(half), lower::codec_of<device::host, float>(bytes)};
  return t;
}

struct tag {};
struct chain : stages<input<5>, linear<7>, foal::tanh, linear<6>, relu, linear<3>> {};
struct spanning : stages<input<4>, linear<8>, save<tag>, linear<6>, linear<5>, linear<8>, add<tag>, linear<2>> {};
struct grouped : stages<input<4>, linear<8>, stage<foal::tanh, residual<linear<8>, foal::tanh>, linear<3>>> {};
struct images
    : stages<input<2, 6, 6>, conv<3, 3>, batch_norm, relu, residual<conv<3, 3>, batch_norm, relu>, flatten, linear<2>> {};
struct texts : zoo::transformer<zoo::transformer_size{.encoder_layers = 1,
                                                      .decoder_layers = 2,
                                                      .width = 16,
                                                      .heads = 2,
                                                      .hidden = 24,
                                                      .source_vocabulary = 300,
                                                      .target_vocabulary = 300,
                                                      .longest = 6}> {};

/// What a tensor holds, as a number: equal numbers, equal content.
class symbols {
 public:
  explicit symbols(stage_table const& t) {
    for (std::size_t i = 0; i < t.tensors.size(); ++i)
      if (t.tensors[i].where != place::temporary) content_[static_cast<int>(i)] = number({-1, static_cast<int>(i)});
  }
  int of(int id) const {
    if (id < 0) return -1;
    auto const found = content_.find(id);
    return found == content_.end() ? -2 : found->second;
  }
  void set(int id, int content) { content_[id] = content; }
  int number(std::vector<int> const& from) {
    static std::map<std::vector<int>, int> all;
    return all.emplace(from, static_cast<int>(all.size())).first->second;
  }

 private:
  std::map<int, int> content_;
};

constexpr int half = 0, int8 = 1;  // numbers of the codecs

enum class op { F, B, W };

/// Runs steps on symbols; gives what every layer saw. Conversions and copies carry content.
std::vector<std::vector<int>> run(stage_table const& t, std::vector<step> const& steps, op now, bool split, symbols& s) {
  std::vector<std::vector<int>> seen;
  for (step const& p : steps) {
    if (p.what == kind::copy || p.what == kind::decode || p.what == kind::encode) {
      s.set(p.y, s.of(p.x));
    } else if (p.what == kind::zero) {
      s.set(p.y, s.number({-3}));
    } else if (p.what == kind::add) {
      s.set(p.y, s.number({-4, s.of(p.x), s.of(p.other)}));
    } else {
      std::vector<int> in{p.layer, static_cast<int>(now)};
      if (now == op::F)
        for (int id : {p.x, p.read[0], p.read[1]}) in.push_back(s.of(id));
      if (now != op::F)
        for (int id : {p.y, p.read_gradient[0], p.read_gradient[1]}) in.push_back(s.of(id));
      if (now == op::B)
        for (int id : {p.kept.x, p.kept.y, p.kept.read[0], p.kept.read[1]}) in.push_back(s.of(id));
      if (now == op::W)  // what W may use: the row says where it is stored, and until when
        for (auto [id, row] : {std::pair{p.kept.x, t.layers[static_cast<std::size_t>(p.layer)].x},
                               std::pair{p.kept.y, t.layers[static_cast<std::size_t>(p.layer)].y}})
          in.push_back(row >= 0 && t.tensors[static_cast<std::size_t>(row)].last == until::W ? s.of(id) : -5);
      for (std::size_t i = 0; i < 4; ++i) {
        int const row = t.layers[static_cast<std::size_t>(p.layer)].entry[i];
        bool const lasts = row >= 0 && t.tensors[static_cast<std::size_t>(row)].last == until::W;
        if (now == op::B || (now == op::W && lasts)) in.push_back(s.of(p.kept.entry[i]));
      }
      for (int content : in) REQUIRE(content != -2);  // nothing is read before it is written
      seen.push_back(in);
      auto const write = [&](int id, int which) {
        if (id < 0) return;
        auto from = in;
        from.push_back(which);
        s.set(id, s.number(from));
      };
      if (now == op::F) write(p.y, 0);
      if (now == op::B) write(p.x, 0), write(p.read_gradient[0], 1), write(p.read_gradient[1], 2);
      for (int i = 0; i < 4; ++i) {
        int const row = t.layers[static_cast<std::size_t>(p.layer)].entry[i];
        if (row < 0) continue;
        bool const lasts = t.tensors[static_cast<std::size_t>(row)].last == until::W;
        if (now == op::F || (now == op::B && split && lasts)) write(p.kept.entry[i], 3 + i);
      }
    }
  }
  return seen;
}

void check(table::run_tables const& exact, bool split, lower::codings what) {
  table::run_tables coded = exact;
  lower::encode_activations(coded, what);
  std::vector<stage_table> const &plain = exact.stages, &stored = coded.stages;
  CAPTURE(what.storage, what.wire);
  for (std::size_t s = 0; s < plain.size(); ++s) {
    CAPTURE(s, split);
    stage_table const &a = plain[s], &b = stored[s];
    symbols before(a), after(b);
    for (auto [now, from, to] : {std::tuple{op::F, &a.forward, &b.forward}, std::tuple{op::B, &a.backward, &b.backward},
                                 std::tuple{op::W, &a.backward_weight, &b.backward_weight}}) {
      CAPTURE(static_cast<int>(now));
      REQUIRE(run(a, *from, now, split, before) == run(b, *to, now, split, after));
      // what another op or stage reads is there, except a gradient that was used up in place
      for (std::size_t i = 0; i < a.tensors.size(); ++i)
        if (a.tensors[i].where != place::temporary && b.tensors[i].last == a.tensors[i].last &&
            (a.tensors[i].where != place::gradient_in || a.tensors[i].last == until::W))
          REQUIRE(before.of(static_cast<int>(i)) == after.of(static_cast<int>(i)));
      // arithmetic touches nothing that is stored; a conversion is between two sizes of the same
      for (std::size_t i = 0; i < to->size(); ++i) {
        step const& p = (*to)[i];
        auto const code = [&](int id) { return b.tensors[static_cast<std::size_t>(id)].code; };
        auto const as = [&](int id) { return code(id).codec; };
        if (p.what == kind::layer || p.what == kind::add)
          lower::each_tensor(p, [&](int id) { REQUIRE((id < 0 || as(id) < 0)); });
        if (p.what == kind::copy) REQUIRE(code(p.x) == code(p.y));
        if (p.what == kind::decode) REQUIRE((as(p.x) >= 0 && as(p.y) < 0));
        if (p.what == kind::encode) {
          REQUIRE((as(p.x) < 0 && as(p.y) >= 0));
          table::place const to_place = b.tensors[static_cast<std::size_t>(p.y)].where;
          REQUIRE((as(p.y) != int8 || to_place == place::wire_out || to_place == place::gradient_out));  // messages alone
          // what is sent in the wires' code may have an error of the same size, of its own
          bool const fed = as(p.y) == int8 && (now == op::F ? what.feedback_forward : what.feedback_backward);
          REQUIRE(fed == (p.other >= 0));
          if (fed) {
            table::tensor const& e = b.tensors[static_cast<std::size_t>(p.other)];
            REQUIRE((e.where == place::error && e.type == element::float32 && !e.code.coded()));
            REQUIRE(e.elements.per_sample == b.tensors[static_cast<std::size_t>(p.y)].elements.per_sample);
            for (auto const* steps : {&b.forward, &b.backward, &b.backward_weight})
              for (step const& q : *steps) REQUIRE((&q == &p || q.other != p.other));
          }
        }
        lower::each_tensor(p, [&](int id) {
          if (id < 0 || b.tensors[static_cast<std::size_t>(id)].where != place::temporary) return;
          table::tensor const& x = b.tensors[static_cast<std::size_t>(id)];
          REQUIRE(x.backward == (now != op::F));
          REQUIRE(x.weight == (now == op::W));
          REQUIRE((x.first_step <= static_cast<int>(i) && static_cast<int>(i) <= x.last_step));
        });
      }
    }
    if (b.output_tensor >= 0) {
      symbols at_end(a), then(b);
      run(a, a.forward, op::F, split, at_end);
      run(b, b.forward, op::F, split, then);
      REQUIRE(!b.tensors[static_cast<std::size_t>(b.output_tensor)].code.coded());
      REQUIRE(at_end.of(a.output_tensor) == then.of(b.output_tensor));
      REQUIRE(!b.tensors[static_cast<std::size_t>(b.loss_gradient_tensor)].code.coded());
    }
    // both ends of a wire store alike
    for (table::tensor const& x : b.tensors) {
      auto const e = static_cast<std::size_t>(x.wire);
      auto const alike = [&x](table::wire_entry const& w) { return x.type == w.type && x.code == w.code; };
      if (x.where == place::wire_in || x.where == place::gradient_out) REQUIRE(alike(b.wire_in[e]));
      if (s + 1 < stored.size() && (x.where == place::wire_out || x.where == place::gradient_in))
        REQUIRE(alike(stored[s + 1].wire_in[e]));
    }
  }
}

template <class Net>
void check() {
  for (bool split : {false, true}) {
    check(tables<Net>(split), split, {.storage = half});
    check(tables<Net>(split), split, {.wire = int8, .feedback_backward = true});
    check(tables<Net>(split), split, {.storage = half, .wire = int8, .feedback_forward = true});
  }
}

}  // namespace

TEST_CASE("Conversions change nothing of what layers see and stages send", "[storage]") {
  check<chain>();
  check<spanning>();
  check<grouped>();
  check<images>();
  check<texts>();
}

TEST_CASE("Activations are stored in two bytes, statistics, masks, token numbers and lengths as they are", "[storage]") {
  auto t = tables<images>(false);
  lower::encode_activations(t, {.storage = half});
  int normal = 0, statistics = 0, masks = 0;
  for (auto const& stage : t.stages)
    for (auto const& l : stage.layers)
      for (int id : l.entry) {
        if (id < 0) continue;
        table::tensor const& x = stage.tensors[static_cast<std::size_t>(id)];
        normal += x.code.codec == half ? 1 : 0;
        statistics += !x.code.coded() && x.elements.fixed > 0 ? 1 : 0;
        masks += !x.code.coded() && x.type == element::uint8 ? 1 : 0;
      }
  CHECK(normal == 2);
  CHECK(statistics == 2);
  CHECK(masks == 2);
  CHECK(t.stages.front().wire_in[0].code.codec == half);
  CHECK(t.stages.front().wire_in[0].loaded >= 0);

  auto text = tables<texts>(false);
  lower::encode_activations(text, {.storage = half});
  int exact = 0, coded = 0;
  for (auto const& stage : text.stages)
    for (auto const& e : stage.wire_in) {
      bool const number = e.extent.channels() == 1;
      CHECK(e.code.codec == (number ? -1 : half));
      CHECK(e.loaded == -1);
      (number ? exact : coded) += 1;
    }
  CHECK(exact > 20);  // source and its lengths, target: through many stages
  CHECK(coded > 20);
}

TEST_CASE("What comes in and goes out unchanged is copied as it is stored", "[storage]") {
  auto t = tables<spanning>(false);
  lower::encode_activations(t, {.storage = half});
  int copies = 0;
  for (std::size_t s = 1; s + 2 < t.stages.size(); ++s)
    for (step const& p : t.stages[s].forward)
      if (p.what == kind::copy) {
        ++copies;
        CHECK(t.stages[s].tensors[static_cast<std::size_t>(p.x)].code.codec == half);
      }
  CHECK(copies == 2);
}
