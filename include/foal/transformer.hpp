// Opt-in umbrella: the layers of sequence models.
#pragma once

#include <foal/layer/attention.hpp>
#include <foal/layer/embedding.hpp>
#include <foal/layer/layer_norm.hpp>
#include <foal/layer/loss/vocabulary_cross_entropy.hpp>
#include <foal/layer/position.hpp>
#include <foal/layer/vocabulary.hpp>
