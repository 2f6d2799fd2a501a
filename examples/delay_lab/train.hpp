// Trains one network once under delays that are injected; a network's translation unit instantiates make_network once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <tuple>
#include <utility>

#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/adaptive_braking.hpp>
#include <foal/policy/delay/averaged_correction.hpp>
#include <foal/policy/delay/chain.hpp>
#include <foal/policy/delay/dc_asgd.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/delay/gap_aware.hpp>
#include <foal/policy/delay/linear_prediction.hpp>
#include <foal/policy/delay/live_look_ahead.hpp>
#include <foal/policy/delay/pipe_optim.hpp>
#include <foal/policy/delay/scheduled_prediction.hpp>
#include <foal/policy/delay/spectrain.hpp>
#include <foal/policy/delay/spike_compensation.hpp>
#include <foal/policy/delay/staleness_aware.hpp>
#include <foal/policy/delay/xpipe.hpp>
#include <foal/schedule/rules/injected.hpp>
#include <foal/trainer.hpp>

#include "net.hpp"
#include "one_delta.hpp"
#include "policies.hpp"

namespace delay_lab {

/// The delay policies by the number of their answer.
using answers = std::tuple<
    foal::delay::none, foal::delay::discrepancy_correction, foal::delay::averaged_correction, foal::delay::live_look_ahead,
    foal::delay::chain<foal::delay::live_look_ahead, foal::delay::discrepancy_correction>, one_delta,
    foal::delay::velocity_prediction<>, foal::delay::difference_prediction, foal::delay::pipe_optim<>,
    foal::delay::spectrain, foal::delay::xpipe<>, foal::delay::scheduled_prediction, foal::delay::scheduled_adam_prediction,
    foal::delay::dc_asgd, foal::delay::adaptive_dc_asgd, foal::delay::gap_aware, foal::delay::spike_compensation,
    foal::delay::adaptive_braking, foal::delay::staleness_aware>;
static_assert(std::tuple_size_v<answers> == static_cast<std::size_t>(answer::staleness) + 1);

constexpr bool all_answers(answer) { return true; }
/// Those of nets that are long to compile: up to one_delta.
constexpr bool few_answers(answer a) { return a <= answer::one_delta; }

template <class Policy>
void give_numbers(Policy& p, setting const& s, double max_tau) {
  if constexpr (requires { p.first.numbers([](auto&&...) {}); }) {
    give_numbers(p.first, s, max_tau);
    give_numbers(p.second, s, max_tau);
  } else {
    if constexpr (requires { p.horizon; }) p.horizon = s.how->horizon;
    if constexpr (requires { p.gamma; }) p.gamma = s.how->short_mean || max_tau <= 0 ? 0 : std::exp(-2 / max_tau);
    if constexpr (requires { p.fade; }) p.fade = s.how->fade;
    if constexpr (requires { p.direction.beta2; }) p.direction.beta2 = 0.99;
    if constexpr (requires { p.beta2; }) p.beta2 = 0.99;
    if constexpr (std::is_same_v<Policy, foal::delay::gap_aware>) p.rate = s.rate;
  }
}

/// So many of a run's updates, at least one.
inline long long part_of(setting const& s, double share) { return std::max(1LL, static_cast<long long>(share * s.updates)); }

/// Numbers of a run: a rise over a part of it, half a cosine to a hundredth; T1 over the first half.
inline any_rate rate_of(setting const& s) {
  foal::lr::cosine const base{.rate = s.rate, .steps = s.updates, .least = 0.01 * s.rate, .warmup = part_of(s, s.how->rise)};
  if (s.how->by == rate_by::t1) return {foal::lr::reschedule<foal::lr::cosine>{.base = base, .steps = s.updates / 2}};
  if (s.how->by == rate_by::delay) return {foal::lr::staleness_aware<foal::lr::cosine>{.base = base}};
  return {base};
}

/// Weights, gradients, and what optimizer, delay policy and stash keep beside them, by the weights.
template <class Delay>
double copies_of(foal::table::run_tables const& t, setting const& s) {
  double weights = 0, all = 0;
  bool const keeps = s.how->stash || foal::delay::changes_microbatches<Delay, float>;
  for (std::size_t i = 0; i < t.stages.size(); ++i) {
    auto const& stage = t.stages[i];
    auto const own = static_cast<double>(stage.trained_elements), read = static_cast<double>(stage.backward_elements);
    double const tau = t.phases.back().facts.stage[i].tau_fwd;
    weights += own;
    all += 2 * own;
    for (int k = 0; k < t.policies.optimizer_states; ++k) all += static_cast<double>(stage.state_elements[k]);
    if (tau > 0) all += Delay::states * (foal::delay::states_of<Delay>() == foal::delay::scope::all ? own : read);
    if (keeps) all += std::ceil(tau) * read;
  }
  return all / weights;
}

/// Looks at every update: means of the weights that are read out, and losses of both.
template <class Trainer, class Task>
class judge {
 public:
  judge(typename Trainer::config values, Task const& task, Trainer const& trained, int every, double window)
      : task_(&task), trained_(&trained), every_(every), window_(window) {
    values.evaluation = true;
    second_ = std::make_unique<Trainer>(values);
    read_.resize(trained.tables().stages.size());
    mean_.resize(read_.size());
    tail_.resize(read_.size());
  }

  foal::executor::observer observer() {
    return {this, [](void* self, foal::executor::bound_stage const& b) { static_cast<judge*>(self)->see(b); }};
  }
  outcome take() { return std::move(out_); }

 private:
  using delay_policy = foal::policy_of<Trainer, foal::role::delay>;

  void see(foal::executor::bound_stage const& b) {
    auto const stage = static_cast<std::size_t>(b.number);
    auto const& parameters = b.table->parameters;
    read_[stage].resize(parameters.size());
    mean_[stage].resize(parameters.size());
    tail_[stage].resize(parameters.size());
    double const tenth = static_cast<double>(b.updates) / 10 + 1;
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (parameters[i].home_stage >= 0) continue;
      std::vector<float>& now = read_[stage][i];
      read(b, parameters[i], now);
      move(mean_[stage][i], now, std::min(100.0, tenth));
      move(tail_[stage][i], now, static_cast<double>(b.updates) * window_ + 1);
    }
    if (b.number != 0 || b.updates % every_ != 0) return;
    out_.loss.push_back(loss_of(read_));
    out_.average.push_back(loss_of(mean_));
    out_.tail.push_back(loss_of(tail_));
  }

  static void move(std::vector<float>& mean, std::vector<float> const& now, double updates) {
    if (mean.empty()) mean = now;
    auto const share = static_cast<float>(1 / updates);
    for (std::size_t k = 0; k < now.size(); ++k) mean[k] += share * (now[k] - mean[k]);
  }

  void read(foal::executor::bound_stage const& b, foal::table::parameter_row const& p, std::vector<float>& to) const {
    auto const n = static_cast<std::size_t>(p.size);
    auto const* const w = reinterpret_cast<float const*>(b.w) + p.offset;
    to.assign(w, w + n);
    if constexpr (foal::delay::reads_out<delay_policy, float>) {
      if (!b.compensates(delay_policy::states) || !b.delay_acts_on(p)) return;
      auto const f = trained_->values().delay.template read_out<float>(b.moment());
      apply(f, b, p, to, std::make_index_sequence<static_cast<std::size_t>(delay_policy::states)>{});
    }
  }
  template <class F, std::size_t... K>
  static void apply(F const& f, foal::executor::bound_stage const& b, foal::table::parameter_row const& p,
                    std::vector<float>& w, std::index_sequence<K...>) {
    float const* const states[] = {
        static_cast<float const*>(b.delay_state(static_cast<int>(K), p, foal::element::float32))...};
    for (std::size_t i = 0; i < w.size(); ++i) w[i] = f(w[i], states[K][i]...);
  }

  double loss_of(std::vector<std::vector<std::vector<float>>> const& weights) {
    for (std::size_t s = 0; s < weights.size(); ++s)
      for (std::size_t i = 0; i < weights[s].size(); ++i)
        if (!weights[s][i].empty()) second_->set_weights(static_cast<int>(s), i, weights[s][i]);
    return task_->judged(second_->evaluate(task_->test()).loss);
  }

  Task const* task_;
  Trainer const* trained_;
  int every_;
  double window_;
  std::unique_ptr<Trainer> second_;
  std::vector<std::vector<std::vector<float>>> read_, mean_, tail_;
  outcome out_;
};

template <class Task, class Delay>
outcome train_with(setting const& s) {
  using trainer =
      foal::trainer<typename Task::net, typename Task::loss, foal::schedule::injected, foal::executor::single_thread,
                    typename Task::initial, optimizers, any_rate, kept_or_live, Delay, foal::warmup::synchronous>;
  typename trainer::config c;
  c.microbatches = s.profile.microbatches;
  c.microbatch_size = std::max(1, Task::minibatch * s.enlarged / c.microbatches);
  c.seed = s.seed;
  c.evaluation = false;
  c.evaluation_samples = Task::evaluated;
  c.schedule = {.delays = delays_of(s.profile, trainer::stages), .whole_batches = true};
  c.optim = optimizers_of(*s.how);
  c.lr = rate_of(s);
  c.versions.stash = s.how->stash;
  if (s.profile.late() && s.how->synchronous > 0) c.warmup.minibatches = part_of(s, s.how->synchronous);
  if constexpr (requires { c.initial.gain; }) c.initial.gain = Task::gain;
  double const most = *std::max_element(c.schedule.delays.begin(), c.schedule.delays.end());
  give_numbers(c.delay, s, most / c.microbatches);
  Task const task(s.seed);
  trainer t(c);
  int const every = std::max(1, s.updates / 40);
  judge<trainer, Task> looks(c, task, t, every, s.how->window);
  foal::executor::run_request request;
  request.minibatches = s.updates;
  request.watch = looks.observer();
  struct stream {
    Task const& task;
    int size;
    void inputs(long long m, float* x, float*) const {
      for (int i = 0; i < size; ++i) x += task.write_input(m * size + i, x);
    }
    void targets(long long m, typename Task::target* y) const {
      for (int i = 0; i < size; ++i) y += task.write_target(m * size + i, y);
    }
  };
  auto const result = t.run(stream{task, t.values().microbatch_size}, request);
  outcome out = looks.take();
  out.every = every;
  if (result.diverged) out.diverged_at = result.diverged->update;
  for (double const l : out.loss)
    if (!std::isfinite(l) && out.diverged_at < 0) out.diverged_at = s.updates;
  out.bytes_relative = copies_of<Delay>(t.tables(), s);
  out.max_tau = most / c.microbatches;
  return out;
}

template <class Task, std::size_t... I>
outcome train_any(setting const& s, std::index_sequence<I...>) {
  outcome out;
  auto const wanted = static_cast<std::size_t>(s.profile.late() ? s.how->answer : answer::nothing);
  auto const one = [&]<std::size_t K>(std::integral_constant<std::size_t, K>) {
    if constexpr (Task::has(static_cast<answer>(K)))
      if (wanted == K) out = train_with<Task, std::tuple_element_t<K, answers>>(s);
  };
  (one(std::integral_constant<std::size_t, I>{}), ...);
  return out;
}

template <class Task>
network make_network(char const* name, char const* what, int updates, double rate) {
  return {name, what, foal::stage_count<typename Task::net>, updates, rate, &Task::has, [](setting const& s) {
            return train_any<Task>(s, std::make_index_sequence<std::tuple_size_v<answers>>{});
          }};
}

}  // namespace delay_lab
