// The numbers of short fits whose checkpoints are looked at.
#pragma once

namespace foal_test {

/// 8 samples a minibatch; the rate drops after 9 updates; T1 for 20, T3 for 5, where the trainer has them.
template <class Run>
typename Run::config fit_values(int workers, int replicas = 1) {
  typename Run::config c;
  c.microbatch_size = 4;
  c.microbatches = 2;
  c.workers = workers;
  c.replicas = replicas;
  c.seed = 3;
  if constexpr (requires { c.lr.base; })
    c.lr = {.base = {.rate = 0.02, .every = 9}, .steps = 20};
  else
    c.lr = {.rate = 0.02, .every = 9};
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = 5;
  return c;
}

}  // namespace foal_test
