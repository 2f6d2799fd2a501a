// What the programs about policies have in common: a small net, and every policy they misuse.
#pragma once

#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

struct net : foal::stages<foal::input<8>, foal::linear<8>, foal::linear<4>> {};

template <class Schedule, class... Policies>
using run = foal::trainer<net, foal::loss::cross_entropy, Schedule, Policies...>;
