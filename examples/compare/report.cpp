// Rows, tables and the HTML page of compare.
#include "report.hpp"

#include <foal/core/atomic_file.hpp>
#include <foal/report/directory.hpp>
#include <foal/report/metrics.hpp>
#include <foal/schedule/draw/svg.hpp>

namespace compare {

namespace report = foal::report;

namespace {

std::string percent(double share, int digits = 2) { return report::fixed(100 * share, digits); }

/// Curves of all methods over epochs; a run that diverged goes on as nothing, and the chart marks its end.
report::line_chart curves(std::vector<method_results> const& all, settings const& s, std::string heading, std::string label,
                          std::vector<double> outcome::*values, double factor) {
  report::line_chart chart{.title = std::move(heading), .x_label = "epoch", .y_label = std::move(label)};
  std::vector<double> epochs;
  for (int e = 1; e <= s.base.epochs; ++e) epochs.push_back(e);
  for (method_results const& m : all) {
    std::vector<std::vector<double>> runs;
    for (outcome const& o : m.runs) {
      std::vector<double> run = o.*values;
      for (double& v : run) v *= factor;
      run.resize(epochs.size(), std::numeric_limits<double>::quiet_NaN());
      runs.push_back(std::move(run));
    }
    chart.curves.push_back(report::mean_curve(title(m.method), epochs, runs));
  }
  return chart;
}

int workers_of(std::vector<report::span> const& spans) {
  int workers = 0;
  for (report::span const& s : spans) workers = std::max(workers, s.worker + 1);
  return workers;
}

}  // namespace

report::rows rows_of(std::vector<method_results> const& all, settings const& s) {
  report::rows rows;
  for (method_results const& m : all)
    for (std::size_t i = 0; i < m.runs.size(); ++i) {
      outcome const& o = m.runs[i];
      auto const& b = m.facts.bytes;
      report::row r{{"method", name(m.method)},
                    {"seed", s.base.seed + i},
                    {"accuracy", final_accuracy(o, s.classes)},
                    {"diverged_at", nullptr},
                    {"samples_per_s", m.samples_per_s},
                    {"utilisation", m.utilisation},
                    {"stages", m.facts.stages},
                    {"max_tau", o.max_tau}};
      for (auto const& [name, bytes] : b.entries()) r.set(std::string("bytes_") + name, bytes);
      if (o.diverged_at >= 0) r.set("diverged_at", o.diverged_at);
      rows.add(std::move(r));
    }
  return rows;
}

report::table summary(std::vector<method_results> const& all, settings const& s, double target) {
  report::table t{{{"method", report::align::left},
                   {"accuracy %", report::align::right, report::better::higher},
                   {"spread"},
                   {"diverged"},
                   {"samples/s", report::align::right, report::better::higher},
                   {"utilisation %", report::align::right, report::better::higher},
                   {"max tau"},
                   {"bytes / GPipe", report::align::right, report::better::lower},
                   {"epochs to " + percent(target, 1) + " %"},
                   {"modelled s, " + report::shortest(s.ranks) + " workers", report::align::right, report::better::lower}}};
  double const synchronous = all.front().facts.utilisation;
  double const gpipe = static_cast<double>(training_bytes(all.front().facts.bytes));
  for (method_results const& m : all) {
    auto const accuracy = final_accuracies(m, s.classes);
    double const mean = report::mean(accuracy);
    long long diverged = 0;
    for (outcome const& o : m.runs) diverged += o.diverged_at >= 0 ? 1 : 0;
    int const epochs = epochs_to(m, target, s.base.epochs);
    double const bytes = static_cast<double>(training_bytes(m.facts.bytes)) / gpipe;
    double const seconds = epochs > 0 ? modelled_seconds(m, s, synchronous, epochs) : 0;
    double tau = 0;
    for (outcome const& o : m.runs) tau = std::max(tau, o.max_tau);
    t.add({title(m.method),
           {percent(mean), mean},
           accuracy.size() > 1 ? "± " + percent(report::standard_deviation(accuracy)) : "",
           report::shortest(diverged) + " of " + report::shortest(m.runs.size()),
           {report::grouped(static_cast<long long>(m.samples_per_s)), m.samples_per_s},
           {percent(m.utilisation, 1), m.utilisation},
           report::trimmed(tau, 2),
           {report::fixed(bytes, 2), bytes},
           epochs > 0 ? report::shortest(epochs) : "never",
           epochs > 0 ? report::table_entry(report::significant(seconds, 3), seconds) : report::table_entry("-")});
  }
  return t;
}

report::table memory_table(std::vector<method_results> const& all) {
  report::table t{{{"bytes / GPipe's", report::align::left}}};
  for (method_results const& m : all) t.columns.push_back({title(m.method)});
  auto const gpipe = all.front().facts.bytes;
  auto const reference = gpipe.entries();
  for (std::size_t i = 0; i < reference.size(); ++i) {
    std::vector<report::table_entry> line{reference[i].first};
    bool any = false;
    for (method_results const& m : all) {
      long long const bytes = m.facts.bytes.entries()[i].second;
      any = any || bytes > 0;
      if (bytes == 0)
        line.emplace_back("0");
      else if (reference[i].second > 0)
        line.emplace_back(report::fixed(static_cast<double>(bytes) / static_cast<double>(reference[i].second), 2));
      else
        line.emplace_back(report::bytes(bytes));
    }
    if (any) t.add(std::move(line));
  }
  std::vector<report::table_entry> total{"total without evaluation and diagnostics"};
  for (method_results const& m : all) total.emplace_back(report::bytes(training_bytes(m.facts.bytes)));
  t.add(std::move(total));
  return t;
}

void write_report(std::vector<method_results> const& all, settings const& s, double target, std::string const& folder) {
  report::make_directory(folder);
  report::metrics metrics(folder + "/metrics.jsonl");
  for (method_results const& m : all)
    for (std::size_t i = 0; i < m.runs.size(); ++i)
      for (std::size_t e = 0; e < m.runs[i].accuracy.size(); ++e) {
        report::row r{{"method", name(m.method)}, {"seed", s.base.seed + i}, {"epoch", e + 1}};
        r.set("test_accuracy", m.runs[i].accuracy[e]).set("test_loss", m.runs[i].test_loss[e]);
        if (e < m.runs[i].train_loss.size()) r.set("train_loss", m.runs[i].train_loss[e]);
        metrics.write(r);
      }
  for (method_results const& m : all)
    foal::write_file(folder + "/trace-" + name(m.method) + ".json", report::trace_json(m.trace));

  report::html_page page("foal: six ways to train one pipeline", s.network + "; " + s.data);
  page.section("Results");
  page.paragraph(foal::sentence("Means over ", s.seeds, " seed", s.seeds == 1 ? "" : "s", " after ", s.base.epochs,
                                " epochs of minibatches of ", s.base.microbatches, " x ", s.base.microbatch_size,
                                " samples. A run that diverged counts with the accuracy of chance."));
  page.add(summary(all, s, target));
  page.note(foal::sentence(
      "samples/s: measured on this machine with ", s.base.workers, " worker", s.base.workers == 1 ? "" : "s",
      ", each method alone, median of alternating runs. utilisation: of the schedule with one worker per rank, T3's "
      "synchronous "
      "epochs included. Modelled seconds: the measured cost of a sample spread over ",
      s.ranks, " workers at that utilisation, times the epochs that the mean curve needs to reach the target."));
  for (method_results const& m : all)
    for (std::size_t i = 0; i < m.runs.size(); ++i)
      if (m.runs[i].diverged_at >= 0)
        page.warning(foal::sentence(title(m.method), ", seed ", s.base.seed + i, ": ", m.runs[i].divergence));

  page.section("Curves");
  auto accuracy = curves(all, s, "Test accuracy", "%", &outcome::accuracy, 100);
  page.add(std::vector<report::figure>{{accuracy.svg(), "Test accuracy; the band is the spread over seeds."},
                                       {curves(all, s, "Test loss", "", &outcome::test_loss, 1).svg(), "Test loss."}});
  double best = 0;
  for (method_results const& m : all)
    for (double a : final_accuracies(m, s.classes)) best = std::max(best, a);
  accuracy.title = "Test accuracy, upper end";
  accuracy.y_low = std::max(0.0, 100 * best - 6);
  accuracy.y_high = std::min(100.0, 100 * best + 0.5);
  page.add(std::vector<report::figure>{
      {accuracy.svg(), "The same, near the best."},
      {curves(all, s, "Training loss", "", &outcome::train_loss, 1).svg(), "Training loss, as the forwards saw it."}});

  add_diagnostics(all, s, metrics, page);

  page.section("Memory");
  page.add(memory_table(all), "Bytes of each category relative to GPipe's; where GPipe has none, the bytes.");
  report::bar_chart bars{.title = "Memory of training by category", .x_label = "MiB"};
  for (method_results const& m : all) bars.groups.push_back(title(m.method));
  for (std::size_t i = 0; i < all.front().facts.bytes.entries().size(); ++i) {
    report::bar_part part{all.front().facts.bytes.entries()[i].first, {}};
    for (method_results const& m : all)
      part.values.push_back(static_cast<double>(m.facts.bytes.entries()[i].second) / (1 << 20));
    bool const any = std::any_of(part.values.begin(), part.values.end(), [](double v) { return v > 0; });
    if (any && part.label != "evaluation" && part.label != "diagnostics") bars.parts.push_back(std::move(part));
  }
  page.add(report::figure{bars.svg(), "What each method allocates, the copies for evaluations and diagnostics left out."});

  page.section("Schedules");
  page.paragraph(
      "Ranks are rows, slots are columns, numbers are microbatches. PipeMare's ranks do a forward and a backward in "
      "one slot.");
  for (method_results const& m : all)
    if (m.method == method::gpipe || m.method == method::t1t2t3) {
      foal::schedule::program program = m.program;
      int const fill =
          m.facts.asynchronous ? 2 * m.facts.ranks / s.base.microbatches : 0;  // minibatches until all ranks work
      page.add(report::figure{
          foal::schedule::svg(program.view(), 3 + fill, m.facts.schedule),
          foal::sentence(title(m.method),
                         m.facts.asynchronous
                             ? ": the pipeline fills once; then every rank runs a forward and a backward in each "
                               "slot, until the run ends."
                             : ": every minibatch fills the pipeline and drains it again, so ranks are idle.")});
    }

  page.section("Traces");
  page.paragraph(
      "What workers of this machine really did over a few minibatches, from the first backward of stage 0 to its last "
      "forward: the first fill and the last drain of a run are left out. The same spans are in trace-METHOD.json for "
      "Perfetto or chrome://tracing.");
  for (method_results const& m : all)
    if (!m.trace.empty() && (m.method == method::gpipe || m.method == method::t1t2t3))
      page.add(report::figure{
          report::trace_svg(m.trace, {.title = title(m.method)}),
          foal::sentence(title(m.method), ": ", report::fixed(100 * report::busy_share(m.trace, workers_of(m.trace)), 0),
                         " % of ", workers_of(m.trace), " workers' time at work")});

  page.section("Facts");
  for (method_results const& m : all) page.add(m.facts, title(m.method));
  page.how_run(s.command, {{"data", s.data},
                           {"network", s.network},
                           {"foal", s.version},
                           {"build", all.front().facts.build},
                           {"machine", all.front().facts.machine}});
  page.write(folder + "/index.html");
}

}  // namespace compare
