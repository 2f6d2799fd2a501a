// The small net whose fits the tests of checkpoints save, end and go on with.
#pragma once

#include <foal/layer/batch_norm.hpp>
#include <foal/layer/dropout.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "tests/support/nets.hpp"

namespace foal_test {

/// Has what a checkpoint must not forget besides weights: statistics, and random numbers that depend on where a fit is.
struct kept_net : foal::stages<foal::input<foal::test::mlp_inputs>, foal::linear<4>, foal::batch_norm, foal::dropout<20>,
                               foal::linear<4>, foal::tanh, foal::linear<3>> {};

/// The optimizer has two states, PipeMare's corrections one more.
template <class Net, class... More>
using pipemare_run = foal::trainer<Net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adam,
                                   foal::delay::discrepancy_correction, foal::lr::reschedule<foal::lr::step>,
                                   foal::warmup::synchronous, More...>;
template <class Net, class... More>
using gpipe_run =
    foal::trainer<Net, foal::loss::cross_entropy, foal::schedule::gpipe, foal::optim::adam, foal::lr::step, More...>;

inline foal::test::first_samples const samples_to_keep{48};  // 6 updates an epoch of fit_values()

}  // namespace foal_test
