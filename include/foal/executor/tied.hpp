// Tied weights between stages: the home's versions and the borrowers' gradients on their way, in rings of the home stage, or
// of both where two processes have them.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include <foal/executor/tied_ends.hpp>
#include <foal/plan/run_plan.hpp>

namespace foal::executor {

namespace detail {

inline table::parameter_row const& row_of(bound_stage const& b, int parameter) {
  return b.table->parameters[static_cast<std::size_t>(parameter)];
}

}  // namespace detail

/// Who borrows from a unit: of its own replica.
template <class Units>
auto& borrower_of(Units& units, bound_stage const& home, table::loan const& l) {
  return units[static_cast<std::size_t>(home.unit - home.number + l.stage)];
}

/// Of all units.
inline std::size_t count_loans(table::run_tables const& t) {
  std::size_t count = 0;
  for (std::size_t u = 0; u < t.units(); ++u) count += t.of_unit(u).loans.size();
  return count;
}

/// Binds both ends of every loan; where none is here, to nothing. between: by loan. at(entry): where an entry of the plan
/// lies; bell_of(unit): its worker's. Needs the units' tables, and their devices.
template <class At, class BellOf>
void bind_lent(table::run_tables const& t, run_plan const& plan, std::vector<bound_stage>& units,
               flat_table<tied_ends>& between, At at, BellOf bell_of) {
  std::size_t number = 0;
  for (bound_stage& b : units)
    for (std::size_t i = 0; i < b.table->loans.size(); ++i, ++number) {
      table::loan const& l = b.table->loans[i];
      bound_stage& other = borrower_of(units, b, l);
      table::parameter_row const& p = detail::row_of(b, l.parameter);
      auto const slots = static_cast<std::uint32_t>(lent_slots(t, static_cast<std::size_t>(b.number)));
      tied_channel c{};
      if (b.worker >= 0 || other.worker >= 0) {
        std::vector<std::size_t> const& planned = plan.unit(static_cast<std::size_t>(b.unit)).lent;
        c.versions = {at(planned[2 * i]), detail::slot_bytes(t.types.weights, p), slots};
        c.gradients = {at(planned[2 * i + 1]), detail::slot_bytes(t.types.gradients, p), slots};
      }
      if ((b.worker >= 0) != (other.worker >= 0)) {
        c.ends = &between[number];
        c.ends->connect(b.worker >= 0, slots, bell_of(b), bell_of(other));
        if (b.worker < 0) b.device = other.device;  // for arrays that have its name
      }
      b.lent.push_back({l.parameter, c});
      other.borrowed.push_back({l.borrowed, c});
    }
}

/// At the start of a phase: version 0 is the home's weights, and every borrower has it, or waits for it.
inline void lend(table::run_tables const& t, std::vector<bound_stage>& stages, bound_stage& home) {
  constexpr std::uint32_t none = ~0U;
  for (std::size_t i = 0; i < home.lent.size(); ++i) {
    tied_channel const& c = home.lent[i].channel;
    table::loan const& l = home.table->loans[i];
    bound_stage& other = borrower_of(stages, home, l);
    if (home.worker >= 0) {
      table::parameter_row const& p = detail::row_of(home, l.parameter);
      std::byte* const w = detail::in(home.w, p.type, p);
      std::size_t const bytes = bytes_of(p.type, p.size);
      t.device.copy(home.device, c.versions.at(0), w, bytes);
      if (c.ends == nullptr)
        t.device.copy(home.device, detail::in(other.w, p.type, detail::row_of(other, l.borrowed)), w, bytes);
      t.device.synchronise(home.device);
    }
    for (std::size_t q = 0; q < other.borrowed_version.size(); ++q)
      if (other.borrowed[q].parameter == l.borrowed) other.borrowed_version[q] = c.ends == nullptr ? 0 : none;
  }
}

/// What both ends know of the phase that begins: the versions that home reads, and whether anything changes them.
inline void lend_in_phase(std::vector<bound_stage>& stages, bound_stage& home) {
  for (std::size_t i = 0; i < home.lent.size(); ++i) {
    table::loan const& l = home.table->loans[i];
    tied_channel& own = home.lent[i].channel;
    own.home = home.versions;
    own.still = home.forward_only || home.input_gradient_only;
    for (borrowed_parameter& q : borrower_of(stages, home, l).borrowed)
      if (q.parameter == l.borrowed) q.channel = own;
  }
}

/// What has been sent between processes where a run goes on, as the units say: after their states have been set.
inline void restore_tied(table::run_tables const& t, std::vector<bound_stage>& units) {
  for (bound_stage& b : units)
    for (std::size_t i = 0; i < b.lent.size(); ++i) {
      tied_ends* const ends = b.lent[i].channel.ends;
      if (ends == nullptr) continue;
      // Where weights are exchanged, an update between G and U has been made and not been sent.
      bool const half = t.replica.what == replica::exchanged::weights && b.messages.parts_out != b.messages.sums_in;
      ends->weights.produced.value = b.version + (half ? 0 : 1);
      ends->gradients.produced.value = returned_sums(borrower_of(units, b, b.table->loans[i]));
    }
}

/// Of units that others host: what of tied weights has come from them, as restore_tied() reads it.
inline void add_sent_tied(std::vector<unit_state>& states, std::vector<bound_stage> const& units) {
  for (bound_stage const& b : units)
    for (std::size_t i = 0; i < b.lent.size(); ++i) {
      tied_ends const* const ends = b.lent[i].channel.ends;
      if (ends == nullptr) continue;
      bound_stage const& other = borrower_of(units, b, b.table->loans[i]);
      if (b.worker < 0) {
        std::uint32_t const come = ends->weights.produced.value.load();
        unit_state& home = states[static_cast<std::size_t>(b.unit)];
        home.version = come - std::min(come, 1U);
        home.messages.sums_in = home.messages.parts_out;  // what is half made there has not come
      } else {
        std::uint32_t& sent = states[static_cast<std::size_t>(other.unit)].messages.gradient_out;
        sent = std::max(sent, ends->gradients.produced.value.load() * static_cast<std::uint32_t>(other.facts.share));
      }
    }
}

/// Before F: a borrower's copy becomes the version that F of this microbatch has read at home.
inline void take_borrowed(table::run_tables const& t, bound_stage& b, std::uint32_t m) {
  for (std::size_t i = 0; i < b.borrowed.size(); ++i) {
    borrowed_parameter const& q = b.borrowed[i];
    std::uint32_t const read = q.channel.read_forward(m);
    if (read == b.borrowed_version[i]) continue;
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    if (!b.done_again())
      t.device.copy(b.device, detail::in(b.w, p.type, p), q.channel.versions.at(read), bytes_of(p.type, p.size));
    b.borrowed_version[i] = read;
  }
}

/// A version of a borrowed parameter, as home reads it; null if it is not borrowed, or never changes.
inline void* borrowed_version(bound_stage const& b, int parameter, std::uint32_t m, int schedule::version_read::*of) {
  for (borrowed_parameter const& q : b.borrowed)
    if (q.parameter == parameter && !q.channel.still) return q.channel.versions.at(q.channel.home.at(m, of));
  return nullptr;
}

/// With the last B of a minibatch: what the borrower has added up goes home.
inline void return_borrowed(table::run_tables const& t, bound_stage& b, std::uint32_t minibatch) {
  if (b.done_again()) return;
  for (borrowed_parameter const& q : b.borrowed) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    std::byte* const g = detail::in(b.g, t.types.gradients, p);
    std::size_t const bytes = bytes_of(t.types.gradients, p.size);
    t.device.copy(b.device, q.channel.gradients.at(minibatch), g, bytes);
    t.device.zero(b.device, g, bytes);
    if (q.channel.ends != nullptr) t.device.synchronise(b.device);
  }
}

/// Before U at home, among replicas before its sum sets out: its own sum, then those of the borrowers in the order of their
/// stages.
inline void collect_lent(table::run_tables const& t, bound_stage& b) {
  if (b.done_again()) return;
  for (lent_parameter const& q : b.lent) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    std::byte* const g = detail::in(b.g, t.types.gradients, p);
    t.device.add(b.device, static_cast<std::size_t>(p.size), g, q.channel.gradients.at(b.version), g);
  }
}

/// After U at home: the new version sets out.
inline void publish_lent(table::run_tables const& t, bound_stage& b) {
  if (b.done_again()) return;
  for (lent_parameter const& q : b.lent) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    t.device.copy(b.device, q.channel.versions.at(b.version), detail::in(b.w, p.type, p), bytes_of(p.type, p.size));
    if (q.channel.ends != nullptr) t.device.synchronise(b.device);
  }
}

}  // namespace foal::executor
