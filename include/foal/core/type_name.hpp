// The name of a type as the compiler writes it, for reports.
#pragma once

#include <foal/core/config.hpp>

#include <string>
#include <string_view>

namespace foal {

/// "net" for struct net, in a namespace without a name too, "foal::relu" for a layer. Only for people: the text differs
/// between compilers.
template <class T>
constexpr std::string_view type_name() {
  std::string_view const all = __PRETTY_FUNCTION__;
  std::string_view const mark = "T = ";
  std::size_t const begin = all.find(mark) + mark.size();
  std::size_t const end = all.find_first_of(";]", begin);
  std::string_view name = all.substr(begin, end - begin);
  for (std::string_view const unnamed : {"{anonymous}::", "(anonymous namespace)::"})
    if (name.starts_with(unnamed)) name.remove_prefix(unnamed.size());
  return name;
}

/// The same for what is written down and compared later, by programs of other compilers: "optim::averaged<optim::adamw>".
template <class T>
std::string portable_type_name() {
  std::string name(type_name<T>());
  for (std::string_view const varies : {"foal::", " "})
    for (std::size_t at = 0; (at = name.find(varies, at)) != std::string::npos;) name.erase(at, varies.size());
  return name;
}

}  // namespace foal
