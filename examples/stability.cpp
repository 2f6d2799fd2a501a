// Largest stable steps on a quadratic: measured through trainers with injected delays, predicted by theory, in a picture.
//
// One run tries many steps at once (stability/quadratic.hpp).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include <foal/core/atomic_file.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/optim/sgd.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/rows.hpp>

#include "options/arguments.hpp"
#include "options/results.hpp"
#include "stability/quadratic.hpp"

namespace {

using namespace foal;

constexpr int tries = 61;  // steps of one run: 0.7 to 1.3 of the predicted limit, 1 % apart

template <class... Policies>
using run = stability::run<tries, Policies...>;

/// The largest of the steps around `predicted` below which every one decays: to 1 % of the prediction.
template <class Trainer>
double largest_stable_step(double predicted, int tau, double sensitivity, typename Trainer::config values = {}) {
  auto& now = stability::now<tries>;
  now.sensitivity = sensitivity;
  for (int i = 0; i < tries; ++i) now.step[i] = predicted * (0.7 + 0.01 * i);
  values.lr.rate = 1;
  auto const seen = stability::amplitudes_of<Trainer>(values, tau, 1500 + 300LL * tau);
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
  try {
    options::arguments a("Largest stable steps on a quadratic: measured through foal's policies, and predicted.");
    a.output("--svg", picture, "the picture");
    a.output("--json", json, "write the table as an array of rows to this file");
    if (!a.parse(argc, argv)) return 0;
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
    options::results written("stability");
    written.write(picture, [&](std::string const& path) { foal::write_file(path, svg); });
    written.write(json, [&](std::string const& path) { rows.write(path); });
    return written.status();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "stability: %s\n", e.what());
    return 1;
  }
}
