// A policy as it tells of itself: its name and its numbers, in one way for facts, JSON and fingerprints.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <foal/core/type_name.hpp>
#include <foal/report/number.hpp>

namespace foal::report {

/// What a policy says. One that has numbers lists them in a member
///   template <class F>
///   constexpr void numbers(F&& f) const { f("rate", rate); f("base", base); }
/// in which a value may be a number, a text, a range of numbers or another policy, whose own are listed as "base.rate".
/// Without the member a policy works as well; if it is not empty, it is known by its name alone.
struct description {
  std::string name;
  std::vector<std::pair<std::string, std::string>> numbers;  ///< each as the shortest text that reads back as the same
  std::vector<std::string> silent;                           ///< policies (here or within) that have numbers and list none

  /// "step rate=0.05 every=30".
  std::string text() const {
    std::string all = name;
    for (auto const& [number, value] : numbers) all.append(" ").append(number).append("=").append(value);
    for (std::string const& s : silent) all.append(s.empty() ? ", whose numbers" : ", the numbers of its " + s);
    return silent.empty() ? all : all + " are not known, because it lists none";
  }
};

namespace detail {

template <class P>
std::string name_of() {
  if constexpr (requires { std::string(P::name); })
    return P::name;
  else
    return std::string(type_name<P>());
}

/// What numbers() calls.
class number_list {
 public:
  number_list(description& to, std::string prefix) : to_(to), prefix_(std::move(prefix)) {}

  template <class T>
  void operator()(std::string_view name, T const& value) const {
    std::string const full = prefix_ + std::string(name);
    if constexpr (requires(T const& v) { text_of(v); }) {
      to_.numbers.emplace_back(full, text_of(value));
    } else {
      to_.numbers.emplace_back(full, name_of<T>());
      of(to_, value, full);
    }
  }

  /// Adds the numbers of a policy; `within`: as what it is listed in another.
  template <class P>
  static void of(description& to, P const& p, std::string const& within) {
    if constexpr (requires { p.numbers(std::declval<number_list const&>()); })
      p.numbers(number_list(to, within.empty() ? within : within + "."));
    else if constexpr (!std::is_empty_v<P>)
      to.silent.push_back(within);
  }

 private:
  static std::string text_of(bool v) { return v ? "true" : "false"; }
  template <class T>
    requires(std::is_arithmetic_v<T>)
  static std::string text_of(T v) {
    return shortest(v);
  }
  template <class T>
    requires(std::is_enum_v<T>)
  static std::string text_of(T v) {
    return shortest(static_cast<long long>(v));
  }
  static std::string text_of(std::string_view v) { return std::string(v); }
  template <class T>
    requires requires(T const& v) { shortest(*v.begin()); }
  static std::string text_of(T const& v) {
    std::string all;
    for (auto const& x : v) all.append(all.empty() ? "" : ",").append(shortest(x));
    return "(" + all + ")";
  }

  description& to_;
  std::string prefix_;
};

}  // namespace detail

template <class P>
description describe(P const& p) {
  description d{detail::name_of<P>(), {}, {}};
  detail::number_list::of(d, p, {});
  return d;
}

}  // namespace foal::report
