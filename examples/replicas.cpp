// Replicas of a pipeline: what they exchange, how much of it, and what that does to accuracy. Two synchronous pipelines
// share each minibatch; beside them one pipeline has all of it.
#include <cstdio>
#include <exception>
#include <foal/foal.hpp>
#include <foal/policy/replica/averaged.hpp>
#include <foal/policy/replica/delayed.hpp>
#include <foal/policy/replica/local.hpp>
#include <foal/policy/replica/sharded.hpp>
#include <foal/report/rows.hpp>
#include <foal/report/statistics.hpp>

#include "digits/run.hpp"
#include "options/arguments.hpp"
#include "options/results.hpp"

namespace {

struct net : foal::stages<foal::input<1, 8, 8>, foal::conv<16, 3>, foal::relu, foal::max_pool<2>,
                          foal::residual<foal::conv<16, 3>, foal::relu>, foal::residual<foal::conv<16, 3>, foal::relu>,
                          foal::flatten, foal::linear<64>, foal::relu, foal::linear<10>> {};

/// Updates between exchanges, of a policy that has them.
template <class Replica>
void set(Replica& r, int every) {
  if constexpr (requires { r.every; }) r.every = every;
}

template <class Replica>
void train(digits::run const& o, int replicas, int every, foal::data::dataset const& data, foal::report::rows& rows) {
  using trainer = foal::trainer<net, foal::loss::cross_entropy, foal::schedule::one_f_one_b, foal::optim::momentum,
                                foal::lr::step, Replica>;
  std::vector<double> accuracy;
  long long bytes = 0;
  for (int i = 0; i < o.seeds; ++i) {
    typename trainer::config c = digits::config_of<trainer>(o, data.train.size(), 0, o.seed + static_cast<std::uint64_t>(i));
    c.replicas = replicas;
    set(c.replica, every);
    trainer t(c);
    bytes = 0;
    for (std::size_t s = 0; s < t.tables().stages.size(); ++s)
      bytes += foal::executor::sent_bytes(t.tables(), s) / t.tables().replica.every;
    accuracy.push_back(100 * t.fit(data.train, {.epochs = o.epochs, .evaluate = data.test, .quiet = true}).accuracy());
  }
  double const mean = foal::report::mean(accuracy), spread = foal::report::standard_deviation(accuracy);
  std::printf("%-10s %8d %14lld %10.2f ± %.2f\n", replicas == 1 ? "-" : Replica::name, replicas, bytes, mean, spread);
  std::fflush(stdout);
  rows.add({{"policy", Replica::name}, {"replicas", replicas}, {"bytes", bytes}, {"accuracy", mean}, {"spread", spread}});
}

}  // namespace

int main(int argc, char** argv) {
  digits::run o;
  int replicas = 2, every = 16;
  try {
    options::arguments a(
        "Compares what replicas of a pipeline may exchange: sums at once or late, averages, local updates.");
    digits::add_options(a, o, 1);
    a.whole("--replicas", replicas, 2, options::most, "pipelines side by side, which share out the microbatches");
    a.whole("--every", every, 1, options::most, "updates between exchanges of local");
    if (!a.parse(argc, argv)) return 0;
    o.t3_epochs = 0;
    foal::data::dataset const data = digits::load(o, net::description.input_entry[0]);
    std::puts("policy     replicas  bytes / update   accuracy %");
    foal::report::rows rows;
    train<foal::replica::summed>(o, 1, every, data, rows);
    train<foal::replica::summed>(o, replicas, every, data, rows);
    train<foal::replica::sharded>(o, replicas, every, data, rows);
    train<foal::replica::delayed>(o, replicas, every, data, rows);
    train<foal::replica::averaged>(o, replicas, every, data, rows);
    train<foal::replica::local>(o, replicas, every, data, rows);
    options::results written("replicas");
    written.write(o.json, [&](std::string const& path) { rows.write(path); });
    return written.status();
  } catch (std::exception const& e) {
    std::fprintf(stderr, "replicas: %s\n", e.what());
    return 1;
  }
}
