// Two policies of the laboratory that are chosen by value where foal's are by type: rates by delay, and whose weights B
// reads.
#pragma once

#include <variant>

#include <foal/policy/lr/base.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/lr/staleness_aware.hpp>
#include <foal/policy/versions/concept.hpp>

namespace delay_lab {

/// The rate of a run: a rise and half a cosine, as it is, under T1, or divided by the delay.
struct any_rate {
  using role = foal::role::learning_rate;
  static constexpr char const* name = "any rate";
  std::variant<foal::lr::cosine, foal::lr::reschedule<foal::lr::cosine>, foal::lr::staleness_aware<foal::lr::cosine>>
      chosen{};

  template <class F>
  constexpr void numbers(F&& f) const {
    std::visit([&f](auto const& r) { f("chosen", r); }, chosen);
  }
  double at(foal::lr::moment m) const {
    return std::visit([m](auto const& r) { return r.at(m); }, chosen);
  }
  void check() const {
    std::visit([](auto const& r) { r.check(); }, chosen);
  }
};

/// versions::stash or versions::live.
struct kept_or_live {
  using role = foal::role::versions;
  static constexpr char const* name = "kept or live";
  bool stash = false;

  template <class F>
  constexpr void numbers(F&& f) const {
    f("stash", stash);
  }
  constexpr foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) const {
    if (!stash) return foal::schedule::own_versions::read(there, stage, j);
    int const f = there.forward(stage, j);
    return {f, f, f};
  }
};

}  // namespace delay_lab
