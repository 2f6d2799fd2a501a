// What a rule of weight versions offers, and what can be asked of its type.
#pragma once

#include <concepts>
#include <type_traits>

#include <foal/core/role.hpp>
#include <foal/schedule/proof/versions.hpp>

namespace foal::versions {

/// Which version of its stage's weights each op reads. Needs: role = foal::role::versions; name; and
///   constexpr foal::schedule::version_read read(foal::schedule::version_table const& there, int stage, int j) const
/// which gives, for the microbatch at position j of minibatch k, the versions that F, R and B read as offsets to k (see
/// version_read); `there` says which are the newest. It is asked once for each, before a run; stages without an update,
/// which have one version, are left out. What it gives is proved: no version is read before it is made. May have:
///   static constexpr int copies                   versions older than the newest one that a stage keeps at most
///   static constexpr bool proved_at_construction  whether it holds depends on N: the compiler does not ask
///   static constexpr bool always_there            it holds for every program: the compiler need not ask
///   static std::string explain(version_verdict const&, version_table const&)   the sentence where it does not hold
///   void check() const                            throws where its numbers cannot work
template <class V>
concept rule =
    std::same_as<typename V::role, foal::role::versions> && requires(V const& v, schedule::version_table const& there) {
      { V::name } -> std::convertible_to<char const*>;
      { v.read(there, 0, 0) } -> std::same_as<schedule::version_read>;
    };

namespace detail {

/// The newest versions of two stages and two microbatches: those of a synchronous program, or with a delay of one microbatch
/// at the first stage.
constexpr schedule::version_table sample(bool asynchronous) {
  schedule::version_table t;
  t.microbatches = 2;
  t.updates.assign(2, 1);
  t.recomputes.assign(2, 0);
  t.newest.assign(4, {});
  if (asynchronous) t.newest[0] = {.forward = -1, .recompute = -1};
  return t;
}

template <class V>
constexpr bool holds(schedule::version_table const& there) {
  return static_cast<bool>(schedule::prove_versions(there, schedule::reads_of(V{}, there), schedule::most_copies<V>()));
}

/// Its type alone says what it reads; else its numbers do, and questions wait for them.
template <class V>
constexpr bool is_known = rule<V> && std::is_empty_v<V>;

}  // namespace detail

/// Some F of a synchronous program reads a version that is not the newest.
template <class V>
constexpr bool delays_a_synchronous = [] {
  if constexpr (detail::is_known<V>)
    return schedule::reads_of(V{}, detail::sample(false)).delayed;
  else
    return true;
}();

/// It asks for weights that only the flush of a synchronous program brings in time.
template <class V>
constexpr bool needs_a_flush = [] {
  if constexpr (detail::is_known<V>)
    return !detail::holds<V>(detail::sample(true));
  else
    return false;
}();

/// The compiler can say for a schedule whether the versions are there.
template <class V>
constexpr bool asks_the_compiler = detail::is_known<V> && !needs_a_flush<V> && !(requires { requires V::always_there; }) &&
                                   !(requires { requires V::proved_at_construction; });

/// B reads the version that its F read: there is no discrepancy to correct.
template <class V>
constexpr bool reads_one_version = [] {
  if constexpr (detail::is_known<V>)
    return schedule::reads_of(V{}, detail::sample(true)).one_version;
  else
    return false;
}();

using schedule::require_versions;

}  // namespace foal::versions
