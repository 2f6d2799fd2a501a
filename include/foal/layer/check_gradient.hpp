// Checks the backward functions of a layer of one's own against central differences of its forward.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/layer/alone.hpp>

namespace foal {

/// An entry that a layer reads beside its input (`reads`). Values that are given, lengths for example, are taken as they are
/// and have no gradient; without, they are drawn, and their gradient is checked.
struct read_entry {
  shape extent{};
  std::vector<double> values{};  ///< of all samples
};

struct gradient_options {
  int samples = 3;
  unsigned seed = 1;
  double step = 1e-5;       ///< of the differences
  double tolerance = 1e-6;  ///< of an element, beside its size and the root mean square of its array
  std::vector<read_entry> reads{};
};

/// What check_gradient() has found.
struct gradient_report {
  double worst = 0;   ///< largest error so measured
  std::string fault;  ///< empty: none; else the sentence that names function, gradient and element

  explicit operator bool() const { return fault.empty(); }
};

namespace alone {

/// d objective / d v by central differences, v one of the run's own arrays.
template <class Run>
std::vector<double> numeric_gradient(Run& run, std::vector<double>& v, double step = 1e-5) {
  std::vector<double> out;
  for (double& value : v) {
    double const kept = value;
    value = kept + step;
    double const above = run.objective();
    value = kept - step;
    double const below = run.objective();
    value = kept;
    out.push_back((above - below) / (2 * step));
  }
  return out;
}

/// Notes the first element that differs by more than the tolerance.
struct gradient_judge {
  char const* layer;
  double tolerance;
  gradient_report report{};

  template <class Given, class Expected>
  void compare(char const* function, std::string const& what, char const* with, Given const& given,
               Expected const& expected) {
    double squares = 0;
    for (double const e : expected) squares += e * e;
    double const size = std::sqrt(squares / static_cast<double>(std::max<std::size_t>(expected.size(), 1)));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      double const room = std::abs(expected[i]) + size;
      double const error = room > 0 ? std::abs(given[i] - expected[i]) / room : std::abs(given[i]);
      if (std::isnan(error) || error > report.worst) report.worst = error;
      if (error <= tolerance || !report.fault.empty()) continue;
      report.fault =
          sentence("cannot trust ", function, " of ", layer, ", because element ", i, " of ", what, " is ", given[i],
                   " where ", with, " ", expected[i], "; ",
                   std::isfinite(given[i]) ? "mend the function, or let kept() say until when it needs what it reads"
                                           : "it reads what nobody has written, or what kept() does not keep so long");
    }
  }
};

}  // namespace alone

/// Runs Layer in double on `samples` samples of the shape `in`, with drawn inputs and parameters, and compares with central
/// differences of forward: dx, the gradient of every parameter, with backward_weight before and after backward_input and
/// twice in a row (it adds), the gradients of the entries that it reads, and, where the layer has them, the fused backward
/// and both in place. What the layer may not rely on is overwritten with NaN first. Forward has to be smooth there: a kink
/// within a step counts as an error. Throws foal::error where Layer does not accept the shape.
template <class Layer>
gradient_report check_gradient(shape in, gradient_options const& options = {}) {
  using run = alone::layer_run<Layer, double>;
  if constexpr (requires { Layer::accepts(in); })
    require(Layer::accepts(in), "cannot check the gradient of ", Layer::name, ", because it does not accept ", in.extent[0],
            " x ", in.extent[1], " x ", in.extent[2], "; give a shape that it accepts");
  require(options.samples > 0 && options.step > 0, "cannot check the gradient of ", Layer::name, ", because there are ",
          options.samples, " samples and a step of ", options.step, "; give numbers above 0");
  run r(in, options.samples, options.seed);
  for (std::size_t e = 0; e < options.reads.size(); ++e) {
    auto const& read = options.reads[e];
    r.read_also(read.extent, read.values.empty() ? alone::random_numbers<double>(
                                                       r.count(read.extent), options.seed + 50 + static_cast<unsigned>(e))
                                                 : read.values);
  }
  alone::gradient_judge judge{Layer::name, options.tolerance};
  constexpr char const* differences = "central differences give";

  auto const dx = numeric_gradient(r, r.x, options.step);
  std::vector<std::vector<double>> dw, dread;
  for (auto& p : r.parameters) dw.push_back(numeric_gradient(r, p, options.step));
  for (std::size_t e = 0; e < r.reads.size(); ++e)
    dread.push_back(options.reads[e].values.empty() ? numeric_gradient(r, r.reads[e], options.step) : std::vector<double>());

  auto const zero = [&r] {
    for (auto& g : r.gradients) std::fill(g.begin(), g.end(), 0.0);
    for (auto& g : r.read_gradients) std::fill(g.begin(), g.end(), 0.0);
  };
  auto const compare_weights = [&](char const* function, double times, char const* what) {
    auto const declared = alone::parameters_of<Layer>(in);
    for (std::size_t p = 0; p < dw.size(); ++p) {
      std::vector<double> expected = dw[p];
      for (double& v : expected) v *= times;
      judge.compare(function, sentence("the gradient of ", declared[static_cast<int>(p)].name, what), differences,
                    r.gradients[p], expected);
    }
  };

  r.forward();
  r.backward_weight();  // alone: below the lowest layer that trains there is no backward_input
  compare_weights("backward_weight", 1, ", before backward_input,");
  zero();
  r.forward();
  r.backward_input();
  judge.compare("backward_input", "dx", differences, r.dx, dx);
  for (std::size_t e = 0; e < dread.size(); ++e)
    judge.compare("backward_input", sentence("the gradient of entry ", e, " that it reads"), differences,
                  r.read_gradients[e], dread[e]);
  r.backward_weight();
  compare_weights("backward_weight", 1, ", after backward_input,");
  r.backward_weight();
  compare_weights("backward_weight", 2, ", to which it adds a second time,");
  if constexpr (alone::has_fused_backward<Layer, double>) {
    zero();
    r.forward();
    r.backward();
    judge.compare("backward", "dx", differences, r.dx, dx);
    compare_weights("backward", 1, "");
  }
  if constexpr (alone::in_place_of<Layer>()) {
    r.forward();
    auto const y = r.y;
    judge.compare("forward", "y over x", "apart they are", r.forward_in_place(), y);
    r.forward();
    r.backward_input();
    auto const apart = r.dx;
    judge.compare("backward_input", "dx over dy", "apart they are", r.backward_input_in_place(), apart);
  }
  return judge.report;
}

}  // namespace foal
