// A data set as range-v3 views, for a user's own loops; the only header that includes range-v3.
//
//   for (auto minibatch : views::epoch(split, seed, e) | views::minibatches(M * N))
//     for (auto microbatch : minibatch | views::microbatches(M))
//       for (auto [pixels, label] : microbatch | views::labelled(split)) ...
//
// gives the samples in the order in which data::batches gives them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <range/v3/range/primitives.hpp>
#include <range/v3/view/all.hpp>
#include <range/v3/view/chunk.hpp>
#include <range/v3/view/iota.hpp>
#include <range/v3/view/take.hpp>
#include <range/v3/view/transform.hpp>
#include <range/v3/view/view.hpp>
#include <span>
#include <utility>

#include <foal/data/order.hpp>
#include <foal/data/source.hpp>
#include <foal/data/split.hpp>

namespace foal::data::views {

/// The indices of all samples in the shuffled order of epoch `e`: random access, computed when looked at.
template <source Source>
auto epoch(Source const& from, std::uint64_t seed, long long e) {
  long long const n = from.size();
  return ranges::views::iota(0LL, n) | ranges::views::transform([seed, e, n](long long place) {
           return shuffled(seed, static_cast<std::uint64_t>(e), n, place);
         });
}

/// The indices of all samples in file order, for evaluation.
template <source Source>
auto in_order(Source const& from) {
  return ranges::views::iota(0LL, static_cast<long long>(from.size()));
}

/// epoch(from, seed, 0), epoch(from, seed, 1), ... without end. Refers to the source.
template <source Source>
auto epochs(Source const& from, std::uint64_t seed) {
  return ranges::views::iota(0LL) | ranges::views::transform([&from, seed](long long e) { return epoch(from, seed, e); });
}

/// Splits indices into pieces of `samples` = M N; what is left over at the end is dropped, as training does.
inline auto minibatches(int samples) {
  return ranges::make_view_closure([samples](auto&& indices) {
    auto const size = static_cast<std::ptrdiff_t>(ranges::size(indices));
    return ranges::views::all(std::forward<decltype(indices)>(indices)) | ranges::views::take(size / samples * samples) |
           ranges::views::chunk(samples);
  });
}

/// Splits indices into pieces of M; the last may be smaller.
inline auto microbatches(int samples) { return ranges::views::chunk(samples); }

/// Indices become the 8-bit pixels of the samples, [H, W, C]. Refers to the split.
inline auto images(split const& from) {
  return ranges::views::transform([&from](long long index) { return from.pixels(index); });
}

/// Indices become labels. Refers to the split.
inline auto labels(split const& from) {
  return ranges::views::transform([&from](long long index) { return from.label(index); });
}

/// Indices become pairs of pixels and label. Refers to the split.
inline auto labelled(split const& from) {
  return ranges::views::transform([&from](long long index) { return std::pair(from.pixels(index), from.label(index)); });
}

/// One image as its rows from the top, each a run of width * channels pixels.
inline auto rows(std::span<std::uint8_t const> pixels, shape sample) {
  auto const row = static_cast<std::size_t>(sample.width() * sample.channels());
  return ranges::views::iota(0, sample.height()) |
         ranges::views::transform([pixels, row](int h) { return pixels.subspan(static_cast<std::size_t>(h) * row, row); });
}

}  // namespace foal::data::views
