// A device that waits instead of computing, as one function of op and stage.
#pragma once

#include <string>

#include <foal/core/error.hpp>
#include <foal/schedule/unroll.hpp>
#include <foal/table/run_tables.hpp>

namespace foal::lower {

using namespace table;

/// A device whose ops wait for the given times instead of computing (device::timed).
template <class D>
concept waits = requires(typename D::times const& t) {
  t.forward_ms + t.backward_ms + t.weight_ms + t.update_ms;
  t.stage_factor[0];
  t.check(1);
  D::wait(1.0);
};

/// The values of a device that has none.
struct no_values {};

template <class D>
struct device_values {
  using type = no_values;
};
template <waits D>
struct device_values<D> {
  using type = typename D::times;
};

/// How long an op of a stage lasts, in milliseconds.
template <class Times>
double milliseconds(Times const& t, schedule::op_kind kind, int stage) {
  using schedule::op_kind;
  double ms = 0;
  if (kind == op_kind::F || kind == op_kind::R) ms = t.forward_ms;
  if (kind == op_kind::B) ms = t.backward_ms;
  if (kind == op_kind::W) ms = t.weight_ms;
  if (kind == op_kind::BW) ms = t.backward_ms + t.weight_ms;
  if (kind == op_kind::U) ms = t.update_ms;
  return t.stage_factor.empty() ? ms : ms * t.stage_factor[static_cast<std::size_t>(stage)];
}

/// Lets the ops of `tables` wait where the device does. `values` must outlive the tables. Throws foal::error where they are
/// no times of this model.
template <class D>
void let_wait(run_tables& tables, typename device_values<D>::type const& values) {
  if constexpr (waits<D>) {
    values.check(static_cast<int>(tables.stages.size()));
    tables.wait_value = &values;
    tables.wait = [](void const* times, schedule::op_kind kind, int stage) {
      D::wait(milliseconds(*static_cast<typename D::times const*>(times), kind, stage));
    };
  }
}

/// One sentence for the facts: the times, and how long a slot of the program lasts with them.
template <class Times>
std::string wait_note(Times const& t, schedule::program program) {
  double const backward = t.backward_ms + t.weight_ms;
  std::string text =
      sentence("ops wait instead of computing: F ", t.forward_ms, " ms, BW ", backward, " ms, U ", t.update_ms, " ms");
  if (!t.stage_factor.empty()) text += ", times a factor of each stage";
  if (schedule::two_units(program.view()))
    text += sentence("; a worker runs one op at a time, so a slot with a forward and a backward side by side lasts ",
                     t.forward_ms + backward, " ms");
  return text;
}

}  // namespace foal::lower
