// Gradients of whole networks, through trainers, against central differences of the loss.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <functional>
#include <memory>

namespace foal::test {

/// Mean loss of the trainer's next minibatch, which it trains on.
template <class Run, class Data>
double mean_loss(Run& t, Data const& data) {
  double sum = 0, weight = 0;
  for (auto const& l : t.run(data, {.minibatches = 1}).sums) {
    sum += l.sum;
    weight += l.weight;
  }
  return sum / weight;
}

struct gradient_check {
  double step = 1e-6, margin = 1e-8, epsilon = 1e-5;
  std::size_t most_elements = 1000;                            ///< about so many of a parameter
  std::function<bool(int)> trains = [](int) { return true; };  ///< whether a stage's own parameters move at all
};

/// Checks the step of one minibatch of SGD for every parameter that is not a copy of a tied one. Run trains in double.
template <class Run, class Data>
void check_gradients(typename Run::config values, Data const& data, gradient_check const& how = {}) {
  auto const make = [&](float rate) {
    values.lr.rate = rate;
    return std::make_unique<Run>(values);
  };
  auto moved = make(1.0F);
  auto const before = make(0.0F);
  mean_loss(*moved, data);
  for (int s = 0; s < Run::stages; ++s) {
    auto const& parameters = before->tables().stages[static_cast<std::size_t>(s)].parameters;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (parameters[p].home_stage >= 0) continue;
      auto const w = before->weights(s, p), after = moved->weights(s, p);
      for (std::size_t i = 0; i < w.size(); i += 1 + w.size() / how.most_elements) {
        double difference = 0;
        for (double const sign : {1.0, -1.0}) {
          auto changed = make(0.0F);
          auto v = w;
          v[i] += sign * how.step;
          changed->set_weights(s, p, v);
          difference += sign * mean_loss(*changed, data);
        }
        INFO("stage " << s << " parameter " << parameters[p].name << " element " << i);
        double const expected = how.trains(s) ? difference / (2 * how.step) : 0;
        CHECK(w[i] - after[i] == Approx(expected).margin(how.margin).epsilon(how.epsilon));
      }
    }
  }
}

}  // namespace foal::test
