// Largest stable steps on a quadratic: measured through trainers with injected delays, predicted by theory, in a picture.
//
// The loss is w^2 / 2; a microbatch's gradient is (1 + D) w_F - D w_B, w_F and w_B being what its F and B read: D, the
// discrepancy, is how sensitive the gradient is to their difference (Yang et al. 2021, section 3.2). Every element of the
// parameter has a step of its own, so one run tries many steps at once.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include <foal/delay/discrepancy_correction.hpp>
#include <foal/optim/momentum.hpp>
#include <foal/optim/sgd.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/rows.hpp>
#include <foal/schedule/injected.hpp>
#include <foal/trainer.hpp>

namespace {

using namespace foal;

constexpr int tries = 61;  // steps of one run: 0.7 to 1.3 of the predicted limit, 1 % apart

/// What the layer's functions multiply by; a layer holds no data.
struct problem {
  double sensitivity = 0;
  double step[tries]{};
};
problem now;

/// Something below the quadratic, so that its backward has an input gradient to compute and reads its weights there.
struct ground {
  static constexpr char const* name = "ground";
  static constexpr shape output(shape in) { return in; }
  static constexpr list<parameter> parameters(shape) { return {parameter{"unused", features(1), {}, false}}; }
  template <class C, class S = typename C::scalar>
  static void forward(C&, S const* x, weights<S const>, S* y, saved<S>) {
    y[0] = x[0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const* dy, weights<S const>, saved<S>, S* dx) {
    dx[0] = dy[0];
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, saved<S>, weights<S>) {}
};

struct quadratic {
  static constexpr char const* name = "quadratic";
  static constexpr shape output(shape) { return features(tries); }
  static constexpr list<parameter> parameters(shape) {
    return {parameter{"w", features(tries), {initial::kind::constant, 1, 1}, true}};
  }
  static constexpr list<kept_entry> kept(shape) { return {kept_entry{{tries, 0}, until::B, 0}}; }

  template <class C, class S = typename C::scalar>
  static void forward(C&, S const*, weights<S const> w, S* y, saved<S> s) {
    for (int i = 0; i < tries; ++i) y[i] = s.at(0)[i] = w[0][i];
  }
  template <class C, class S = typename C::scalar>
  static void backward_input(C&, S const*, weights<S const>, saved<S>, S* dx) {
    dx[0] = 0;
  }
  template <class C, class S = typename C::scalar>
  static void backward_weight(C&, S const*, saved<S>, weights<S>) {}
  template <class C, class S = typename C::scalar>
  static void backward(C&, S const*, weights<S const> w, saved<S> s, S* dx, weights<S> dw) {
    for (int i = 0; i < tries; ++i)
      dw[0][i] += now.step[i] * ((1 + now.sensitivity) * s.at(0)[i] - now.sensitivity * w[0][i]);
    dx[0] = 0;
  }
};

struct net : stages<input<1>, ground, quadratic> {};

struct nothing_to_lose {
  using role = foal::role::loss;
  using target = std::int32_t;
  [[maybe_unused]] static constexpr char const* name = "nothing_to_lose";
  static constexpr int targets(shape) { return 1; }
  static constexpr double weight(shape, int samples) { return samples; }
  template <class C>
  loss::loss_result apply(C&, typename C::scalar const*, target const*, double, typename C::scalar* dx) const {
    std::fill_n(dx, tries, 0);
    return {0, 1, 0};
  }
};

struct no_data {
  void inputs(long long, double* x, double*) const { x[0] = 0; }
  void targets(long long, std::int32_t* t) const { t[0] = 0; }
};

template <class... Policies>
using run = trainer<net, nothing_to_lose, schedule::injected, scalar<double>, Policies...>;

/// Largest |w| of each element, over the second sixth of the updates and over the last.
struct watch {
  long long updates;
  double early[tries]{}, late[tries]{};

  void see(executor::bound_stage const& b) {
    if (b.number != 1) return;
    long long const part = 6 * (b.updates - 1) / updates;
    if (part != 1 && part != 5) return;
    double const* const w = reinterpret_cast<double const*>(b.w);
    double* const most = part == 1 ? early : late;
    for (int i = 0; i < tries; ++i) most[i] = std::max(most[i], std::abs(w[i]));
  }
};

/// The largest of the steps around `predicted` below which every one decays: to 1 % of the prediction.
template <class Trainer>
double largest_stable_step(double predicted, int tau, double sensitivity, typename Trainer::config values = {}) {
  now.sensitivity = sensitivity;
  for (int i = 0; i < tries; ++i) now.step[i] = predicted * (0.7 + 0.01 * i);
  values.microbatch_size = values.microbatches = 1;
  values.evaluation = false;
  values.schedule = {{0, tau}};
  values.lr.rate = 1;
  watch seen{1500 + 300LL * tau};
  executor::run_request request;
  request.minibatches = seen.updates;
  request.watch = {&seen, [](void* self, executor::bound_stage const& b) { static_cast<watch*>(self)->see(b); }};
  Trainer t(values);
  require(!t.run(no_data{}, request).diverged, "cannot measure a limit, because a weight left the range of double; ",
          "try fewer updates");
  int stable = 0;
  while (stable < tries && seen.late[stable] < seen.early[stable]) ++stable;
  return stable == 0 ? 0 : now.step[stable - 1] + predicted * 0.005;
}

/// One line of the picture: predicted limits over delays, and what was measured there.
struct family {
  char const* label;
  std::vector<std::pair<int, double>> predicted;
  double (*measure)(double predicted, int tau);
};

std::vector<std::pair<int, double>> plain_delay() {  // lemma 1 of Yang et al. 2021
  std::vector<std::pair<int, double>> limits;
  for (int tau : {1, 2, 3, 5, 8, 10, 15, 20, 30, 40})
    limits.emplace_back(tau, 2 * std::sin(std::numbers::pi / (4 * tau + 2)));
  return limits;
}

/// Roots of the characteristic polynomials of Yang et al. 2021, section 3.
std::vector<family> families() {
  using corrected = run<delay::discrepancy_correction>;
  return {
      {"delay alone", plain_delay(), [](double p, int tau) { return largest_stable_step<run<>>(p, tau, 0); }},
      {"momentum 0.9",
       {{1, .1}, {2, .05125}, {4, .02650}, {8, .01394}, {16, .00749}, {32, .00406}},
       [](double p, int tau) { return largest_stable_step<run<optim::momentum>>(p, tau, 0, {.optim = {.momentum = .9}}); }},
      {"discrepancy 5",
       {{10, .01756}, {20, .00880}},
       [](double p, int tau) { return largest_stable_step<run<>>(p, tau, 5); }},
      {"discrepancy 5, T2",
       {{10, .09730}, {20, .04904}},
       [](double p, int tau) { return largest_stable_step<corrected>(p, tau, 5); }},
      {"discrepancy 10",
       {{10, .00935}, {20, .00468}, {40, .00234}},
       [](double p, int tau) { return largest_stable_step<run<>>(p, tau, 10); }},
      {"discrepancy 10, T2", {{10, .07914}, {40, .01992}}, [](double p, int tau) {
         return largest_stable_step<corrected>(p, tau, 10);
       }}};
}

}  // namespace

int main(int argc, char** argv) {
  std::string picture = "stability.svg", json;
  CLI::App app{"Largest stable steps on a quadratic: measured through foal's policies, and predicted."};
  app.add_option("--svg", picture, "the picture");
  app.add_option("--json", json, "write the table as an array of rows to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    report::line_chart chart{.title = "Largest stable step, predicted (lines) and measured (crosses)",
                             .x_label = "delay in updates",
                             .y_label = "step x curvature",
                             .logarithmic = true};
    report::rows rows;
    for (family const& f : families()) {
      report::curve line{.label = f.label, .x = {}, .y = {}};
      for (auto const& [tau, predicted] : f.predicted) {
        double const measured = f.measure(predicted, tau);
        line.x.push_back(tau);
        line.y.push_back(predicted);
        line.crosses.emplace_back(tau, measured);
        rows.add({{"family", f.label},
                  {"tau", tau},
                  {"predicted", predicted},
                  {"measured", measured},
                  {"ratio", measured / predicted}});
      }
      chart.curves.push_back(std::move(line));
    }
    std::printf("%s", rows.table().text().c_str());
    std::string svg = chart.svg();  // crosses of a chart mark divergence: here they say what was measured
    std::string const from = " diverged after ", to = " measured at a delay of ";
    for (std::size_t at = 0; (at = svg.find(from, at)) != std::string::npos; at += to.size())
      svg.replace(at, from.size(), to);
    report::write_file(picture, svg);
    if (!json.empty()) rows.write(json);
    return 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "stability: %s\n", e.what());
    return 1;
  }
}
