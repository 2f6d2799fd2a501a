// examples/parity: what it writes is what the formulas say, method by method.
#include <foal/data/npy.hpp>

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/support/oracle.hpp"
#include "tests/support/program.hpp"

namespace {

using foal::test::oracle;
using foal::test::work_folder;

constexpr int n = 3, m = 2, samples = 26, minibatches = 12;
constexpr double rate = 0.2;
std::vector<int> const width{64, 32, 32, 10};

/// The input: the same numbers for the program, as files, and for the oracle.
struct problem {
  std::vector<oracle::weights> first;
  oracle::numbers x;
  std::vector<std::int32_t> y;

  explicit problem(work_folder const& folder) {
    for (std::size_t s = 0; s + 1 < width.size(); ++s) {
      int const in = width[s], out = width[s + 1];
      first.push_back({draw(in * out, 1 / std::sqrt(in)), draw(out, 0.1)});
      std::string const number = std::to_string(s + 1) + ".npy";
      foal::data::write_npy(folder.path("in/init_W" + number), {in, out}, first.back().w.data());
      foal::data::write_npy(folder.path("in/init_b" + number), {out}, first.back().b.data());
    }
    x = draw(samples * width.front(), 1);
    for (int i = 0; i < samples; ++i) y.push_back(i * 7 % width.back());
    foal::data::write_npy(folder.path("in/x.npy"), {samples, width.front()}, x.data());
    foal::data::write_npy(folder.path("in/y.npy"), {samples}, y.data());
  }

  oracle::numbers draw(int count, double size) {
    oracle::numbers all;
    for (int i = 0; i < count; ++i, ++drawn_) all.push_back(size * std::sin(drawn_ * drawn_));
    return all;
  }

  /// Microbatch k is rows k M .. k M + M - 1, modulo their number.
  void batch(long long k, oracle::numbers& rows, std::vector<int>& label) const {
    rows.clear();
    label.clear();
    for (long long i = k * m; i < (k + 1) * m; ++i) {
      auto const row = x.begin() + i % samples * width.front();
      rows.insert(rows.end(), row, row + width.front());
      label.push_back(y[static_cast<std::size_t>(i % samples)]);
    }
  }

 private:
  double drawn_ = 1;
};

/// What the runs vary.
struct method {
  std::vector<int> delay;
  bool stash = false, t2 = false;
  long long t1 = 0, t3 = 0;
};

}  // namespace

TEST_CASE("parity: weights, losses and versions are those of the plain loop", "[program]") {
  work_folder const folder("parity");
  problem const given(folder);
  std::string const sizes = foal::sentence("in out --net 3 --micro ", n, " --mbsize ", m, " --minibatches ", minibatches,
                                           " --lr ", rate, " --momentum 0.9 ");

  auto const agrees = [&](std::string const& arguments, method const& how) {
    INFO(arguments);
    oracle o;
    o.delay = how.delay;
    o.stash = how.stash;
    o.t2 = o.exact = how.t2;
    o.decay = 0.3;
    o.t1_steps = how.t1;
    o.warmup = how.t3;
    o.width = width;
    o.n = n;
    o.samples = m;
    o.mu = 0.9;
    o.base = [](long long) { return rate; };
    o.batch = [&](long long k, oracle::numbers& rows, std::vector<int>& label) { given.batch(k, rows, label); };
    o.start(given.first);
    o.train(minibatches);
    auto const r = folder.run(FOAL_PROGRAM, sizes + arguments);
    INFO(r.text);
    REQUIRE(r.status == 0);

    auto const weights = foal::data::read_npy<double>(folder.path("out/traj.npy"));
    long long const parameters = static_cast<long long>(o.flat(0).size());
    REQUIRE(weights.extent == std::vector<long long>{minibatches + 1, parameters});
    double furthest = 0;
    for (std::size_t v = 0; v <= minibatches; ++v) {
      auto const wanted = o.flat(v);
      for (std::size_t i = 0; i < wanted.size(); ++i)
        furthest = std::max(furthest, std::abs(weights.values[v * wanted.size() + i] - wanted[i]));
    }
    CHECK(furthest < 1e-12);

    auto const loss = foal::data::read_npy<double>(folder.path("out/mb_loss.npy"));
    REQUIRE(loss.extent == std::vector<long long>{minibatches * n});
    for (std::size_t k = 0; k < loss.values.size(); ++k) CHECK(loss.values[k] == Approx(o.loss[k] / m).epsilon(1e-12));

    auto const versions = foal::data::read_npy<std::int32_t>(folder.path("out/versions.npy"));
    REQUIRE(versions.extent == std::vector<long long>{minibatches * n, 3, 2});
    CHECK(std::vector<long long>(versions.values.begin(), versions.values.end()) == o.read);
  };

  agrees("--method gpipe", {.delay = {0, 0, 0}, .t3 = minibatches});
  agrees("--method pipedream", {.delay = {5, 3, 1}, .stash = true});
  agrees("--method vertical_sync --workers 2", {.delay = {5, 5, 5}, .stash = true});
  agrees("--method two_bw --schedule 1f1b --workers 3", {.delay = {n, n, n}, .stash = true});
  agrees("--method pipemare --schedule injected --delays 9,4,0", {.delay = {9, 4, 0}});
  agrees("--method pipedream --schedule injected --delays 9,4,0 --workers 3", {.delay = {9, 4, 0}, .stash = true});
  agrees("--method pipemare --workers 3 --warmup 3 --t1-steps 5 --t2-decay 0.3 --t2-delay exact",
         {.delay = {5, 3, 1}, .t2 = true, .t1 = 5, .t3 = 3});

  auto const late = folder.run(FOAL_PROGRAM, sizes + "--method two_bw");
  CHECK(late.status == 1);
  CHECK(late.text.find("needs d_0 <= N, and the schedule's delay at stage 0 is 5 > 3") != std::string::npos);
  auto const refused = folder.run(FOAL_PROGRAM, sizes + "--method gpipe --warmup 3");
  CHECK(refused.status == 1);
  CHECK(refused.text.find("cannot use T1, T2 or T3 with --method gpipe") != std::string::npos);
}
