// Which version of its weights each op of a stage reads: all rules.
#pragma once

#include <foal/policy/versions/concept.hpp>
#include <foal/policy/versions/double_buffered.hpp>
#include <foal/policy/versions/flush.hpp>
#include <foal/policy/versions/injected.hpp>
#include <foal/policy/versions/live.hpp>
#include <foal/policy/versions/stash.hpp>
#include <foal/policy/versions/vertical_sync.hpp>
