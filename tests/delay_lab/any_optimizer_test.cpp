// The laboratory's optimizer by value does what the optimizers do that it can be.
#include "examples/delay_lab/any_optimizer.hpp"

#include "examples/delay_lab/any_optimizer.cpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <vector>

namespace {

using namespace foal;

struct state_arrays {
  std::vector<float> w, g, scratch;
  std::vector<float> states[4];
  float* places[4]{};

  template <class O>
  state_arrays(O const& o, shape extent) {
    auto const n = static_cast<std::size_t>(extent.size());
    for (std::size_t i = 0; i < n; ++i) w.push_back(0.1F * static_cast<float>(i % 7) - 0.2F);
    g.resize(n);
    for (int k = 0; k < O::states; ++k) {
      long long size = extent.size();
      if constexpr (requires { o.state_size(k, extent); }) size = o.state_size(k, extent);
      states[k].resize(static_cast<std::size_t>(size));
      places[k] = states[k].data();
    }
    if constexpr (requires { o.scratch_size(extent); }) scratch.resize(static_cast<std::size_t>(o.scratch_size(extent)));
  }
  void draw(int update) {
    for (std::size_t i = 0; i < g.size(); ++i)
      g[i] = 0.3F * static_cast<float>((3 * i + static_cast<std::size_t>(update)) % 5) - w[i];
  }
};

device::host& a_host() {
  alignas(64) static std::byte workspace[device::host::workspace_bytes];
  static device::host host(workspace);
  return host;
}

template <class O, std::size_t... I>
void step_itself(O const& o, shape extent, state_arrays& a, optim::moment m, std::index_sequence<I...>) {
  if constexpr (optim::takes_parameters<O>) {
    o.step(a_host(), extent, a.w.data(), a.g.data(), a.places, a.scratch.data(), m);
  } else {
    auto const f = optim::prepare_at<float>(o, m);
    for (std::size_t i = 0; i < a.w.size(); ++i) f(a.w[i], a.g[i], a.states[I][i]...);
  }
}

template <class O>
void check_same(O const& o) {
  shape const extent{2, {6, 8, 1, 1}};
  delay_lab::any_optimizer const any{o};
  any.check();
  state_arrays expected(o, extent), found(any, extent);
  for (int k = 0; k < 4; ++k) CHECK(expected.states[k].size() == static_cast<std::size_t>(any.state_size(k, extent)));
  for (int t = 1; t <= 12; ++t) {
    optim::moment const m{.rate = 0.01, .update = t, .tau_fwd = 15};
    expected.draw(t);
    found.draw(t);
    step_itself(o, extent, expected, m, std::make_index_sequence<static_cast<std::size_t>(O::states)>{});
    any.step(a_host(), extent, found.w.data(), found.g.data(), found.places, found.scratch.data(), m);
  }
  for (std::size_t i = 0; i < found.w.size(); ++i) CHECK(found.w[i] == Approx(expected.w[i]).epsilon(1e-5).margin(1e-6));
}

}  // namespace

TEST_CASE("an optimizer by value has the states and makes the steps of the one that it is", "[delay_lab]") {
  check_same(optim::momentum{});
  check_same(optim::adamw{});
  check_same(optim::adan{});
  check_same(optim::lamb{});
  check_same(optim::orthogonal_momentum{});
  check_same(optim::rotated_adam{});
  check_same(optim::delay_matched<optim::momentum>{});
  check_same(optim::delay_matched<optim::orthogonal_momentum>{});
  check_same(optim::slowed_by_delay<optim::adamw>{});
  check_same(optim::slowed_by_delay<optim::delay_matched<optim::orthogonal_momentum>>{.base = {.per_delay = 2}});
}

TEST_CASE("what an optimizer by value bounds is what its optimizer bounds, or nothing", "[delay_lab]") {
  shape const extent{2, {6, 8, 1, 1}};
  optim::moment const m{.rate = 0.01, .update = 3};
  optim::magnitudes expected{.w = 1, .g = 2, .state = {3}}, found = expected;
  optim::momentum const itself{};
  itself.bound<float>(m.rate, m.update, expected);
  delay_lab::any_optimizer{itself}.bound<float>(extent, m, found);
  CHECK(found.w == expected.w);
  CHECK(found.most == expected.most);
  optim::magnitudes unknown{.w = 1, .g = 2};
  delay_lab::any_optimizer{optim::ema_nesterov<optim::adamw>{}}.bound<float>(extent, m, unknown);
  CHECK(std::isinf(unknown.most));
}
