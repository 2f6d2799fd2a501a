// The optimizers that a value chooses among.
#include "any_optimizer.hpp"

#include <cstddef>
#include <limits>
#include <utility>

namespace delay_lab {

namespace {

namespace optim = foal::optim;

/// As foal's updates call it: w by reference, g by value, the states by reference.
template <class F>
struct one_element {
  F f;
  template <class... States>
  void operator()(float& w, float const& g, States&... states) const {
    f(w, g, states...);
  }
};

template <class F, std::size_t... I>
void map(foal::device::host& device, std::size_t n, F const& f, float* w, float const* g, float* const* states,
         std::index_sequence<I...>) {
  device.map(n, one_element<F>{f}, w, g, states[I]...);
}

}  // namespace

void any_optimizer::check() const {
  std::visit([](auto const& o) { o.check(); }, chosen);
}

long long any_optimizer::state_size(int state, foal::shape extent) const {
  return std::visit(
      [&](auto const& o) -> long long {
        using chosen_one = std::remove_cvref_t<decltype(o)>;
        if (state >= chosen_one::states) return 0;
        if constexpr (requires { o.state_size(state, extent); })
          if constexpr (optim::takes_parameters<chosen_one>) return o.state_size(state, extent);
        return extent.size();
      },
      chosen);
}

long long any_optimizer::scratch_size(foal::shape extent) const {
  return std::visit(
      [&](auto const& o) -> long long {
        if constexpr (requires { o.scratch_size(extent); })
          return o.scratch_size(extent);
        else
          return 0;
      },
      chosen);
}

void any_optimizer::step_on_host(foal::device::host& device, foal::shape extent, float* w, float* g, float* const* of_states,
                                 float* scratch, optim::moment m) const {
  std::visit(
      [&](auto const& o) {
        using chosen_one = std::remove_cvref_t<decltype(o)>;
        if constexpr (optim::elementwise<chosen_one>)
          map(device, static_cast<std::size_t>(extent.size()), optim::prepare_at<float>(o, m), w, g, of_states,
              std::make_index_sequence<static_cast<std::size_t>(chosen_one::states)>{});
        else
          o.step(device, extent, w, g, of_states, scratch, m);
      },
      chosen);
}

void any_optimizer::bound_of_float(foal::shape extent, optim::moment m, optim::magnitudes& of) const {
  std::visit(
      [&](auto const& o) {
        using chosen_one = std::remove_cvref_t<decltype(o)>;
        if constexpr (optim::bounds_itself<chosen_one, float>)
          o.template bound<float>(m.rate, m.update, of);
        else if constexpr (requires { o.template bound<float>(extent, m, of); })
          o.template bound<float>(extent, m, of);
        else
          of.most = std::numeric_limits<double>::infinity();  // nobody knows: the update is tried first
      },
      chosen);
}

}  // namespace delay_lab
