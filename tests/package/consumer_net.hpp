// The net of every consumer, for any compiler and device.
#pragma once

#include <foal/layer/linear.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/model/input.hpp>
#include <foal/model/stages.hpp>

struct consumer_net : foal::stages<foal::input<2>, foal::linear<8>, foal::tanh, foal::linear<2>> {};
