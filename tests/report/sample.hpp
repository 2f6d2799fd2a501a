// Made-up results of a comparison of six methods, for the tests of the report and to look at its pages.
#pragma once

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <foal/core/random.hpp>
#include <foal/report/bar_chart.hpp>
#include <foal/report/chart.hpp>
#include <foal/report/html.hpp>
#include <foal/report/statistics.hpp>
#include <foal/report/trace_svg.hpp>

namespace sample {

namespace report = foal::report;

inline std::vector<std::string> const methods = {"gpipe", "pipedream", "none", "t1", "t1t2", "t1t2t3"};

inline double noise(int method, int seed, int at) {
  foal::random_key const key{.seed = static_cast<std::uint64_t>(seed), .layer = static_cast<std::uint32_t>(method)};
  return static_cast<double>(foal::random_unit(key, static_cast<std::uint32_t>(at))) - 0.5;
}

inline std::vector<double> epochs() {
  std::vector<double> x;
  for (int e = 1; e <= 20; ++e) x.push_back(e);
  return x;
}

/// One seed's curve; the uncorrected method diverges, on the first seeds early.
inline std::vector<double> accuracy(int method, int seed) {
  std::vector<double> y;
  for (int e = 1; e <= 20; ++e) {
    double const level = 0.982 - 0.002 * method, speed = method == 3 ? 0.3 : 0.45;
    double const v = level - 0.75 * std::exp(-speed * e) + 0.01 * noise(method, seed, e);
    y.push_back(method == 2 && e > 5 + seed ? std::numeric_limits<double>::quiet_NaN() : method == 2 ? 0.6 * v : v);
  }
  return y;
}

inline std::vector<double> loss(int method, int seed) {
  std::vector<double> y;
  for (int e = 1; e <= 20; ++e) {
    double const v = 0.03 + 2.2 * std::exp(-(method == 3 ? 0.25 : 0.4) * e) * (1 + 0.2 * noise(method, seed, 100 + e));
    bool const gone = method == 2 && e > 5 + seed;
    y.push_back(gone ? std::numeric_limits<double>::quiet_NaN() : method == 2 ? v * std::pow(3.0, e - 2) : v);
  }
  return y;
}

template <class F>
report::line_chart chart(F f, std::string title, std::string y_label) {
  report::line_chart c{.title = std::move(title), .x_label = "epoch", .y_label = std::move(y_label)};
  for (int m = 0; m < 6; ++m) {
    std::vector<std::vector<double>> runs;
    for (int seed = 0; seed < 5; ++seed) runs.push_back(f(m, seed));
    c.curves.push_back(report::mean_curve(methods[static_cast<std::size_t>(m)], epochs(), runs));
  }
  return c;
}

inline report::byte_facts bytes(int method) {
  report::byte_facts b;
  b[foal::category::weights] = b[foal::category::gradients] = b[foal::category::optimizer] = 700'000;
  b[foal::category::saved] = method == 0 ? 5'800'000 : method == 1 ? 2'900'000 : 5'300'000;
  b[foal::category::stash] = method == 1 ? 6'300'000 : 0;
  b[foal::category::delta] = method >= 4 ? 690'000 : 0;
  b[foal::category::forms] = method >= 4 ? 150'000 : 0;
  b[foal::category::temporaries] = 160'000;
  b[foal::category::wires] = 410'000;
  b[foal::category::evaluation] = 700'000;
  b[foal::category::data] = 51'200;
  return b;
}

inline report::facts facts(int stages) {
  report::facts f{.model = "digits_residual", .schedule = "pipemare", .device = "host"};
  f.asynchronous = true;
  f.stages = f.ranks = stages;
  f.workers = 2;
  f.microbatch_size = 8;
  f.microbatches = 4;
  f.utilisation = 1;
  f.bytes = bytes(5);
  f.settings = {{"optimizer", "momentum 0.9, weight decay 5e-4"},
                {"learning rate", "step 0.05, x 0.1 every 30 epochs; T1 over 500 updates"}};
  for (int s = 0; s < stages; ++s) {
    report::stage_facts one{.layers = s + 1 == stages ? "linear" : "convolution, batch_norm, relu", .rank = s};
    one.parameters = 1168LL * (s + 1);
    one.flops = 1'300'000LL * (s % 5 + 1);
    one.delay = 2 * (stages - s) - 1;
    one.tau = one.delay / 4;
    one.lag = one.tau;
    one.saved = 2LL * (stages - s);
    one.bytes = 40'000LL * one.saved;
    f.parameters += one.parameters;
    f.flops += one.flops;
    f.stage.push_back(std::move(one));
  }
  f.notes = {report::worker_note(stages, stages, 2, true)};
  f.warnings = {"T1 ends at update 500, before the base rate's first drop at update 1200"};
  return f;
}

/// Two workers that share the ranks of a 1F1B-like stream, with a hole now and then.
inline std::vector<report::span> spans(int workers, int microbatches) {
  std::vector<report::span> all;
  for (int w = 0; w < workers; ++w) {
    long long t = 1'000'000'000'000LL + 21'000LL * w;
    for (int m = 0; m < microbatches; ++m) {
      for (int k = 0; k < 2; ++k) {
        report::span s{.worker = w, .rank = 2 * w + k, .stage = 2 * w + k, .kind = "F", .microbatch = m, .version = m / 4};
        long long const length = 20'000 + static_cast<long long>(6'000 * noise(w, k, m));
        s.begin_ns = t;
        s.end_ns = t += length;
        all.push_back(s);
        t += m % 3 == w ? 4'000 : 150;
        if (m < 2) continue;
        s.kind = "BW";
        s.microbatch = m - 2;
        s.begin_ns = t;
        s.end_ns = t += 2 * length;
        all.push_back(s);
        t += 100;
        if (m % 4 != 3) continue;
        s.kind = "U";
        s.begin_ns = t;
        s.end_ns = t += 3'000;
        all.push_back(s);
      }
    }
  }
  return all;
}

/// PipeMare's schedule as spans of one microsecond a slot: F and B side by side.
inline std::vector<report::span> schedule(int stages, int slots) {
  std::vector<report::span> all;
  for (int s = 0; s < stages; ++s) {
    for (int t = 0; t < slots; ++t) {
      report::span one{
          .rank = s, .stage = s, .kind = "F", .microbatch = t - s, .begin_ns = t * 1000, .end_ns = t * 1000 + 1000};
      if (one.microbatch >= 0) all.push_back(one);
      one.lane = 1;
      one.kind = "BW";
      one.microbatch = t - (2 * stages - 1 - s);
      if (one.microbatch >= 0) all.push_back(one);
    }
  }
  return all;
}

inline report::html_page page() {
  using report::better;
  report::html_page p("Six ways to train one pipeline", "digits_residual, 18 stages, 5 seeds each; foal 0.1.0");
  p.section("Results");
  p.paragraph("Final test accuracy over 5 seeds (mean and standard deviation), measured and modelled speed, memory.");
  report::table t{{{"method", report::align::left},
                   {"accuracy, %", report::align::right, better::higher},
                   {"spread"},
                   {"vs gpipe (95 %)"},
                   {"diverged"},
                   {"samples/s", report::align::right, better::higher},
                   {"utilisation", report::align::right, better::higher},
                   {"memory / gpipe", report::align::right, better::lower},
                   {"time to 97 %", report::align::right, better::lower}}};
  std::vector<double> base;
  for (int m = 0; m < 6; ++m) {
    std::vector<double> final;
    for (int seed = 0; seed < 5; ++seed) final.push_back(100 * accuracy(m, seed).back());
    if (m == 0) base = final;
    if (m == 2) {
      t.add({"none", "-", "-", "-", "5 of 5", {"8,410", 8410}, {"100.0 %", 1}, {"0.89", 0.89}, "-"});
      continue;
    }
    report::interval const d = report::paired_difference(final, base);
    double const mean = report::mean(final), use = m == 0 ? 0.19 : 1,
                 memory = static_cast<double>(bytes(m).total()) / static_cast<double>(bytes(0).total());
    std::string const apart = m == 0 ? "0" : report::fixed(d.mean, 2) + " ± " + report::fixed(d.half_width, 2);
    t.add({methods[static_cast<std::size_t>(m)],
           {report::fixed(mean, 2), mean},
           report::fixed(report::standard_deviation(final), 2),
           apart,
           "0 of 5",
           {report::grouped(8000 + 97 * m), 8000.0 + 97 * m},
           {report::fixed(100 * use, 1) + " %", use},
           {report::fixed(memory, 2), memory},
           {report::duration(41.0 / use + m), 41.0 / use + m}});
  }
  p.add(t);
  p.note(report::worker_note(18, 18, 2, true) + ".");
  p.add({{chart(accuracy, "Test accuracy", "accuracy").svg(),
          "Mean of 5 seeds; the band is one standard deviation; a cross marks a run that diverged."},
         [] {
           auto c = chart(loss, "Training loss", "loss");
           c.logarithmic = true;
           return report::figure{c.svg(), "The same runs; the axis follows the methods that did not diverge."};
         }()});
  p.section("Memory");
  report::bar_chart bars{.title = "Memory by category", .x_label = "relative to gpipe", .groups = methods};
  double const whole = static_cast<double>(bytes(0).total());
  for (std::size_t k = 0; k < 10; ++k) {
    report::bar_part part{bytes(0).entries()[k].first, {}};
    for (int m = 0; m < 6; ++m) part.values.push_back(static_cast<double>(bytes(m).entries()[k].second) / whole);
    bars.parts.push_back(part);
  }
  p.add({bars.svg(), "Bytes of all arenas, divided by gpipe's."});
  p.section("Schedules");
  p.add({report::trace_svg(
             schedule(6, 26),
             {.title = "pipemare, 6 ranks", .by = report::trace_picture::rows::rank, .unit_ns = 1000, .unit = "slots"}),
         "Every rank has a forward and a backward lane."});
  p.section("Traces");
  p.add({report::trace_svg(spans(2, 16), {.title = "t1t2t3, 2 workers"}),
         "Real ops. Rest the pointer on a bar for its stage and version."});
  p.section("Facts");
  p.add(facts(18), "gpipe, <M = 8>").add(facts(107), "t1t2t3");
  p.how_run("./examples/run.sh --data digits:data/digits --seeds 5 --epochs 20",
            {{"build", "g++ 12.2.0, -O3 -march=native"},
             {"machine", "2 cores"},
             {"data", "digits, 6,000 training and 2,000 test images"}});
  return p;
}

}  // namespace sample
