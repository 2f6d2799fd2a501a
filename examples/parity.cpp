// Trains a small network from given weights on given samples and writes every step, so that any outside program can check
// what foal computes: weights after each update, the loss of each microbatch, the weight versions that F and B read.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>

#include <foal/data/npy.hpp>

#include "parity/problem.hpp"

namespace {

struct options {
  std::string in, out, method, schedule = "pipemare", lag = "mean", type = "float64";
  int net = 3;
  parity::problem run;
};

std::vector<int> widths(int net) {
  if (net == 3) return {64, 32, 32, 10};
  return {20, 24, 24, 24, 24, 24, 24, 10};
}

std::string shape_text(std::vector<long long> const& extent) {
  std::string text = "[";
  for (long long const e : extent) text += (text.size() > 1 ? ", " : "") + std::to_string(e);
  return text + "]";
}

/// An array whose extents are the wanted ones; -1 stands for any number of rows.
template <class T>
std::vector<T> read(std::string const& path, std::vector<long long> wanted, long long* rows = nullptr) {
  auto array = foal::data::read_npy<T>(path);
  if (rows != nullptr && !array.extent.empty()) *rows = wanted[0] = array.extent[0];
  foal::require(array.extent == wanted, "cannot use ", path, ", because its shape is ", shape_text(array.extent), " where ",
                shape_text(wanted), " is expected; write it in that shape");
  return std::move(array.values);
}

void read_inputs(options& o) {
  std::vector<int> const width = widths(o.net);
  for (std::size_t s = 0; s + 1 < width.size(); ++s) {
    std::string const number = std::to_string(s + 1) + ".npy";
    o.run.weight.push_back(read<double>(o.in + "/init_W" + number, {width[s], width[s + 1]}));
    o.run.bias.push_back(read<double>(o.in + "/init_b" + number, {width[s + 1]}));
  }
  long long samples = 0;
  o.run.x = read<double>(o.in + "/x.npy", {0, width.front()}, &samples);
  o.run.y = read<std::int32_t>(o.in + "/y.npy", {samples});
  for (std::size_t i = 0; i < o.run.y.size(); ++i)
    foal::require(o.run.y[i] >= 0 && o.run.y[i] < width.back(), "cannot use ", o.in, "/y.npy, because label ", i, " is ",
                  o.run.y[i], " and the network has ", width.back(), " classes; number them 0 to ", width.back() - 1);
}

/// Refuses what would have no effect, so that no flag is silently ignored.
void check(options const& o) {
  auto const& p = o.run;
  bool const synchronous = p.method == parity::method::gpipe;
  foal::require(!synchronous || !(p.t1 || p.t2 || p.warmup > 0),
                "cannot use T1, T2 or T3 with --method gpipe, because it has no delay and they have no effect; leave out "
                "--t1-steps, --t2-decay and --warmup");
  foal::require(
      !p.t2 || p.method != parity::method::pipedream,
      "cannot use T2 with --method pipedream, because B reads the version that its F read and the correction has no "
      "effect; leave out --t2-decay or use --method pipemare");
  foal::require(
      p.delays.empty() || (!synchronous && p.timing == parity::timing::injected),
      "cannot inject --delays, because only --schedule injected of an asynchronous method takes them; leave them out");
  std::size_t const stages = widths(o.net).size() - 1;
  foal::require(synchronous || p.timing != parity::timing::injected || p.delays.size() == stages, "cannot inject ",
                p.delays.size(), " delays, because net ", o.net, " has ", stages,
                " stages; give --delays d0,d1,... for each");
}

template <class S>
void write(options const& o, parity::record<S> const& r) {
  auto const stages = static_cast<long long>(widths(o.net).size()) - 1;
  long long const microbatches = o.run.minibatches * o.run.microbatches;
  std::filesystem::create_directories(o.out);
  foal::data::write_npy(o.out + "/traj.npy", {o.run.minibatches + 1, r.parameters}, r.weights.data());
  foal::data::write_npy(o.out + "/mb_loss.npy", {microbatches}, r.loss.data());
  foal::data::write_npy(o.out + "/versions.npy", {microbatches, stages, 2}, r.versions.data());
  if (!r.divergence.empty()) std::fprintf(stderr, "%s\n", r.divergence.c_str());
}

template <class Net>
void train(options const& o) {
  if (o.type == "float32")
    write(o, parity::train<Net, float>(o.run));
  else
    write(o, parity::train<Net, double>(o.run));
}

}  // namespace

int main(int argc, char** argv) try {
  options o;
  CLI::App app(
      "Trains linear + tanh stages from IN/init_W{i}.npy [in, out], IN/init_b{i}.npy on IN/x.npy [n, inputs], IN/y.npy "
      "[n];\n"
      "writes OUT/traj.npy, OUT/mb_loss.npy and OUT/versions.npy. Microbatch s is rows s*M .. s*M+M-1 modulo n.");
  app.option_defaults()->always_capture_default();
  app.add_option("in", o.in, "directory of the input")->required();
  app.add_option("out", o.out, "directory of the output, made if need be")->required();
  app.add_option("--net", o.net, "3: 64-32-32-10, 7: 20-24-24-24-24-24-24-10")->required()->check(CLI::IsMember({3, 7}));
  app.add_option("--method", o.method, "gpipe (its own schedule), pipedream (stash), pipemare (live weights)")
      ->required()
      ->check(CLI::IsMember({"gpipe", "pipedream", "pipemare"}));
  app.add_option("--schedule", o.schedule, "of an asynchronous method")
      ->check(CLI::IsMember({"pipemare", "1f1b", "injected"}));
  app.add_option("--delays", o.run.delays, "of --schedule injected: d0,d1,... in microbatches")->delimiter(',');
  app.add_option("--micro", o.run.microbatches, "N, microbatches in a minibatch")->required();
  app.add_option("--mbsize", o.run.microbatch_size, "M, samples in a microbatch")->required();
  app.add_option("--minibatches", o.run.minibatches, "K, updates")->required()->check(CLI::NonNegativeNumber);
  app.add_option("--lr", o.run.rate, "learning rate")->required();
  app.add_option("--momentum", o.run.momentum, "of SGD");
  auto* const t1 = app.add_option("--t1-steps", o.run.t1_steps, "T1 on: its K, updates")->check(CLI::NonNegativeNumber);
  app.add_option("--t1-floor", o.run.t1_floor, "T1: least delay that it divides by")->needs(t1);
  auto* const t2 = app.add_option("--t2-decay", o.run.t2_decay, "T2 on: its D")->check(CLI::Range(0.0, 1.0));
  app.add_option("--t2-delay", o.lag, "T2: mean or exact lag")->check(CLI::IsMember({"mean", "exact"}))->needs(t2);
  app.add_option("--warmup", o.run.warmup, "T3: synchronous minibatches at first")->check(CLI::NonNegativeNumber);
  app.add_option("--workers", o.run.workers, "threads");
  app.add_option("--dtype", o.type, "element type")->check(CLI::IsMember({"float32", "float64"}));
  CLI11_PARSE(app, argc, argv);
  o.run.t1 = t1->count() > 0;
  o.run.t2 = t2->count() > 0;
  o.run.exact = o.lag == "exact";
  using parity::method, parity::timing;
  o.run.method = o.method == "gpipe" ? method::gpipe : o.method == "pipedream" ? method::pipedream : method::pipemare;
  o.run.timing = o.schedule == "1f1b" ? timing::async_1f1b : o.schedule == "injected" ? timing::injected : timing::pipemare;
  check(o);
  read_inputs(o);
  if (o.net == 3)
    train<parity::net3>(o);
  else
    train<parity::net7>(o);
} catch (std::exception const& e) {
  std::fprintf(stderr, "parity: %s\n", e.what());
  return 1;
}
