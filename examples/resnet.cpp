// Trains ResNet-20 (43 stages) or ResNet-50 (the paper's 107) with one method, with or without recomputation.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>

#include <foal/report/rows.hpp>

#include "resnet/experiment.hpp"
#include "resnet/load.hpp"
#include "t3/epochs.hpp"

namespace {

using namespace resnet;

struct options {
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

void write_rows(options const& o, foal::report::facts const& f, outcome const& out) {
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
  rows.write(o.json);
}

/// T3's epochs, which end before the run does.
int warmup_epochs(experiment const& e, long long samples) {
  int const asked = e.warmup_epochs;
  if (!e.method.t3) return 0;
  if (e.minibatches == 0) return t3::epochs(asked, std::max(1, e.epochs / 4), e.epochs, "--warmup-epochs");
  long long const updates = samples / (static_cast<long long>(e.microbatch_size) * e.microbatches) * std::max(0, asked);
  foal::require(updates < e.minibatches, "cannot warm up for ", asked, " epochs, because they have ", updates,
                " minibatches, and T3 would leave none of the run's ", e.minibatches,
                " to train asynchronously; give fewer --warmup-epochs, or more --minibatches");
  return std::max(0, asked);
}

int show(options o) {
  o.base.method = method_named(o.method);
  foal::data::dataset const data = load(o.data);
  network const& net = network_for(o.net, data.train.sample());
  bool const colour = data.train.sample().channels() == 3;
  if (o.base.epochs == 0) o.base.epochs = colour ? 20 : 8;
  if (o.base.drop_epoch == 0) o.base.drop_epoch = std::max(1, o.base.epochs * 2 / 3);
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

  if (!out.divergence.empty()) std::printf("%s\n", out.divergence.c_str());
  foal::report::table t{{{"epoch"}, {"train loss"}, {"test loss"}, {"accuracy %"}}};
  for (epoch_result const& r : out.epochs)
    t.add({foal::report::shortest(r.epoch), foal::report::fixed(r.train_loss, 4), foal::report::fixed(r.test_loss, 4),
           foal::report::fixed(100 * r.accuracy, 2)});
  std::printf("\n%s\n%lld updates in %.1f s, %.1f samples/s\n", t.text().c_str(), out.updates, out.seconds,
              out.samples_per_second);
  if (!o.json.empty()) write_rows(o, facts, out);
  return out.divergence.empty() ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  options o;
  o.base.epochs = 0;
  o.base.drop_epoch = 0;
  o.base.warmup_epochs = -1;
  CLI::App app{"Trains a ResNet, every convolution and every norm a stage, by GPipe, PipeDream or PipeMare."};
  app.add_option("--net", o.net, "resnet20 or resnet50")
      ->check(CLI::IsMember({"resnet20", "resnet50"}))
      ->capture_default_str();
  app.add_option("--data", o.data, "handwritten (generated), digits:DIR (IDX files, .gz too), cifar10:DIR")
      ->capture_default_str();
  app.add_option("--method", o.method, "gpipe, pipedream, none, t1, t1t2, t1t2t3")->capture_default_str();
  app.add_option("--recompute", o.base.segment,
                 "recompute activations in segments of so many stages; alone, 0 or without "
                 "a number: the square root of all")
      ->expected(0, 1)
      ->default_str("0")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--epochs", o.base.epochs, "by default what suits the data")->check(CLI::PositiveNumber);
  app.add_option("--minibatches", o.base.minibatches, "train so many instead of whole epochs")->check(CLI::PositiveNumber);
  app.add_option("--microbatches", o.base.microbatches, "N")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--microbatch-size", o.base.microbatch_size, "M")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--workers", o.base.workers, "threads")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--rate", o.base.rate, "learning rate")->check(CLI::PositiveNumber)->capture_default_str();
  app.add_option("--momentum", o.base.momentum)->check(CLI::Range(0.0, 1.0))->capture_default_str();
  app.add_option("--weight-decay", o.base.weight_decay)->check(CLI::NonNegativeNumber)->capture_default_str();
  app.add_option("--drop-epoch", o.base.drop_epoch, "the rate is divided by 10 every so many epochs; by default after 2/3")
      ->check(CLI::PositiveNumber);
  app.add_option("--warmup-epochs", o.base.warmup_epochs,
                 "T3; by default a quarter of the epochs, and none with --minibatches")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--seed", o.base.seed)->capture_default_str();
  app.add_flag("--quiet", o.base.quiet, "no progress");
  app.add_option("--json", o.json, "write the run and its epochs as an array of rows to this file");
  CLI11_PARSE(app, argc, argv);
  try {
    return show(std::move(o));
  } catch (std::exception const& e) {
    std::fprintf(stderr, "resnet: %s\n", e.what());
    return 1;
  }
}
