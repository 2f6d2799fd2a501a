// What a run never changes of a layer's call is there before the first op, and after the last.
#include <foal/executor/calls.hpp>
#include <foal/layer/batch_norm.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/accumulate.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/trainer.hpp>

#include <catch2/catch.hpp>

#include "tests/support/nets.hpp"

namespace {

using namespace foal;

struct net : stages<input<5>, linear<16>, batch_norm, foal::tanh, linear<16>, linear<3>> {};

void check_calls(std::vector<executor::bound_stage> const& stages) {
  for (executor::bound_stage const& b : stages) {
    REQUIRE(b.calls.size() == b.table->layers.size());
    for (std::size_t i = 0; i < b.calls.size(); ++i) {
      table::layer_row const& l = b.table->layers[i];
      table::layer_call const& c = b.calls[i];
      CHECK(c.device == b.device);
      CHECK(c.in == l.in);
      CHECK(c.out == l.out);
      CHECK(c.samples == 4);
      CHECK(c.microbatches == 2);
      CHECK(c.random.layer == static_cast<std::uint32_t>(l.number));
      for (int k = 0; k < table::most; ++k) {
        auto const place = [k](std::byte const* base, std::vector<table::parameter_row> const& rows, int first, int count) {
          float const* const begin = reinterpret_cast<float const*>(base);
          return k < count ? begin + rows[static_cast<std::size_t>(first + k)].offset : nullptr;
        };
        CHECK(c.dw[k] == place(b.g, b.table->parameters, l.first_parameter, l.parameters));
        CHECK(c.buffers[k] == place(b.buffers, b.table->buffers, l.first_buffer, l.buffers));
      }
    }
  }
}

}  // namespace

TEST_CASE("Calls are prepared, and training leaves what was prepared", "[calls]") {
  trainer<net, loss::cross_entropy, schedule::gpipe, optim::momentum, accumulate::thick> t(
      {.microbatch_size = 4, .microbatches = 2, .lr = {.rate = 0.05F}});
  check_calls(t.engine().stages());
  t.run(test::stream{.features = 5, .samples = 4}, {.minibatches = 3});
  check_calls(t.engine().stages());
}

TEST_CASE("A ragged microbatch gives its call one long sample and the bounds of those in it", "[calls]") {
  table::source_functions source;
  source.sample_lengths = [](void const*, long long, int, int* n) {
    n[0] = 3;
    n[1] = 2;
  };
  executor::bound_stage b;
  std::vector<int> numbers(2 * executor::microbatch_lengths::size(2), 0);
  b.lengths = {numbers.data(), 2, 2};
  b.lengths.at(1).load(source, 1, lengths_of_axes{{8, 0}});
  table::layer_row l;
  l.in = sequence(4, 8, 1);
  l.out = sequence(6, 8, 1);
  table::layer_call c;
  executor::give_lengths(c, b, l, 3, 2);  // microbatch 3 has slot 1
  CHECK(c.in == sequence(4, 5, 1));
  CHECK(c.out == sequence(6, 5, 1));
  CHECK(c.samples == 1);
  REQUIRE(c.bounds.samples == 2);
  CHECK(c.bounds.begin[1] == 3);
  CHECK(c.bounds.begin[2] == 5);
  executor::give_lengths(c, b, l, 2, 2);  // nothing was loaded there: padded, all positions
  CHECK(c.in == l.in);
  CHECK(c.samples == 2);
  CHECK(c.bounds.begin == nullptr);
}
