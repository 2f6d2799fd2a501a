// One run of a sweep: a method, a seed and the numbers of its policies, with a name under which its result is found again.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/number.hpp>

#include "../options/range.hpp"

namespace sweep {

/// What a method is made of, beside its schedule.
struct method {
  char const* name;
  char const* title;
  bool asynchronous = true, stash = false, t1 = false, t2 = false, t3 = false;
  bool only_warmup = false;  ///< trains for the warm-up epochs alone, then stops: what T3's epochs give by themselves
};

inline constexpr method methods[] = {
    {"gpipe", "GPipe (synchronous)", false},
    {"pipedream", "PipeDream (stash)", true, true},
    {"pipedream_t1", "PipeDream + T1", true, true, true},
    {"none", "asynchronous, uncorrected"},
    {"t1", "T1", true, false, true},
    {"t2", "T2", true, false, false, true},
    {"t3", "T3", true, false, false, false, true},
    {"t1t2", "T1 + T2", true, false, true, true},
    {"t1t3", "T1 + T3", true, false, true, false, true},
    {"t1t2t3", "T1 + T2 + T3 (PipeMare)", true, false, true, true, true},
    {"sync_only", "synchronous for the warm-up epochs only", false, false, false, false, false, true},
};

/// Throws foal::error for a name that no method has.
inline method const& method_named(std::string_view name) {
  std::string known;
  for (method const& m : methods) {
    if (name == m.name) return m;
    known += (known.empty() ? "" : ", ") + std::string(m.name);
  }
  throw foal::error(foal::sentence("cannot run the method '", name, "', because there is none of that name; use ", known));
}

/// The numbers that can be swept; each may be given as a list.
enum value : std::size_t {
  rate,
  epochs,
  drop_epoch,
  momentum,
  weight_decay,
  microbatches,
  microbatch_size,
  t1_epochs,
  t1_floor,
  t2_decay,
  t3_epochs,
  gain,
  value_count
};

struct value_name {
  char const* name;   ///< option and JSON key
  char const* label;  ///< in tables
  double usual;
  options::range takes;
  char const* help;
};
inline constexpr value_name values[value_count] = {
    {"rate", "rate", 0.02, options::positive, "learning rate"},
    {"epochs", "epochs", 12, options::counted, "epochs of a run"},
    {"drop-epoch", "drop", 8, options::counted_from_0, "the rate is divided by 10 every so many epochs; 0: never"},
    {"momentum", "momentum", 0.9, options::share, "of SGD"},
    {"weight-decay", "decay", 0, options::not_negative, "coupled weight decay"},
    {"microbatches", "N", 4, options::counted, "N, microbatches of a minibatch"},
    {"microbatch-size", "M", 8, options::counted, "M, samples of a microbatch"},
    {"t1-epochs", "K", 0, options::not_negative, "T1's K in epochs; 0: all asynchronous updates"},
    {"t1-floor", "floor", 1, options::not_negative, "T1 divides by max(tau, floor)"},
    {"t2-decay", "D", 0.1353352832366127, options::share_below_1, "T2's D"},
    {"t3-epochs", "T3", 3, options::counted_from_0, "T3: synchronous epochs before the asynchronous ones"},
    {"gain", "gain", 0, options::not_negative, "initial weights have variance gain^2 / inputs; 0: the network's own gain"},
};

struct setting {
  std::string net, data, method;
  std::uint64_t seed = 1;
  std::array<double, value_count> number{};

  sweep::method const& how() const { return method_named(method); }
  int whole(value v) const { return static_cast<int>(number[v]); }

  /// True where the method reads the number at all.
  bool uses(value v) const {
    sweep::method const& m = how();
    if (v == t1_epochs || v == t1_floor) return m.t1;
    if (v == t2_decay) return m.t2;
    if (v == t3_epochs) return m.t3 || m.only_warmup;
    if (v == gain) return number[gain] != 0;
    return !(v == epochs && m.only_warmup);
  }

  /// Everything that the result depends on, and nothing that this method does not read: equal names, equal runs.
  std::string name() const { return group() + foal::sentence(" seed=", seed); }

  /// The name without the seed.
  std::string group() const {
    std::string text = foal::sentence("net=", net, " data=", data, " method=", method);
    for (std::size_t v = 0; v < value_count; ++v)
      if (uses(static_cast<value>(v))) text += std::string(" ") + values[v].name + "=" + foal::report::shortest(number[v]);
    return text;
  }
};

/// All combinations, in the order of the lists: the numbers outermost, then seeds, then methods, so that pairs come early. A
/// run that several combinations come down to (a method that does not read a swept number) is there once.
inline std::vector<setting> combinations(setting base, std::vector<std::string> const& names,
                                         std::array<std::vector<double>, value_count> const& lists, int seeds) {
  std::vector<setting> numbers{base};
  for (std::size_t v = 0; v < value_count; ++v) {
    std::vector<setting> next;
    for (setting const& s : numbers)
      for (double const x : lists[v]) next.emplace_back(s).number[v] = x;
    numbers = std::move(next);
  }
  std::vector<setting> all;
  std::vector<std::string> seen;
  for (setting s : numbers)
    for (int i = 0; i < seeds; ++i)
      for (std::string const& m : names) {
        s.method = m;
        s.seed = base.seed + static_cast<std::uint64_t>(i);
        std::string name = s.name();
        bool known = false;
        for (std::string const& other : seen) known = known || other == name;
        if (known) continue;
        seen.push_back(std::move(name));
        all.push_back(s);
      }
  return all;
}

}  // namespace sweep
