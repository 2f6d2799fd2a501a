// Samples of any type of source as functions, for evaluations.
#pragma once

#include <cstddef>

#include <foal/data/source.hpp>
#include <foal/executor/tables.hpp>

namespace foal::executor {

/// Samples of any source, in order, as functions; refers to the source.
template <class S, class Target>
struct any_source {
  evaluation_source functions{};

  any_source() = default;
  template <data::source Source>
  any_source(Source const& from)  // NOLINT: a data set stands where its samples are wanted
      : functions{&from, from.size(),
                  [](void const* self, long long first, int n, void* x) {
                    auto const& source = *static_cast<Source const*>(self);
                    for (int i = 0; i < n; ++i)
                      source.write_sample(first + i,
                                          static_cast<S*>(x) + static_cast<std::ptrdiff_t>(i) * source.sample().size());
                  },
                  [](void const* self, long long first, int n, void* t) {
                    auto const& source = *static_cast<Source const*>(self);
                    for (int i = 0; i < n; ++i)
                      source.write_target(first + i,
                                          static_cast<Target*>(t) + static_cast<std::ptrdiff_t>(i) * source.target_size());
                  }} {}
};

}  // namespace foal::executor
