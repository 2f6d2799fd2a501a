// A policy and its numbers in words, for the facts of a run.
#pragma once

#include <string>

#include <foal/core/error.hpp>

namespace foal::lower {

/// "step rate=0.05 every=30": the policy's name and those of its numbers that go by a usual name.
template <class P>
std::string describe_policy(P const& p) {
  std::string text = P::name;
  auto const put = [&text](char const* name, auto value) { text += sentence(" ", name, "=", value); };
  if constexpr (requires { p.base; }) text += " over " + describe_policy(p.base);
  if constexpr (requires {
                  p.first;
                  p.second;
                })
    text += " of " + describe_policy(p.first) + " and " + describe_policy(p.second);
  if constexpr (requires { p.rate; }) put("rate", p.rate);
  if constexpr (requires { p.every; }) put("every", p.every);
  if constexpr (requires { p.factor; }) put("factor", p.factor);
  if constexpr (requires { p.steps; }) put("steps", p.steps);
  if constexpr (requires { p.floor; }) put("floor", p.floor);
  if constexpr (requires { p.warmup; })
    if (p.warmup > 0) put("warmup", p.warmup);
  if constexpr (requires { p.momentum; }) put("momentum", p.momentum);
  if constexpr (requires { p.nesterov; })
    if (p.nesterov) text += " nesterov";
  if constexpr (requires { p.beta1; }) put("beta1", p.beta1);
  if constexpr (requires { p.beta2; }) put("beta2", p.beta2);
  if constexpr (requires { p.weight_decay; })
    if (p.weight_decay != 0) put("weight_decay", p.weight_decay);
  if constexpr (requires { p.decay; }) put("decay", p.decay);
  if constexpr (requires { p.average_decay; }) put("average_decay", p.average_decay);
  if constexpr (requires { p.minibatches; }) put("minibatches", p.minibatches);
  if constexpr (requires { p.norm; }) put("norm", p.norm);
  if constexpr (requires {
                  p.feedback_forward;
                  p.feedback_backward;
                })
    text += !p.feedback_forward && !p.feedback_backward ? " without feedback"
            : !p.feedback_backward                      ? " with feedback of activations"
            : !p.feedback_forward                       ? " with feedback of gradients"
                                                        : " with feedback of both";
  return text;
}

}  // namespace foal::lower
