// What a policy has come to know beside its settings (a plateau its best loss): a cut of a run bears it.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>

namespace foal {

/// Names and values of what policies have come to know, each value as the shortest text that reads back as the same.
using policy_state = std::vector<std::pair<std::string, std::string>>;

namespace detail {

struct any_state {
  template <class T>
  void operator()(std::string_view, T&) const {}
};

}  // namespace detail

/// A policy with a member
///   template <class F>
///   constexpr void state(F&& f) { f("best", best); f("base", base); }
/// that lists what changes while it is at work: numbers, and the policies within that have such a member.
template <class P>
concept has_state = requires(P& p) { p.state(detail::any_state{}); };

namespace detail {

/// Whether a policy that numbers() lists has state that its owner's state() passes on.
template <class Owner>
struct passes_state_on {
  template <class T>
  constexpr void operator()(std::string_view, T const&) const {
    static_assert(!has_state<T> || has_state<Owner>,
                  "foal: a policy holds another one that has state; give it a member state(f) that calls f with its name "
                  "and the policy, as numbers(f) does");
  }
};

template <class P>
void check_state(P const& p) {
  if constexpr (requires { p.numbers(passes_state_on<P>{}); }) p.numbers(passes_state_on<P>{});
}

class state_writer {
 public:
  state_writer(policy_state& to, std::string prefix) : to_(to), prefix_(std::move(prefix)) {}

  template <class T>
  void operator()(std::string_view name, T& value) const {
    std::string full = prefix_ + std::string(name);
    if constexpr (std::is_arithmetic_v<T>) {
      char text[64];
      if constexpr (std::is_same_v<T, bool>)
        to_.emplace_back(std::move(full), value ? "1" : "0");
      else
        to_.emplace_back(std::move(full), std::string(text, std::to_chars(text, text + sizeof text, value).ptr));
    } else if constexpr (has_state<T>) {
      value.state(state_writer(to_, full + "."));
    }
  }

 private:
  policy_state& to_;
  std::string prefix_;
};

class state_reader {
 public:
  state_reader(policy_state const& from, std::size_t& at, std::string prefix)
      : from_(from), at_(at), prefix_(std::move(prefix)) {}

  template <class T>
  void operator()(std::string_view name, T& value) const {
    std::string const full = prefix_ + std::string(name);
    if constexpr (std::is_arithmetic_v<T>) {
      require(at_ < from_.size() && from_[at_].first == full, "cannot go on from this cut, because '", full,
              "' of the policies is expected where it has ", at_ < from_.size() ? "'" + from_[at_].first + "'" : "no more",
              "; copy the cut whole");
      read(full, from_[at_++].second, value);
    } else if constexpr (has_state<T>) {
      value.state(state_reader(from_, at_, full + "."));
    }
  }

 private:
  template <class T>
  static void read(std::string const& name, std::string const& text, T& value) {
    std::conditional_t<std::is_same_v<T, bool>, int, T> number{};
    auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
    require(fault == std::errc{} && end == text.data() + text.size(), "cannot go on from this cut, because '", text,
            "' of '", name, "' is no number of its kind; copy the cut whole");
    value = static_cast<T>(number);
  }

  policy_state const& from_;
  std::size_t& at_;
  std::string prefix_;
};

}  // namespace detail

/// Adds what a policy knows, behind `name` and a point.
template <class P>
void save_state(policy_state& to, std::string const& name, P& p) {
  detail::check_state(p);
  if constexpr (has_state<P>) p.state(detail::state_writer(to, name + "."));
}

/// The other way round, from item `at` on, which moves behind them. Throws foal::error where other items are there.
template <class P>
void load_state(policy_state const& from, std::size_t& at, std::string const& name, P& p) {
  if constexpr (has_state<P>) p.state(detail::state_reader(from, at, name + "."));
}

}  // namespace foal
