// Tied weights between stages: the home's versions and the borrowers' gradients on their way, in rings of the home stage.
#pragma once

#include <span>
#include <vector>

#include <foal/executor/bound_stage.hpp>
#include <foal/plan/lent.hpp>

namespace foal::executor {

namespace detail {

inline table::parameter_row const& row_of(bound_stage const& b, int parameter) {
  return b.table->parameters[static_cast<std::size_t>(parameter)];
}

}  // namespace detail

/// Who borrows from a unit: of its own replica.
inline bound_stage& borrower_of(std::vector<bound_stage>& units, bound_stage const& home, table::loan const& l) {
  return units[static_cast<std::size_t>(home.unit - home.number + l.stage)];
}

/// Binds both ends. at(i): where the i-th of the planned rings of the unit `home` lies. Needs the units' tables.
template <class At>
void bind_lent(table::run_tables const& t, std::vector<bound_stage>& stages, std::size_t home, At at) {
  auto const slots = static_cast<std::uint32_t>(lent_slots(t, t.stage_of(home)));
  bound_stage& b = stages[home];
  for (std::size_t i = 0; i < b.table->loans.size(); ++i) {
    table::loan const& l = b.table->loans[i];
    table::parameter_row const& p = detail::row_of(b, l.parameter);
    tied_channel const c{{at(2 * i), detail::slot_bytes(t.types.weights, p), slots},
                         {at(2 * i + 1), detail::slot_bytes(t.types.gradients, p), slots}};
    b.lent.push_back({l.parameter, c});
    borrower_of(stages, b, l).borrowed.push_back({l.borrowed, c});
  }
}

/// At the start of a phase: version 0 is the home's weights, and every borrower has it.
inline void lend(table::run_tables const& t, std::vector<bound_stage>& stages, bound_stage& home) {
  for (std::size_t i = 0; i < home.lent.size(); ++i) {
    table::loan const& l = home.table->loans[i];
    bound_stage& other = borrower_of(stages, home, l);
    table::parameter_row const& p = detail::row_of(home, l.parameter);
    std::byte* const w = detail::in(home.w, p.type, p);
    t.device.copy(home.device, home.lent[i].channel.versions.at(0), w, bytes_of(p.type, p.size));
    t.device.copy(home.device, detail::in(other.w, p.type, detail::row_of(other, l.borrowed)), w, bytes_of(p.type, p.size));
    t.device.synchronise(home.device);
    for (std::size_t q = 0; q < other.borrowed.size(); ++q)
      if (other.borrowed[q].parameter == l.borrowed) other.borrowed_version[q] = 0;
  }
}

/// What both ends know of the phase that begins: the versions that home reads, and whether anything changes them.
inline void lend_in_phase(std::vector<bound_stage>& stages, bound_stage& home) {
  for (std::size_t i = 0; i < home.lent.size(); ++i) {
    table::loan const& l = home.table->loans[i];
    tied_channel& own = home.lent[i].channel;
    own.home = home.versions;
    own.still = home.forward_only;
    for (borrowed_parameter& q : borrower_of(stages, home, l).borrowed)
      if (q.parameter == l.borrowed) q.channel = own;
  }
}

/// Before F: a borrower's copy becomes the version that F of this microbatch has read at home.
inline void take_borrowed(table::run_tables const& t, bound_stage& b, std::uint32_t m) {
  for (std::size_t i = 0; i < b.borrowed.size(); ++i) {
    borrowed_parameter const& q = b.borrowed[i];
    if (q.channel.still) continue;
    std::uint32_t const read = q.channel.home.at(m, &schedule::version_read::forward);
    if (read == b.borrowed_version[i]) continue;
    table::parameter_row const& p = detail::row_of(b, q.parameter);
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
  for (borrowed_parameter const& q : b.borrowed) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    std::byte* const g = detail::in(b.g, t.types.gradients, p);
    std::size_t const bytes = bytes_of(t.types.gradients, p.size);
    t.device.copy(b.device, q.channel.gradients.at(minibatch), g, bytes);
    t.device.zero(b.device, g, bytes);
  }
}

/// Before U at home, among replicas before its sum sets out: its own sum, then those of the borrowers in the order of their
/// stages.
inline void collect_lent(table::run_tables const& t, bound_stage& b) {
  for (lent_parameter const& q : b.lent) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    std::byte* const g = detail::in(b.g, t.types.gradients, p);
    t.device.add(b.device, static_cast<std::size_t>(p.size), g, q.channel.gradients.at(b.version), g);
  }
}

/// After U at home: the new version sets out.
inline void publish_lent(table::run_tables const& t, bound_stage& b) {
  for (lent_parameter const& q : b.lent) {
    table::parameter_row const& p = detail::row_of(b, q.parameter);
    t.device.copy(b.device, q.channel.versions.at(b.version), detail::in(b.w, p.type, p), bytes_of(p.type, p.size));
  }
}

}  // namespace foal::executor
