// Trains a small network from given weights on given samples and writes every step, so that any outside program can check
// what foal computes: weights after each update, the loss of each microbatch, the weight versions that F and B read.
#include <cstdio>
#include <exception>

#include <foal/data/npy.hpp>

#include "options/arguments.hpp"
#include "options/processes.hpp"
#include "options/results.hpp"
#include "parity/problem.hpp"

namespace {

struct arguments {
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

void read_inputs(arguments& o) {
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
void check(arguments const& o) {
  auto const& p = o.run;
  bool const synchronous = p.method == parity::method::gpipe;
  foal::require(!synchronous || !(p.t1 || p.t2 || p.warmup > 0),
                "cannot use T1, T2 or T3 with --method gpipe, because it has no delay and they have no effect; leave out "
                "--t1-steps, --t2-decay and --warmup");
  foal::require(!p.t2 || p.method == parity::method::pipemare || synchronous, "cannot use T2 with --method ", o.method,
                ", because B reads the version that its F read and the correction has no "
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
int write(arguments const& o, parity::record<S> const& r) {
  if (!options::processes::first()) return 0;  // it has what all have recorded
  auto const stages = static_cast<long long>(widths(o.net).size()) - 1;
  long long const microbatches = o.run.minibatches * o.run.microbatches;
  options::results written("parity");
  auto const save = [&](char const* name, std::vector<long long> const& extent, auto const& values) {
    written.write(o.out + "/" + name, [&](std::string const& path) { foal::data::write_npy(path, extent, values.data()); });
  };
  save("traj.npy", {o.run.minibatches + 1, r.parameters}, r.weights);
  save("mb_loss.npy", {microbatches}, r.loss);
  save("versions.npy", {microbatches, stages, 2}, r.versions);
  if (!r.divergence.empty()) std::fprintf(stderr, "%s\n", r.divergence.c_str());
  return written.status();
}

template <class Net>
int train(arguments const& o) {
  return o.type == "float32" ? write(o, parity::train<Net, float>(o.run)) : write(o, parity::train<Net, double>(o.run));
}

}  // namespace

int main(int argc, char** argv) try {
  arguments o;
  using namespace options;
  options::processes const all(argc, argv);
  options::arguments a(
      "Trains linear + tanh stages from IN/init_W{i}.npy [in, out], IN/init_b{i}.npy on IN/x.npy [n, inputs], IN/y.npy "
      "[n];\n"
      "writes OUT/traj.npy, OUT/mb_loss.npy and OUT/versions.npy. Microbatch s is rows s*M .. s*M+M-1 modulo n.");
  a.text("in", o.in, "directory of the input")->required();
  a.folder("out", o.out, "directory of the output, made if need be")->required();
  std::string net;
  a.choice("--net", net, {"3", "7"}, "3 is 64-32-32-10, 7 is 20-24-24-24-24-24-24-10")->required();
  a.method("--method", o.method, {"gpipe", "pipedream", "two_bw", "vertical_sync", "t1t2t3"},
           "gpipe has its own schedule, pipedream stashes, two_bw reads version k - 1, vertical_sync the first stage's, "
           "pipemare has live weights, t1t2t3 is pipemare")
      ->required();
  a.choice("--schedule", o.schedule, {"pipemare", "1f1b", "injected"}, "of an asynchronous method");
  a.whole("--delays", o.run.delays, 0, most, "of --schedule injected: d0,d1,... in microbatches");
  a.whole("--microbatches,--micro", o.run.microbatches, 1, most, "N, in a minibatch")->required();
  a.whole("--microbatch-size,--mbsize", o.run.microbatch_size, 1, most, "M, samples")->required();
  a.whole("--minibatches", o.run.minibatches, 0, most, "K, updates")->required();
  a.number("--rate,--lr", o.run.rate, not_negative, "learning rate")->required();
  a.number("--momentum", o.run.momentum, share, "of SGD");
  auto* const t1 = a.whole("--t1-steps", o.run.t1_steps, 0, 1'000'000'000, "T1 on: its K, updates");
  a.number("--t1-floor", o.run.t1_floor, not_negative, "T1: least delay that it divides by")->needs(t1);
  auto* const t2 = a.number("--t2-decay", o.run.t2_decay, share_below_1, "T2 on: its D");
  a.choice("--t2-delay", o.lag, {"mean", "exact"}, "T2's lag")->needs(t2);
  a.whole("--t3-minibatches,--warmup", o.run.warmup, 0, most, "T3: synchronous minibatches at first");
  a.whole("--workers", o.run.workers, 1, most, "threads of a process");
  a.choice("--dtype", o.type, {"float32", "float64"}, "element type");
  if (!a.parse(argc, argv)) return 0;
  o.net = net == "3" ? 3 : 7;
  o.run.t1 = t1->count() > 0;
  o.run.t2 = t2->count() > 0;
  o.run.exact = o.lag == "exact";
  using parity::method, parity::timing;
  o.run.method = o.method == "gpipe"           ? method::gpipe
                 : o.method == "pipedream"     ? method::pipedream
                 : o.method == "two_bw"        ? method::two_bw
                 : o.method == "vertical_sync" ? method::vertical_sync
                                               : method::pipemare;
  o.run.timing = o.schedule == "1f1b" ? timing::async_1f1b : o.schedule == "injected" ? timing::injected : timing::pipemare;
  check(o);
  read_inputs(o);
  return o.net == 3 ? train<parity::net3>(o) : train<parity::net7>(o);
} catch (std::exception const& e) {
  std::fprintf(stderr, "parity: %s\n", e.what());
  return 1;
}
