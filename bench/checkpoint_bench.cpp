// What checkpoints of a run cost, and how long they take. checkpoint_bench [--json FILE] [--rounds N]
//
// A Transformer of 3 + 3 layers, d 256, trained on spelled-out numbers by PipeMare with AdamW and T2 on two workers, some 20
// s a round: without checkpoints, and with one every 10 s. Then one checkpoint is written and read, beside what cp takes for
// the same files: cp and sync, and cp alone of files that were read before.
#include <cstdlib>
#include <filesystem>

#include <foal/checkpoint.hpp>
#include <foal/data/parallel_source.hpp>
#include <foal/data/spelled_numbers.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/base.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/text/subwords.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/transformer.hpp>

#include "support/outcome.hpp"

namespace {

constexpr int vocabulary = 4096, longest = 64;

struct net : foal::zoo::transformer<foal::zoo::transformer_size{.encoder_layers = 3,
                                                                .decoder_layers = 3,
                                                                .width = 256,
                                                                .heads = 8,
                                                                .hidden = 512,
                                                                .source_vocabulary = vocabulary,
                                                                .target_vocabulary = vocabulary,
                                                                .longest = longest,
                                                                .dropout_percent = 0,
                                                                .where = foal::zoo::norm::before,
                                                                .stages = foal::zoo::cut::layers}> {};
using run = foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adamw,
                          foal::delay::discrepancy_correction>;

foal::data::parallel_source texts(int pairs) {
  auto const made = foal::data::spelled_numbers({.train = pairs, .validation = 1, .test = 1, .terms = 4});
  foal::text::word_counts counts;
  for (auto const* side : {&made.train.source, &made.train.target})
    for (std::string const& line : *side) foal::text::count_words(line, counts);
  auto pieces = foal::text::subwords::learn(counts, 500);
  auto const encode = [&](std::vector<std::string> const& side) {
    std::vector<std::vector<std::int32_t>> all;
    for (std::string const& line : side) all.push_back(pieces.encode(line));
    return all;
  };
  return {encode(made.train.source), encode(made.train.target), {longest, longest, vocabulary, vocabulary}};
}

run::config values() {
  run::config c;
  c.microbatch_size = 8;
  c.microbatches = 8;
  c.workers = 2;
  c.evaluation = false;
  c.lr.rate = 1e-4;
  return c;
}

/// Samples a second, and processor seconds of the process for a thousand samples.
struct speed {
  double rate = 0, processor = 0;
};
speed trained(foal::data::parallel_source const& data, int epochs, foal::any_keeper const& keeper) {
  run t(values());
  foal::fit_report r;
  double const processor =
      bench::cpu_seconds_of([&] { r = t.fit(data, {.epochs = epochs, .quiet = true, .checkpoint = keeper}); });
  for (std::string const& note : r.notes)
    if (note.find("the fit begins anew") == std::string::npos) std::printf("  %s\n", note.c_str());
  return {r.samples_per_second, 1000 * processor / static_cast<double>(data.size() * epochs)};
}

int seconds_of_command(std::string const& command, double& seconds) {
  int status = 0;
  seconds = bench::seconds_of([&] { status = std::system(command.c_str()); });
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  return bench::run_benchmark([&] {
    bench::options const options(argc, argv, 5);
    bench::outcome out("checkpoint_bench", options);
    std::string const folder = (std::filesystem::temp_directory_path() / "foal_checkpoint_bench").string();
    std::filesystem::remove_all(folder);
    auto const data = texts(1280);
    run::config const c = values();
    double const rate = trained(data, 1, {}).rate;
    int const epochs = std::max(1, static_cast<int>(21 * rate / static_cast<double>(data.size())));
    int number = 0;
    std::vector<double> processor[2];
    auto const kept = [](std::vector<double>& to, speed const& of) {
      to.push_back(of.processor);
      return of.rate;
    };
    auto const times = bench::take_turns(
        options.rounds, [&] { return kept(processor[0], trained(data, epochs, {})); },
        [&] {
          return kept(processor[1],
                      trained(data, epochs,
                              foal::checkpoints{
                                  .directory = folder + "/" + std::to_string(number++), .every_seconds = 10, .keep = 1}));
        });
    for (auto& of : processor) of.erase(of.begin());  // unmeasured
    out.add("samples/s without checkpoints", bench::spread_of(times[0]), "1/s");
    out.add("samples/s with one every 10 s", bench::spread_of(times[1]), "1/s");
    out.at_least("with / without", bench::ratio_of(times[1], times[0]), "", 0.99);
    out.add("the same of processor seconds, the last checkpoint too", bench::ratio_of(processor[1], processor[0]), "");

    // One checkpoint of a run in its midst.
    namespace checkpoint = foal::checkpoint;
    run t(c);
    foal::executor::run_request request;
    request.minibatches = 20;
    foal::data::sequence_batches<foal::data::parallel_source> const batches(
        data, {c.microbatch_size, c.microbatches, c.seed, foal::data::ordering::shuffled}, foal::data::layout::ragged);
    checkpoint::saved_run saved;
    double copied = 0;
    int copies = 0;
    double begin = 0;
    request.cuts = {5,
                    {},
                    [&](long long) {
                      begin = bench::now_seconds();
                      return &saved.run;
                    },
                    [&](auto const&, auto const&, long long) {
                      if (++copies > 1) copied = bench::now_seconds() - begin;  // the first one takes new pages
                      return foal::training::goes_on;
                    }};
    t.run(batches, request);
    out.add("copy of the run, while its workers stand", {copied * 1e3, copied * 1e3, copied * 1e3}, "ms");
    checkpoint::layouts const order(run::model_type::description.row, run::model_type::description.size);
    auto const named = checkpoint::named_arrays(t.tables(), t.engine().memory(), &order);
    checkpoint::run_parts parts;
    std::filesystem::create_directories(folder + "/one");
    std::string const w = folder + "/one/" + checkpoint::weights_file, r = folder + "/one/" + checkpoint::run_file;
    std::string const copy = folder + "/copy";
    double seconds = 0;
    auto const shell = [&](std::string const& command) {
      foal::require(seconds_of_command(command, seconds) == 0, "cannot measure, because '", command, "' failed; look at ",
                    folder);
      return seconds;
    };
    std::vector<double> busy;
    auto const files = bench::take_turns(
        3 * options.rounds,
        [&] {
          return bench::seconds_of([&] {
            busy.push_back(bench::cpu_seconds_of([&] {
              checkpoint::encode(parts, saved, named, "net");
              parts.weights.write(w);
              parts.run.write(r);
            }));
          });
        },
        [&] {
          std::filesystem::remove_all(copy);
          return shell("cp -r " + folder + "/one " + copy + " && sync " + copy + "/*");
        },
        [&] {
          return bench::seconds_of([&] {
            checkpoint::run_of(w, checkpoint::read_safetensors_file(w), r, checkpoint::read_safetensors_file(r), named);
          });
        },
        [&] {
          std::filesystem::remove_all(copy);
          return shell("cp -r " + folder + "/one " + copy);
        },
        [&] { return bench::seconds_of([&] { checkpoint::encode(parts, saved, named, "net"); }); },
        [&] {
          return bench::seconds_of([&] {
            for (auto const& array : saved.run.arrays)
              for (auto const& slot : array.slots) checkpoint::digest_of_array(slot.bytes.data(), slot.bytes.size());
          });
        });
    double const megabytes = static_cast<double>(parts.weights.bytes() + parts.run.bytes()) / 1e6;
    out.add("size of a checkpoint", {megabytes, megabytes, megabytes}, "MB");
    busy.erase(busy.begin());  // unmeasured
    out.add("save", bench::spread_of(files[0]), "s");
    out.add("  processor time", bench::spread_of(busy), "s");
    out.add("  of it: PyTorch's order", bench::spread_of(files[4]), "s");
    out.add("  of it: digests", bench::spread_of(files[5]), "s");
    out.add("cp and sync", bench::spread_of(files[1]), "s");
    out.add("save / cp and sync", bench::ratio_of(files[0], files[1]), "");
    out.add("load, files in memory", bench::spread_of(files[2]), "s");
    out.add("cp, files in memory", bench::spread_of(files[3]), "s");
    out.add("load / cp", bench::ratio_of(files[2], files[3]), "");
    std::filesystem::remove_all(folder);
    return out.finish();
  });
}
