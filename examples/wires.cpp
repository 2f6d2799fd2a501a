// What the type in which activations and gradients travel between stages costs and saves: bytes on the wires, planned
// memory, and accuracy on 8 x 8 digits, synchronously and with PipeMare.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include <foal/layer/flatten.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/layer/tanh.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/report/number.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>
#include <foal/report/table.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/trainer.hpp>

#include "digits/run.hpp"
#include "options/results.hpp"

namespace {

/// A residual tanh MLP 64-48x15-10.
struct mlp : foal::stages<foal::input<1, 8, 8>, foal::flatten, foal::linear<48>, foal::tanh,
                          foal::repeat<14, foal::residual<foal::linear<48>, foal::tanh>>, foal::linear<10>> {};

/// Where it is asked to, keeps every stage's mean gradient of every minibatch.
struct gradients {
  using role = foal::role::hook;
  std::vector<std::vector<double>>* by_stage = nullptr;

  void after_update(foal::update_view<float> const& v) {
    if (by_stage == nullptr) return;
    auto& to = (*by_stage)[static_cast<std::size_t>(v.stage())];
    for (std::size_t i = 0; i < v.parameters(); ++i) to.insert(to.end(), v.gradient(i).begin(), v.gradient(i).end());
  }
};

template <class... Policies>
using synchronous = foal::trainer<mlp, foal::loss::cross_entropy, foal::schedule::gpipe, foal::optim::momentum, gradients,
                                  foal::initialisation::he, foal::lr::step, Policies...>;
template <class... Policies>
using pipemare = foal::trainer<mlp, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::momentum,
                               foal::initialisation::he, foal::lr::reschedule<foal::lr::step>,
                               foal::delay::discrepancy_correction, foal::warmup::synchronous, Policies...>;

struct settings : digits::run {
  int workers = 1;
};

struct row {
  std::string method, wires;
  long long activations = 0, gradients = 0;  ///< bytes that travel, of one microbatch
  foal::report::byte_facts bytes{};
  std::vector<double> accuracy{};
  int diverged = 0;
};

template <class Trainer>
typename Trainer::config config_of(settings const& o, long long samples, std::uint64_t seed) {
  auto c = digits::config_of<Trainer>(o, samples, o.t3_epochs, seed);
  c.workers = o.workers;
  return c;
}

constexpr std::pair<char const*, foal::wire::int8> feedbacks[]{{"int8, no feedback", {false, false}},
                                                               {"int8, of gradients", {false, true}},
                                                               {"int8, of activations", {true, false}},
                                                               {"int8, of both", {true, true}}};

inline constexpr int compared = 100;  ///< minibatches

/// Mean gradients of a hundred minibatches at the weights of `from`, by stage.
template <class Trainer, class From>
std::vector<std::vector<double>> gradients_at(From const& from, settings const& o, foal::data::dataset const& data,
                                              foal::wire::int8 wire = {}) {
  std::vector<std::vector<double>> all(Trainer::stages);
  auto c = config_of<Trainer>(o, data.train.size(), o.seed);
  c.lr.rate = 0;
  c.hook.by_stage = &all;
  if constexpr (std::is_same_v<foal::policy_of<Trainer, foal::role::wire>, foal::wire::int8>) c.wire = wire;
  Trainer t(c);
  for (int s = 0; s < Trainer::stages; ++s)
    for (std::size_t p = 0; p < t.tables().stages[static_cast<std::size_t>(s)].parameters.size(); ++p)
      t.set_weights(s, p, from.weights(s, p));
  t.run(foal::data::batches<foal::data::split>(data.train,
                                               {o.microbatch_size, o.microbatches, o.seed, foal::data::ordering::shuffled}),
        {.minibatches = compared});
  return all;
}

/// |sum of a - sum of b| / |sum of b| with sums over `window` minibatches at a time; mean over stages, without the last.
double relative_error(std::vector<std::vector<double>> const& a, std::vector<std::vector<double>> const& b, int window) {
  double mean = 0;
  for (std::size_t s = 0; s + 1 < a.size(); ++s) {
    std::size_t const n = a[s].size() / compared;
    double error = 0, size = 0;
    for (int first = 0; first < compared; first += window)
      for (std::size_t i = 0; i < n; ++i) {
        double x = 0, y = 0;
        for (int k = first; k < first + window; ++k)
          x += a[s][static_cast<std::size_t>(k) * n + i], y += b[s][static_cast<std::size_t>(k) * n + i];
        error += (x - y) * (x - y);
        size += y * y;
      }
    mean += std::sqrt(error / size) / static_cast<double>(a.size() - 1);
  }
  return mean;
}

void compare_gradients(settings const& o, foal::data::dataset const& data) {
  foal::report::table t{{{"wires", foal::report::align::left}, {"one minibatch %"}, {"sum of 10 %"}, {"sum of 100 %"}}};
  synchronous<> trained(config_of<synchronous<>>(o, data.train.size(), o.seed));
  trained.fit(data.train, {.epochs = std::max(1, o.epochs / 3), .quiet = true});
  auto const exact = gradients_at<synchronous<>>(trained, o, data);
  auto const add = [&](char const* name, std::vector<std::vector<double>> const& g) {
    std::vector<foal::report::table_entry> cells{name};
    for (int window : {1, 10, 100}) cells.emplace_back(foal::report::fixed(100 * relative_error(g, exact, window), 2));
    t.add(cells);
  };
  add("bfloat16", gradients_at<synchronous<foal::storage::bfloat16>>(trained, o, data));
  for (auto const& [name, wire] : feedbacks) add(name, gradients_at<synchronous<foal::wire::int8>>(trained, o, data, wire));
  std::printf("\nrelative error of weight gradients, at the weights after %d epochs of GPipe\n\n%s",
              std::max(1, o.epochs / 3), t.text().c_str());
}

template <class Trainer, class Set>
row measure(std::string method, std::string wires, settings const& o, foal::data::dataset const& data, Set set) {
  row r{std::move(method), std::move(wires)};
  for (int i = 0; i < o.seeds; ++i) {
    auto c = config_of<Trainer>(o, data.train.size(), o.seed + static_cast<std::uint64_t>(i));
    set(c);
    Trainer t(c);
    r.bytes = t.facts().bytes;
    r.activations = foal::lower::wire_bytes(t.tables(), o.microbatch_size, false, true);
    r.gradients = foal::lower::wire_bytes(t.tables(), o.microbatch_size, true, true);
    auto const fit = t.fit(data.train, {.epochs = o.epochs, .evaluate = data.test, .quiet = true});
    r.diverged += fit.diverged ? 1 : 0;
    r.accuracy.push_back(fit.diverged ? 1.0 / data.train.classes() : fit.accuracy());  // chance: there is no network to use
  }
  std::printf("%s, wires %s: %.2f %%\n", r.method.c_str(), r.wires.c_str(), 100 * foal::report::mean(r.accuracy));
  std::fflush(stdout);
  return r;
}

template <template <class...> class Method>
void measure_all(std::string const& method, settings const& o, foal::data::dataset const& data, std::vector<row>& rows) {
  auto const as_it_is = [](auto&) {};
  rows.push_back(measure<Method<>>(method, "float", o, data, as_it_is));
  rows.push_back(measure<Method<foal::storage::bfloat16>>(method, "bfloat16", o, data, as_it_is));
  using quantised = Method<foal::wire::int8>;
  for (auto const& [name, wire] : feedbacks)
    rows.push_back(measure<quantised>(method, name, o, data, [&wire](auto& c) { c.wire = wire; }));
}

void print(std::vector<row> const& rows) {
  foal::report::table t{{{"method", foal::report::align::left},
                         {"wires", foal::report::align::left},
                         {"bytes sent"},
                         {"wires"},
                         {"feedback"},
                         {"saved"},
                         {"accuracy %"},
                         {"sd"},
                         {"diverged"},
                         {"minus float"},
                         {"95 % interval", foal::report::align::left}}};
  row const* exact = nullptr;
  for (row const& r : rows) {
    bool const first = exact == nullptr || exact->method != r.method;
    if (first) exact = &r;
    std::string difference, interval;
    if (!first && r.accuracy.size() > 1) {
      auto const d = foal::report::paired_difference(r.accuracy, exact->accuracy);
      difference = foal::report::fixed(100 * d.mean, 2);
      interval = foal::report::fixed(100 * d.low(), 2) + " to " + foal::report::fixed(100 * d.high(), 2);
    }
    t.add({r.method, r.wires, foal::report::grouped(r.activations + r.gradients),
           foal::report::grouped(r.bytes[foal::category::wires]), foal::report::grouped(r.bytes[foal::category::feedback]),
           foal::report::grouped(r.bytes[foal::category::saved]),
           foal::report::fixed(100 * foal::report::mean(r.accuracy), 2),
           foal::report::fixed(100 * foal::report::standard_deviation(r.accuracy), 2), foal::report::grouped(r.diverged),
           difference, interval});
  }
  std::printf("\n%s\nbytes sent: activations and gradients of one microbatch over all wires; the others are the plan's\n",
              t.text().c_str());
}

void write_rows(std::string const& path, std::vector<row> const& rows, settings const& o) {
  foal::report::rows out;
  for (row const& r : rows)
    for (std::size_t i = 0; i < r.accuracy.size(); ++i)
      out.add({{"method", r.method},
               {"wires", r.wires},
               {"seed", static_cast<long long>(o.seed + i)},
               {"sent_activations", r.activations},
               {"sent_gradients", r.gradients},
               {"bytes_wires", r.bytes[foal::category::wires]},
               {"bytes_feedback", r.bytes[foal::category::feedback]},
               {"bytes_saved", r.bytes[foal::category::saved]},
               {"accuracy", r.accuracy[i]}});
  out.write(path);
}

int show(settings o) {
  foal::data::dataset const data = digits::load(o, mlp::description.input);
  std::printf("residual tanh MLP 64-48x15-10 of 16 stages, N = %d microbatches of M = %d samples, %d worker%s; %s\n",
              o.microbatches, o.microbatch_size, o.workers, o.workers == 1 ? "" : "s", data.name.c_str());
  std::printf("%d epochs, rate %g divided by 10 after epoch %d, momentum %g; PipeMare: T1, T2, T3 for %d epochs\n\n",
              o.epochs, o.rate, o.drop_epoch, o.momentum, o.t3_epochs);
  std::vector<row> rows;
  measure_all<synchronous>("GPipe", o, data, rows);
  measure_all<pipemare>("PipeMare", o, data, rows);
  print(rows);
  compare_gradients(o, data);
  options::results written("wires");
  written.write(o.json, [&](std::string const& path) { write_rows(path, rows, o); });
  return written.status();
}

}  // namespace

int main(int argc, char** argv) {
  settings o;
  o.rate = 0.02;
  o.microbatches = 4;
  o.microbatch_size = 8;
  try {
    options::arguments a(
        "Bytes and accuracy of wires of float, bfloat16 and 8-bit integers, with and without error feedback.");
    digits::add_options(a, o, 1);
    a.whole("--workers", o.workers, 1, 16, "threads; results do not depend on it");
    return a.parse(argc, argv) ? show(o) : 0;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "wires: %s\n", e.what());
    return 1;
  }
}
