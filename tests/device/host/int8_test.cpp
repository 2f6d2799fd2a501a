// Quantised rows against the definition in double, at any length, with and without feedback, and at the edges of float.
#include <foal/device/host/int8.hpp>

#include <catch2/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include <foal/core/random.hpp>

namespace {

using foal::device::host_ops::int8_ops;
using Limits = std::numeric_limits<float>;

struct message {
  std::vector<float> scale, back;
  std::vector<std::int8_t> q;
};

message send(std::size_t row, std::vector<float> const& x, std::vector<float>* error = nullptr) {
  std::size_t const rows = x.size() / row;
  message m{std::vector<float>(rows), std::vector<float>(x.size()), std::vector<std::int8_t>(x.size())};
  int8_ops::quantise(rows, row, x.data(), error == nullptr ? nullptr : error->data(), m.scale.data(), m.q.data());
  int8_ops::dequantise(rows, row, m.scale.data(), m.q.data(), m.back.data());
  return m;
}

/// Values of very different sizes, with a mean.
std::vector<float> values(std::size_t n, std::uint64_t number) {
  std::vector<float> x(n);
  foal::random_key const key{3, foal::purpose::user, 0, number};
  for (std::size_t i = 0; i < n; ++i) {
    auto const e = static_cast<std::uint32_t>(i);
    float const size =
        std::ldexp(1.0F, static_cast<int>(foal::random_word({3, foal::purpose::user, 1, number}, e) % 16) - 12);
    x[i] = size * (2 * static_cast<float>(foal::random_unit(key, e)) - 0.8F);
  }
  return x;
}

}  // namespace

TEST_CASE("Each row has a scale of its own, and its values are the nearest multiples, ties to even", "[int8]") {
  for (std::size_t row : {1U, 4U, 7U, 16U, 33U, 64U, 250U}) {
    for (std::size_t rows : {1U, 3U}) {
      CAPTURE(row, rows);
      auto const x = values(row * rows, row);
      message const m = send(row, x);
      for (std::size_t r = 0; r < rows; ++r) {
        double most = 0;
        for (std::size_t i = 0; i < row; ++i) most = std::max(most, std::abs(static_cast<double>(x[r * row + i])));
        double const scale = most / 127;
        CHECK(m.scale[r] == Approx(scale).epsilon(1e-6));
        bool reached = false;
        for (std::size_t i = 0; i < row; ++i) {
          std::size_t const at = r * row + i;
          double const exact = static_cast<double>(x[at]) / scale, off = std::abs(exact - std::nearbyint(exact));
          if (std::abs(off - 0.5) > 1e-4) CHECK(m.q[at] == static_cast<int>(std::nearbyint(exact)));
          CHECK(std::abs(static_cast<int>(m.q[at])) <= 127);
          reached = reached || std::abs(static_cast<int>(m.q[at])) == 127;
          CHECK(m.back[at] == static_cast<float>(m.q[at]) * m.scale[r]);
          CHECK(std::abs(static_cast<double>(m.back[at]) - static_cast<double>(x[at])) <= scale * (0.5 + 0x1p-16));
        }
        CHECK(reached);
        // a row alone has the same bits
        message const alone = send(
            row, {x.begin() + static_cast<std::ptrdiff_t>(r * row), x.begin() + static_cast<std::ptrdiff_t>((r + 1) * row)});
        CHECK(alone.scale[0] == m.scale[r]);
        CHECK(std::equal(alone.q.begin(), alone.q.end(), m.q.begin() + static_cast<std::ptrdiff_t>(r * row)));
      }
    }
  }
  message const ties = send(8, {127, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -126.5F, 3});
  CHECK(ties.scale[0] == 1);
  CHECK(ties.q == std::vector<std::int8_t>{127, 0, 2, 2, 0, -2, -126, 3});
}

TEST_CASE("Zeros stay zeros, values that are not finite are seen, tiny rows go out as zeros", "[int8]") {
  float const infinity = Limits::infinity(), nan = Limits::quiet_NaN();
  message const zero = send(4, {0, -0.0F, 0, 0, 1, 2, 3, 4});
  CHECK(zero.scale[0] == 0);
  CHECK(std::vector<float>(zero.back.begin(), zero.back.begin() + 4) == std::vector<float>(4, 0.0F));
  CHECK(zero.back[7] == Approx(4));
  for (float bad : {infinity, -infinity, nan, -nan})
    for (std::size_t at : {0U, 5U, 16U})
      for (bool feedback : {false, true}) {
        std::vector<float> x = values(34, 5), error(34, 0.25F);
        x[at] = bad;
        message const m = send(17, x, feedback ? &error : nullptr);
        for (std::size_t i = 0; i < 17; ++i) CHECK(std::isnan(m.back[i]));
        for (std::size_t i = 17; i < 34; ++i) CHECK(std::isfinite(m.back[i]));  // the other row
        if (feedback) CHECK(std::count(error.begin(), error.begin() + 17, 0.0F) == 17);
      }
  std::vector<float> large(5, 0.75F * Limits::max()), more = large;
  CHECK(std::isfinite(send(5, large).back[0]));
  CHECK(send(5, {0.999F * Limits::max(), 0, 0, 0, 1}).back[0] == Approx(0.999F * Limits::max()));
  CHECK(std::isnan(send(5, large, &more).back[0]));  // the sum overflows
  float const least = 127 * Limits::min();
  CHECK(send(2, {least, -least}).back == std::vector<float>{least, -least});
  CHECK(send(2, {least / 2, 0}).back == std::vector<float>{0, 0});
  std::vector<float> kept{0, 0};
  send(2, {least / 2, 0}, &kept);
  CHECK(kept == std::vector<float>{least / 2, 0});
}

TEST_CASE("With feedback the sum of messages is the sum of what was given, to one scale, without it is not", "[int8]") {
  // Beside a value of 127 the scale is 1, so 0.3 is rounded to zero every time.
  std::vector<float> const x{127, 0.3F, -0.3F, 0.45F};
  std::vector<float> error(4, 0.0F);
  double with[4]{}, without[4]{};
  int const messages = 1000;
  for (int k = 0; k < messages; ++k) {
    message const a = send(4, x, &error), b = send(4, x);
    for (std::size_t i = 0; i < 4; ++i)
      with[i] += static_cast<double>(a.back[i]), without[i] += static_cast<double>(b.back[i]);
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(with[i] - (k + 1) * static_cast<double>(x[i])) <= 1.0);
  }
  CHECK(without[1] == 0);
  CHECK(std::abs(without[1] - messages * static_cast<double>(x[1])) > 299);

  // Of any rows: given so far = received so far + error, and the error is at most half of the last scale.
  std::size_t const row = 37, rows = 5;
  std::vector<double> given(row * rows, 0), got(row * rows, 0);
  std::vector<float> owed(row * rows, 0.0F);
  for (std::uint64_t k = 0; k < 50; ++k) {
    auto const now = values(row * rows, 100 + k);
    message const m = send(row, now, &owed);
    for (std::size_t i = 0; i < given.size(); ++i) {
      given[i] += static_cast<double>(now[i]);
      got[i] += static_cast<double>(m.back[i]);
      double const scale = static_cast<double>(m.scale[i / row]);
      CHECK(std::abs(given[i] - got[i] - static_cast<double>(owed[i])) < 1e-4);
      CHECK(std::abs(static_cast<double>(owed[i])) <= scale * (0.5 + 0x1p-16));
    }
  }
}

TEST_CASE("A row of zeros leaves its errors for the next one", "[int8]") {
  std::vector<float> error{0.25F, 0.4F, -0.25F, 0};
  message const silent = send(4, {0, 0, -0.0F, 0}, &error);
  CHECK(silent.back == std::vector<float>(4, 0.0F));
  CHECK(error == std::vector<float>{0.25F, 0.4F, -0.25F, 0});
  message const next = send(4, {126.75F, 0.4F, 0.25F, 0}, &error);
  CHECK(next.back == std::vector<float>{127, 1, 0, 0});
  CHECK(error[1] == Approx(-0.2F));
}
