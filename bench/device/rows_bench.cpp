// Norms and the softmax's loss against plain passes over arrays of the same size. rows_bench [--json FILE] [--rounds N]
//
// Each op stands against a pass that reads and writes as many arrays: its time over the op's, so that 1 is the speed of the
// memory. Arrays of 24,000 floats lie in the second cache, those of 24 million in none. An op that must have seen all of an
// array before it writes (the moments of batch norm: mean, then distances from it) is counted with what it must read.
#include <cmath>
#include <string>
#include <vector>

#include <foal/device/host.hpp>
#include <foal/executor/drive.hpp>

#include "../support/host_arrays.hpp"
#include "../support/outcome.hpp"

namespace {

using device = foal::device::host;

struct arrays : bench::host_arrays {
  enum name { x, y, z, count };

  explicit arrays(std::size_t elements) : host_arrays(elements, count) {
    for (std::size_t i = 0; i < n; ++i) at(x)[i] = 0.001F * static_cast<float>(i * 7 % 1999) - 1;
    std::copy_n(at(x), n, at(y));
    std::copy_n(at(x), n, at(z));
  }
};

struct copied {
  void operator()(float const& from, float& to) const { to = from; }
};
struct copied_twice {
  void operator()(float const& from, float& to, float& too) const {
    to = from;
    too = from;
  }
};
struct added {
  void operator()(float const& a, float const& b, float& to) const { to = a + b; }
};
/// In place.
struct added_to {
  void operator()(float& a, float const& b) const { a += b; }
};

/// An op beside its pass.
class contest {
 public:
  contest(bench::outcome& out, arrays& of, int rounds) : out_(out), of_(of), rounds_(rounds) {}

  template <class Op, class Pass>
  void operator()(std::string const& what, Op op, Pass pass) {
    std::size_t const repeats = std::max<std::size_t>(1, (std::size_t{1} << 21U) / of_.n);
    auto const time = [&](auto& f) {
      return bench::seconds_of([&] {
        for (std::size_t i = 0; i < repeats; ++i) f();
      });
    };
    auto const times = bench::take_turns(
        rounds_, [&] { return time(op); }, [&] { return time(pass); });
    out_.add(std::to_string(of_.n / 1000) + "k, " + what, bench::ratio_of(times[1], times[0]), "");
  }

 private:
  bench::outcome& out_;
  arrays& of_;
  int rounds_;
};

void measure(bench::outcome& out, std::size_t n, int rounds) {
  arrays of(n);
  device& host = of.host;
  float *const x = of.at(arrays::x), *const y = of.at(arrays::y), *const z = of.at(arrays::z);
  float const *const in = x, *const kept = z;
  contest contest(out, of, rounds);
  double seen = 0;
  auto const copy = [&] { host.map(n, copied{}, in, y); };
  auto const copy_twice = [&] { host.map(n, copied_twice{}, in, y, z); };
  auto const add = [&] { host.map(n, added{}, in, kept, y); };
  auto const add_to = [&] { host.map(n, added_to{}, y, kept); };
  auto const read = [&] { seen += host.magnitude_bound(n, in); };
  auto const read_two = [&] { seen += host.magnitude_bound(n, in) + host.magnitude_bound(n, kept); };

  for (int const channels : {16, 64, 256}) {
    int const rows = static_cast<int>(n) / channels;
    std::vector<float> mean(256, 0.1F), spread(256, 1.1F), scale(256, 0.9F), shift(256, 0.2F), sum(256), more(256);
    std::string const name = "batch norm, " + std::to_string(channels) + " channels: ";
    contest(
        name + "moments (two reads)", [&] { host.moments(rows, channels, in, sum.data(), more.data()); },
        [&] {
          read();
          read();
        });
    contest(
        name + "normalise",
        [&] { host.normalise(rows, channels, in, mean.data(), spread.data(), scale.data(), shift.data(), z, y); },
        copy_twice);
    contest(
        name + "sums of gradients",
        [&] { host.sums_of_rows_and_products(rows, channels, in, kept, sum.data(), more.data()); }, read_two);
    contest(
        name + "gradient",
        [&] {
          host.normalise_gradient(rows, channels, in, kept, spread.data(), scale.data(), mean.data(), shift.data(), y);
        },
        add);
  }
  std::vector<float> inverse(n / 64 + 1);
  for (int const channels : {64, 256, 768}) {
    int const rows = static_cast<int>(n) / channels;
    std::vector<float> scale(768, 0.9F), shift(768, 0.2F);
    std::string const name = "layer norm, " + std::to_string(channels) + " channels: ";
    contest(
        name + "forward",
        [&] { host.layer_normalise(rows, channels, 1e-5, in, scale.data(), shift.data(), z, inverse.data(), y); },
        copy_twice);
    contest(
        name + "forward, nothing kept",
        [&] {
          host.layer_normalise(rows, channels, 1e-5, in, scale.data(), shift.data(), static_cast<float*>(nullptr),
                               static_cast<float*>(nullptr), y);
        },
        copy);
    contest(
        name + "gradient", [&] { host.layer_normalise_gradient(rows, channels, in, kept, inverse.data(), scale.data(), y); },
        add);
    contest(
        name + "gradient in place",
        [&] { host.layer_normalise_gradient(rows, channels, y, kept, inverse.data(), scale.data(), y); }, add_to);
  }
  for (int const classes : {10, 1000, 8000}) {
    int const rows = static_cast<int>(n) / classes;
    std::vector<std::int32_t> const target(static_cast<std::size_t>(rows), 3);
    std::string const name = "softmax and loss, " + std::to_string(classes) + " classes: ";
    contest(
        name + "with gradient",
        [&] { seen += host.softmax_cross_entropy(rows, classes, in, target.data(), 0.0, 1.0, y).sum; }, copy);
    contest(
        name + "with gradient, smoothed",
        [&] { seen += host.softmax_cross_entropy(rows, classes, in, target.data(), 0.1, 1.0, y).sum; }, copy);
    contest(
        name + "loss alone",
        [&] {
          seen += host.softmax_cross_entropy(rows, classes, in, target.data(), 0.0, 1.0, static_cast<float*>(nullptr)).sum;
        },
        read);
  }
  foal::require(std::isfinite(seen), "cannot trust these times, because a sum is ", seen, "; look at the ops");
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 15);
    bench::outcome out("rows_bench", options);
    foal::executor::pin_to_cpu(0);
    for (std::size_t const n : {24'000U, 24'000'000U}) measure(out, n, options.rounds);
    return out.finish();
  });
}
