// Image data in smaller form: every source as numbers in memory, and images averaged over squares of 2 x 2 pixels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/data/memory.hpp>
#include <foal/data/source.hpp>

namespace sweep {

/// A source of labelled samples as it is, in memory.
template <foal::data::source Source>
foal::data::memory<> in_memory(Source const& from) {
  auto const n = static_cast<std::size_t>(from.size()), size = static_cast<std::size_t>(from.sample().size());
  std::vector<float> x(n * size);
  std::vector<std::int32_t> y(n);
  for (std::size_t i = 0; i < n; ++i) {
    from.write_sample(static_cast<long long>(i), x.data() + i * size);
    from.write_target(static_cast<long long>(i), y.data() + i);
  }
  return {from.sample(), std::move(x), std::move(y)};
}

/// A source of labelled images, each pixel the mean of 2 x 2. Heights and widths must be even.
template <foal::data::source Source>
foal::data::memory<> halved(Source const& from) {
  foal::shape const in = from.sample();
  foal::require(in.rank == 3 && in.height() % 2 == 0 && in.width() % 2 == 0, "cannot average 2 x 2 pixels of samples of ",
                in.channels(), " x ", in.height(), " x ", in.width(),
                ", because height and width must be even; give images of even sizes");
  foal::shape const out = foal::image(in.channels(), in.height() / 2, in.width() / 2);
  auto const n = static_cast<std::size_t>(from.size()), size = static_cast<std::size_t>(out.size());
  std::vector<float> x(n * size), whole(static_cast<std::size_t>(in.size()));
  std::vector<std::int32_t> y(n);
  for (std::size_t i = 0; i < n; ++i) {
    from.write_sample(static_cast<long long>(i), whole.data());
    from.write_target(static_cast<long long>(i), y.data() + i);
    float* to = x.data() + i * size;
    int const row = in.width() * in.channels();
    for (int h = 0; h < out.height(); ++h)
      for (int w = 0; w < out.width(); ++w)
        for (int c = 0; c < out.channels(); ++c) {
          float const* const p = whole.data() + 2 * h * row + 2 * w * in.channels() + c;
          *to++ = (p[0] + p[in.channels()] + p[row] + p[row + in.channels()]) / 4;
        }
  }
  return {out, std::move(x), std::move(y)};
}

}  // namespace sweep
