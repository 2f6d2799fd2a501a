// Handwritten-like digits from a seed: the data that foal carries with it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/core/random.hpp>
#include <foal/data/glyphs.hpp>
#include <foal/data/split.hpp>

namespace foal::data {

/// What to write. Sample i of a split is a function of (seed, split, i, size).
struct handwriting {
  int train = 4000;
  int test = 1000;
  std::uint64_t seed = 1;
  int size = 8;  ///< height and width in pixels, 8 to 64
};

namespace detail {

/// Writes one digit. Integers throughout, so that the pixels are the same with every compiler and every flag.
///
/// Lengths are 1/64 of a fine cell; a pixel is 4 x 4 fine cells, and its value counts those that the pen has covered.
class writer {
 public:
  explicit writer(int size) : size_(size), cells_(static_cast<std::size_t>(16 * size * size)) {}

  /// Writes `digit` into size * size pixels. The random numbers come from `key` alone.
  void write(random_key const& key, int digit, std::uint8_t* pixels) {
    key_ = key;
    next_ = 0;
    std::fill(cells_.begin(), cells_.end(), std::uint8_t{0});
    lay_out(pick(digit));
    ink();
    develop(pixels);
  }

 private:
  struct place {
    std::int64_t x, y;
  };
  static constexpr std::int64_t unit = 64;

  /// Between low and high, each as likely.
  std::int64_t draw(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>((random_word(key_, next_++) * static_cast<std::uint64_t>(high - low + 1)) >> 32U);
  }
  /// In [-reach, reach], small values more likely: the mean of three draws.
  std::int64_t around(std::int64_t reach) { return (draw(-reach, reach) + draw(-reach, reach) + draw(-reach, reach)) / 3; }

  glyph const& pick(int digit) {
    auto const of_digit = [&](glyph const& g) { return g.digit == digit; };
    auto const all = std::count_if(std::begin(glyphs), std::end(glyphs), of_digit);
    auto const first = std::find_if(std::begin(glyphs), std::end(glyphs), of_digit);
    return *(first + draw(0, all - 1));
  }

  /// Rounds the strokes' corners, bends them, and moves them into the fine cells.
  void lay_out(glyph const& g) {
    path_.clear();
    ends_.clear();
    int last = glyph::most;
    while (g.place[last - 1].x < 0) --last;
    stroke_.clear();
    for (int i = 0; i <= last; ++i) {
      if (i < last && g.place[i].x >= 0) {
        bool const corner = i > 0 && g.place[i].x == g.place[i - 1].x && g.place[i].y == g.place[i - 1].y;
        stroke_.push_back(corner ? stroke_.back()
                                 : place{g.place[i].x * 16 + around(wobble), g.place[i].y * 16 + around(wobble)});
      } else {
        round(stroke_);
        path_.insert(path_.end(), stroke_.begin(), stroke_.end());
        ends_.push_back(path_.size());
        stroke_.clear();
      }
    }
    place_path();
  }

  /// Two rounds of corner cutting (Chaikin 1974): an integer way to a smooth curve.
  void round(std::vector<place>& points) {
    for (int pass = 0; pass < 2 && points.size() > 2; ++pass) {
      cut_.assign(1, points.front());
      for (std::size_t i = 0; i + 1 < points.size(); ++i) {
        place const a = points[i], b = points[i + 1];
        if (i > 0) cut_.push_back({(3 * a.x + b.x) / 4, (3 * a.y + b.y) / 4});
        if (i + 2 < points.size()) cut_.push_back({(a.x + 3 * b.x) / 4, (a.y + 3 * b.y) / 4});
      }
      cut_.push_back(points.back());
      points.swap(cut_);
    }
  }

  /// A random affine map, then a random place at which the digit is (almost) wholly inside.
  void place_path() {
    std::int64_t const canvas = 4 * size_ * unit;
    std::int64_t const tall = draw(least_height, most_height);  // in 1/1000 of the canvas
    std::int64_t const wide = tall * draw(least_width, most_width) / 1000;
    std::int64_t const slant = around(most_slant), turn = around(most_turn);  // in 1/1000
    place low{canvas, canvas}, high{-canvas, -canvas};
    for (place& p : path_) {
      std::int64_t const x = (p.x - 30 * 16) * wide * canvas / (1000 * 100 * 16),
                         y = (p.y - 50 * 16) * tall * canvas / (1000 * 100 * 16);
      std::int64_t const sx = x - slant * y / 1000;
      p = {sx - turn * y / 1000, y + turn * sx / 1000};
      low = {std::min(low.x, p.x), std::min(low.y, p.y)};
      high = {std::max(high.x, p.x), std::max(high.y, p.y)};
    }
    radius_ = canvas * draw(least_pen, most_pen) / 1000;
    std::int64_t const inset = radius_ / 2;
    auto const anywhere = [&](std::int64_t from, std::int64_t to) {
      std::int64_t const least = inset - from, most = canvas - inset - to;
      return least < most ? draw(least, most) : (least + most) / 2;
    };
    std::int64_t const right = anywhere(low.x, high.x), down = anywhere(low.y, high.y);
    for (place& p : path_) p = {p.x + right, p.y + down};
  }

  /// Covers every fine cell whose centre is nearer to a stroke than the pen's radius.
  void ink() {
    std::size_t start = 0;
    for (std::size_t const end : ends_) {
      for (std::size_t i = start; i + 1 < end; ++i) line(path_[i], path_[i + 1]);
      start = end;
    }
  }

  void line(place a, place b) {
    int const side = 4 * size_;
    auto const cell = [&](std::int64_t v) { return static_cast<int>(std::clamp<std::int64_t>(v / unit, 0, side - 1)); };
    place const d{b.x - a.x, b.y - a.y};
    std::int64_t const length2 = d.x * d.x + d.y * d.y, reach2 = radius_ * radius_;
    for (int row = cell(std::min(a.y, b.y) - radius_); row <= cell(std::max(a.y, b.y) + radius_); ++row)
      for (int column = cell(std::min(a.x, b.x) - radius_); column <= cell(std::max(a.x, b.x) + radius_); ++column) {
        place const p{column * unit + unit / 2 - a.x, row * unit + unit / 2 - a.y};
        std::int64_t const along = p.x * d.x + p.y * d.y, across = p.x * d.y - p.y * d.x;
        bool covered = false;
        if (along <= 0)
          covered = p.x * p.x + p.y * p.y < reach2;
        else if (along >= length2)
          covered = (p.x - d.x) * (p.x - d.x) + (p.y - d.y) * (p.y - d.y) < reach2;
        else
          covered = across * across < reach2 * length2;  // the distance is |across| / length: no root, no division
        if (covered) cells_[static_cast<std::size_t>(row * side + column)] = 1;
      }
  }

  /// Counts the covered cells of every pixel, and adds faint ink and noise.
  void develop(std::uint8_t* pixels) {
    int const side = 4 * size_;
    std::int64_t const strength = draw(least_ink, 255);
    for (int row = 0; row < size_; ++row)
      for (int column = 0; column < size_; ++column) {
        int covered = 0;
        for (int i = 0; i < 16; ++i)
          covered += cells_[static_cast<std::size_t>((4 * row + i / 4) * side + 4 * column + i % 4)];
        std::int64_t const value = covered * strength / 16 + around(noise);
        *pixels++ = static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 255));
      }
  }

  // Tuned so that a linear classifier fails often and a small convolutional net seldom.
  static constexpr std::int64_t wobble = 110;                           // of 1600 for the height of a digit
  static constexpr std::int64_t least_height = 680, most_height = 900;  // of 1000 for the canvas
  static constexpr std::int64_t least_width = 750, most_width = 1250;   // of 1000 for the natural width
  static constexpr std::int64_t most_slant = 450, most_turn = 300;      // of 1000 for 45 degrees
  static constexpr std::int64_t least_pen = 45, most_pen = 75;          // radius, of 1000 for the canvas
  static constexpr std::int64_t least_ink = 150, noise = 40;            // of 255

  int size_;
  random_key key_{};
  std::uint32_t next_ = 0;
  std::int64_t radius_ = 0;
  std::vector<std::uint8_t> cells_;
  std::vector<place> path_, stroke_, cut_;
  std::vector<std::size_t> ends_;
};

}  // namespace detail

/// Writes labelled digits, balanced over the ten classes (sample i shows i modulo 10), in strokes that vary in form, slant,
/// size, place, thickness and ink. A linear classifier stays below 90 % on the 8 x 8 default; a small convolutional net
/// passes 97 %.
inline dataset handwritten(handwriting what = {}) {
  require(what.train > 0 && what.test > 0, "cannot write digits, because ", what.train, " training and ", what.test,
          " test samples are asked for; ask for at least 1 of each");
  require(what.size >= 8 && what.size <= 64, "cannot write digits, because their size is ", what.size,
          " pixels where 8 to 64 are expected; choose such a size");
  detail::writer writer(what.size);
  auto const pixels_per_digit = static_cast<std::size_t>(what.size) * static_cast<std::size_t>(what.size);
  auto const write = [&](int count, std::uint32_t which) {
    std::pair<std::vector<std::uint8_t>, std::vector<std::int32_t>> result;
    result.first.resize(static_cast<std::size_t>(count) * pixels_per_digit);
    for (int i = 0; i < count; ++i) {
      result.second.push_back(i % 10);
      writer.write({what.seed, purpose::synthetic, which, static_cast<std::uint64_t>(i)}, i % 10,
                   result.first.data() + static_cast<std::size_t>(i) * pixels_per_digit);
    }
    return result;
  };
  auto [train, train_labels] = write(what.train, 0);
  auto [test, test_labels] = write(what.test, 1);
  shape const sample = image(1, what.size, what.size);
  normalisation const scale = normalisation::measure(1, train);
  return {split(sample, 10, std::move(train), std::move(train_labels), scale),
          split(sample, 10, std::move(test), std::move(test_labels), scale), "handwritten"};
}

}  // namespace foal::data
