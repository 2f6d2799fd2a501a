// Trains ResNet-20 (43 stages) or ResNet-50 (the paper's 107) with one method, with or without recomputation.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <optional>

#include <foal/report/rows.hpp>

#include "options/arguments.hpp"
#include "options/minibatches.hpp"
#include "options/processes.hpp"
#include "options/results.hpp"
#include "resnet/experiment.hpp"
#include "resnet/load.hpp"
#include "t3/epochs.hpp"

namespace {

using namespace resnet;

struct arguments {
  std::string net = "resnet20", data = "handwritten", method = "t1t2t3", json;
  experiment base;
};

network const& network_for(std::string const& name, foal::shape sample) {
  for (network const* n : {&resnet20_cifar(), &resnet50_cifar(), &resnet20_digits(), &resnet50_digits()})
    if (name == n->name && sample == n->input) return *n;
  throw foal::error(foal::sentence("cannot train ", name, " on images of ", sample.channels(), " x ", sample.height(), " x ",
                                   sample.width(),
                                   ", because this program has it for 3 x 32 x 32 and 1 x 8 x 8 alone; use "
                                   "cifar10:DIR, digits:DIR or handwritten"));
}

void print(epoch_result const& r, bool whole) {
  std::string const when = whole ? foal::sentence("epoch ", r.epoch) : "at the end";
  std::printf("%-10s  test loss %.4f  accuracy %.2f %%\n", when.c_str(), r.test_loss, 100 * r.accuracy);
  std::fflush(stdout);
}

void write_rows(std::string const& path, arguments const& o, foal::report::facts const& f, outcome const& out) {
  foal::report::rows rows;
  auto& row = rows.add({{"row", "run"},
                        {"net", o.net},
                        {"data", o.data},
                        {"method", o.method},
                        {"recomputed", o.base.segment >= 0},
                        {"seed", static_cast<long long>(o.base.seed)},
                        {"stages", f.stages},
                        {"parameters", f.parameters},
                        {"largest_delay", f.stage.front().delay},
                        {"microbatches", f.microbatches},
                        {"microbatch_size", f.microbatch_size},
                        {"workers", f.workers},
                        {"updates", out.updates},
                        {"samples_per_second", out.samples_per_second},
                        {"divergence", out.divergence}});
  for (auto const& [name, value] : f.bytes.entries()) row.set(std::string("bytes_") + name, value);
  for (epoch_result const& r : out.epochs)
    rows.add({{"row", "epoch"},
              {"epoch", r.epoch},
              {"train_loss", r.train_loss},
              {"test_loss", r.test_loss},
              {"accuracy", r.accuracy}});
  rows.write(path);
}

/// T3's epochs, which end before the run does.
int warmup_epochs(experiment const& e, long long samples) {
  int const asked = e.warmup_epochs;
  if (!e.method.t3) return 0;
  if (e.minibatches == 0) return t3::epochs(asked, std::max(1, e.epochs / 4), e.epochs, "--t3-epochs");
  long long const updates = options::minibatches_per_epoch(samples, e.microbatch_size, e.microbatches) * std::max(0, asked);
  foal::require(updates < e.minibatches, "cannot warm up for ", asked, " epochs, because they have ", updates,
                " minibatches, and T3 would leave none of the run's ", e.minibatches,
                " to train asynchronously; give fewer --t3-epochs, or more --minibatches");
  return std::max(0, asked);
}

int show(arguments o) {
  o.base.method = method_named(o.method);
  foal::data::dataset const data = load(o.data);
  network const& net = network_for(o.net, data.train.sample());
  bool const colour = data.train.sample().channels() == 3;
  if (o.base.epochs == 0) o.base.epochs = colour ? 20 : 8;
  if (o.base.drop_epoch == 0) o.base.drop_epoch = std::max(1, o.base.epochs * 2 / 3);
  options::minibatches_per_epoch(data.train.size(), o.base.microbatch_size, o.base.microbatches);  // there is one
  o.base.warmup_epochs = warmup_epochs(o.base, data.train.size());
  o.base.data = &data;
  o.base.augment = colour;
  std::printf("%s (%lld samples to train on, %lld to test on)\n\n", data.name.c_str(), data.train.size(), data.test.size());

  foal::report::facts facts;
  o.base.begun = [&](foal::report::facts const& f) {
    facts = f;
    std::printf("%s\n", f.text().c_str());
    std::fflush(stdout);
  };
  o.base.tested = [&](epoch_result const& r) { print(r, o.base.minibatches == 0); };
  outcome const out = net.train(o.base);
  if (out.interrupted != 0) return o.base.saves.interrupted("resnet", out.interrupted);

  if (!out.divergence.empty()) std::printf("%s\n", out.divergence.c_str());
  foal::report::table t{{{"epoch"}, {"train loss"}, {"test loss"}, {"accuracy %"}}};
  for (epoch_result const& r : out.epochs)
    t.add({foal::report::shortest(r.epoch), foal::report::fixed(r.train_loss, 4), foal::report::fixed(r.test_loss, 4),
           foal::report::fixed(100 * r.accuracy, 2)});
  std::printf("\n%s\n%lld updates in %.1f s, %.1f samples/s\n", t.text().c_str(), out.updates, out.seconds,
              out.samples_per_second);
  options::results written("resnet");
  if (options::processes::first()) written.write(o.json, [&](std::string const& path) { write_rows(path, o, facts, out); });
  return written.status() != 0 ? written.status() : out.divergence.empty() ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  arguments o;
  o.base.epochs = 0;
  o.base.drop_epoch = 0;
  o.base.warmup_epochs = -1;
  try {
    using namespace options;
    options::processes const all(argc, argv);
    options::arguments a("Trains a ResNet, every convolution and every norm a stage, by GPipe, PipeDream or PipeMare.");
    a.choice("--net", o.net, {"resnet20", "resnet50"}, "");
    a.text("--data", o.data, "handwritten (generated), digits:DIR (IDX files, .gz too), cifar10:DIR");
    std::vector<std::string> known;
    for (method const& m : methods) known.emplace_back(m.name);
    a.method("--method", o.method, known, "");
    a.whole("--recompute", o.base.segment, 0, most,
            "recompute activations in segments of so many stages; alone, 0 or without a number: the square root of all")
        ->expected(0, 1)
        ->default_str("0");
    a.whole("--epochs", o.base.epochs, 1, most, "by default what suits the data");
    a.whole("--minibatches", o.base.minibatches, 1, most, "train so many instead of whole epochs");
    a.whole("--microbatches", o.base.microbatches, 1, most, "N");
    a.whole("--microbatch-size", o.base.microbatch_size, 1, most, "M");
    a.whole("--workers", o.base.workers, 1, most, "threads of a process; results do not depend on it");
    a.whole("--replicas", o.base.replicas, 1, most, "pipelines side by side, which share out the microbatches");
    a.number("--rate", o.base.rate, positive, "learning rate");
    a.number("--momentum", o.base.momentum, share, "");
    a.number("--weight-decay", o.base.weight_decay, not_negative, "");
    a.whole("--drop-epoch", o.base.drop_epoch, 1, most,
            "the rate is divided by 10 every so many epochs; by default after 2/3");
    a.whole("--t3-epochs", o.base.warmup_epochs, 0, most,
            "synchronous epochs of T3; by default a quarter of all, and none with --minibatches");
    options::arguments::hidden(a.whole("--warmup-epochs", o.base.warmup_epochs, 0, most, ""));
    a.seed(o.base.seed, "");
    a.flag("--quiet", o.base.quiet, "no progress");
    o.base.saves.add(a);
    o.base.stalls.add(a);
    a.output("--json", o.json, "write the run and its epochs as an array of rows to this file");
    if (!a.parse(argc, argv)) return 0;
    o.base.saves.check();
    foal::require(
        o.base.saves.directory.empty() || o.base.minibatches == 0,
        "cannot save checkpoints of a run that is counted in --minibatches, because fits of whole epochs have them; "
        "give --epochs");
    std::optional<foal::interruption> until;
    if (!o.base.saves.directory.empty()) o.base.saves.until = &until.emplace();
    return show(std::move(o));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "resnet: %s\n", e.what());
    return 1;
  }
}
