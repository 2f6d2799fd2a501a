// The hook after U: what a user's policy sees of a stage that has just been updated, and the call without its type.
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>

#include <foal/core/role.hpp>
#include <foal/table/hook.hpp>

namespace foal {

/// A stage just after one of its updates. Valid during the call; S is the trainer's scalar type.
template <class S>
class update_view {
 public:
  explicit update_view(table::hook_call const& call) : call_(call) {}

  int stage() const { return call_.stage; }
  std::string layers() const { return call_.table->layer_names(); }
  /// The stage's own count of updates, this one included.
  long long update() const { return call_.update; }
  /// The learning rate of this update.
  double rate() const { return call_.rate; }
  /// Mean delays of F and B in minibatches; their difference is T2's lag.
  double tau_fwd() const { return call_.tau_fwd; }
  double tau_bkwd() const { return call_.tau_bkwd; }

  /// Parameters in the order in which the layers declare them: names ("3.linear.weight"), extents, sizes.
  std::size_t parameters() const { return call_.table->parameters.size(); }
  table::parameter_row const& parameter(std::size_t i) const { return call_.table->parameters[i]; }

  /// Values after the update, in the parameter's canonical layout.
  std::span<S const> weights(std::size_t i) const { return part(call_.weights, i); }
  /// The minibatch's mean gradient that this update consumed: before clipping, weight decay and the delay policy. Empty
  /// where the parameter is frozen or lives at another stage.
  std::span<S const> gradient(std::size_t i) const {
    if (parameter(i).kind != table::ownership::trained) return {};
    return part(call_.gradient, i);
  }
  /// Array k of the delay policy; empty where the parameter has none. T2 has one: delta, after this update.
  std::span<S const> delay_state(std::size_t k, std::size_t i) const {
    void const* const from = k < table::most_states ? call_.delay_states[k] : nullptr;
    table::parameter_row const& p = parameter(i);
    long long const offset = call_.delay_packed ? p.backward_offset : p.offset;
    if (from == nullptr || offset < 0) return {};
    return {static_cast<S const*>(from) + offset, static_cast<std::size_t>(p.size)};
  }
  std::span<S const> delta(std::size_t i) const { return delay_state(0, i); }

 private:
  std::span<S const> part(void const* from, std::size_t i) const {
    table::parameter_row const& p = parameter(i);
    return {static_cast<S const*>(from) + p.offset, static_cast<std::size_t>(p.size)};
  }
  table::hook_call const& call_;
};

namespace lower {

/// A trainer's hook when it is given none: U does nothing more, and costs nothing more.
struct no_hook {
  using role = foal::role::hook;
};

template <class H, class S>
concept update_hook = requires(H& h, update_view<S> const& v) {
  { h.after_update(v) } -> std::same_as<void>;
};

/// The functions of a hook; none for no_hook, and for what the checks refuse.
template <class H, class S>
constexpr table::hook_functions hook_of() {
  if constexpr (update_hook<H, S>)
    return {[](void* hook, table::hook_call const& call) { static_cast<H*>(hook)->after_update(update_view<S>(call)); },
            [](std::size_t n, void const* sum, double divide, void* to) {
              for (std::size_t i = 0; i < n; ++i)
                static_cast<S*>(to)[i] = static_cast<S const*>(sum)[i] / static_cast<S>(divide);
            }};
  else
    return {};
}

}  // namespace lower

}  // namespace foal
