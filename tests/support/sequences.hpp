// Sources of sequences for tests, and what a source writes for one sample.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/data/parallel_source.hpp>

namespace foal_test {

/// n pairs of random lengths; the first token of the source of pair i is 10 + i.
inline foal::data::parallel_source pairs(int n, std::uint32_t most = 20) {
  std::vector<std::vector<std::int32_t>> source, target;
  for (int i = 0; i < n; ++i) {
    foal::random_key const key{3, foal::purpose::user, 0, static_cast<std::uint64_t>(i)};
    source.emplace_back(1 + foal::random_word(key, 0) % most, 10 + i);
    target.emplace_back(source.back().size() + foal::random_word(key, 1) % 5, 5);
  }
  return {source, target};
}

/// Entry e of sample i, in a row of `longest` values.
template <class Source>
std::vector<double> entry(Source const& s, long long i, int e, int longest) {
  std::vector<double> x(static_cast<std::size_t>(longest), -7.0);
  s.write_entry(i, e, longest, x.data());
  return x;
}

/// The target of sample i, in a row of `longest` numbers.
template <class Source>
std::vector<std::int32_t> target(Source const& s, long long i, int longest) {
  std::vector<std::int32_t> t(static_cast<std::size_t>(longest), -7);
  s.write_target(i, longest, t.data());
  return t;
}

}  // namespace foal_test
