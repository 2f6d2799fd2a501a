// A trained net's weights and statistics, array by array.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include <foal/trainer/engine.hpp>
#include <foal/trainer/take.hpp>

namespace foal::detail {

/// Number of the state that is an average of the weights; -1: the optimizer keeps none.
template <class Optimizer>
constexpr int average_of() {
  if constexpr (requires { Optimizer::average; })
    return Optimizer::average;
  else
    return -1;
}

/// Base class of a trainer: reads and writes its engine's weights. Types: its trainer_types.
template <class Trainer, class Types>
class net_weights {
  using S = typename Types::scalar_type;
  using delay_policy = typename Types::template policy<role::delay>;
  static constexpr int average_state = average_of<typename Types::template policy<role::optimizer>>();

 public:
  /// A parameter's values, in its canonical layout; a tied one's are its home's. A callback of an evaluation reads what was
  /// evaluated; while a fit is at work all other reads are refused. `which`: number among the stage's parameters. Throws
  /// foal::error where there is none of that number, as all the functions below.
  std::vector<S> weights(int stage, std::size_t which) const {
    auto const& p = self().engine_.row(stage, which);
    std::vector<S> v(static_cast<std::size_t>(p.size));
    self().engine_.read(stage, p, v.data());
    return v;
  }
  /// Its average (optim::averaged) since the first update; where it is frozen, its values.
  std::vector<S> average(int stage, std::size_t which) const
    requires(average_state >= 0)
  {
    auto const& p = self().engine_.row(stage, which);
    if (p.kind == table::ownership::frozen) return weights(stage, which);
    std::vector<S> v(static_cast<std::size_t>(p.size));
    self().engine_.read_average(stage, p, average_state, v.data());
    return v;
  }
  /// What the delay policy has evaluations read in place of a parameter's values (delay::live_look_ahead: the sum of the
  /// steps; delay::averaged_correction: the average); where it does not act, its values. Not while a fit is at work.
  std::vector<S> read_out(int stage, std::size_t which) const
    requires delay::reads_out<delay_policy, S>
  {
    constexpr auto states = static_cast<std::size_t>(delay_policy::states);
    auto const& p = self().engine_.row(stage, which);
    std::vector<S> v = weights(stage, which), all(v.size() * states);
    delay::moment now;
    if (self().engine_.read_delay_states(stage, p, reinterpret_cast<std::byte*>(all.data()), now)) {
      auto const f = static_cast<delay_policy const*>(self().tables_.delay_value)->template read_out<S>(now);
      apply(f, v, all.data(), std::make_index_sequence<states>{});
    }
    return v;
  }
  /// A statistic that no gradient moves (the running mean of a batch norm), as weights() and set_weights() do.
  std::vector<S> statistics(int stage, std::size_t which) const {
    auto const& p = self().engine_.row(stage, which, true);
    std::vector<S> v(static_cast<std::size_t>(p.size));
    self().engine_.read(stage, p, v.data(), true);
    return v;
  }
  void set_statistics(int stage, std::size_t which, std::vector<S> const& v) { set(stage, which, v, true); }
  void set_weights(int stage, std::size_t which, std::vector<S> const& v) { set(stage, which, v, false); }
  /// Copies all weights and statistics of another trainer, a predictor or an evaluation of the same net, whose frozen layers
  /// and scalar type may be others. Optimizer state and counts stay. Throws foal::error, and changes nothing, where the nets
  /// differ. Not while a fit is at work.
  template <has_weights From>
  void take(From const& from) {
    take_weights(self(), from);
  }
  /// The same with the averages that it keeps (optim::averaged) in place of its weights; needs an update.
  template <has_weights From>
  void take_average(From const& from) {
    detail::take_average(self(), from);
  }
  /// The same with what its delay policy reads out.
  template <has_read_out From>
  void take_read_out(From const& from) {
    take(from);
    for (std::size_t s = 0; s < self().tables_.stages.size(); ++s)
      for (std::size_t i = 0; i < self().tables_.stages[s].parameters.size(); ++i)
        if (self().tables_.stages[s].parameters[i].home_stage < 0)
          set_weights(static_cast<int>(s), i, from.read_out(static_cast<int>(s), i));
  }
  /// All parameters of all stages, one after the other.
  std::vector<S> all_weights() const {
    std::vector<S> all;
    for (std::size_t s = 0; s < self().tables_.stages.size(); ++s) {
      auto const& parameters = self().tables_.stages[s].parameters;
      for (std::size_t i = 0; i < parameters.size(); ++i) {
        if (parameters[i].home_stage >= 0) continue;  // its home has it
        auto const v = weights(static_cast<int>(s), i);
        all.insert(all.end(), v.begin(), v.end());
      }
    }
    return all;
  }

 private:
  template <class F, std::size_t... K>
  static void apply(F const& f, std::vector<S>& w, S const* states, std::index_sequence<K...>) {
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = f(w[i], states[K * w.size() + i]...);
  }
  void set(int stage, std::size_t which, std::vector<S> const& v, bool statistic) {
    auto const& p = self().engine_.row(stage, which, statistic);
    require(static_cast<long long>(v.size()) == p.size, "cannot set ", p.name, ", because it has ", p.size, " elements and ",
            v.size(), " were given; give as many");
    self().engine_.write(stage, p, v.data(), statistic);
  }
  Trainer const& self() const { return static_cast<Trainer const&>(*this); }
  Trainer& self() { return static_cast<Trainer&>(*this); }
};

}  // namespace foal::detail
