// Trains Transformers to translate, with the methods of pipeline-parallel training side by side; scores BLEU.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <optional>

#include <foal/core/atomic_file.hpp>
#include <foal/core/writable.hpp>
#include <foal/report/json.hpp>
#include <foal/report/number.hpp>
#include <foal/report/statistics.hpp>

#include "options/arguments.hpp"
#include "options/minibatches.hpp"
#include "options/processes.hpp"
#include "options/results.hpp"
#include "t3/epochs.hpp"
#include "translate/run.hpp"

namespace {

struct arguments {
  std::string data = "numbers", net = "small", json;
  std::vector<std::string> methods{"t1t2t3"};
  std::vector<double> rates{translate::settings{}.rate};
  int seeds = 1, merges = 4000, samples = 5, t3_epochs = -1;
  bool facts = false;
  translate::settings run;
};

struct row {
  std::string method;
  double rate = 0;
  std::uint64_t seed = 0;
  translate::outcome result;
};

translate::network const& network_of(std::string const& name) {
  for (auto const* n : {&translate::small(), &translate::small_post(), &translate::small_untied(), &translate::large()})
    if (name == n->name) return *n;
  throw foal::error("cannot train the network " + name +
                    ", because there is none of that name; use small, small_post, small_untied or large");
}

/// False: help was asked for.
bool read_arguments(int argc, char** argv, arguments& o) {
  using namespace options;
  options::arguments a("Trains a Transformer to translate, stage by stage, and scores its translations with BLEU.");
  a.text("--data", o.data,
         "numbers (spelled out, made here), or DIRECTORY:FROM-TO, such as multi30k:de-en; FROM:TO where names hold dashes");
  a.choice("--net", o.net, {"small", "small_post", "small_untied", "large"}, "");
  a.method("--methods,--method", o.methods, translate::methods, "");
  a.whole("--seeds", o.seeds, 1, most, "runs of each method");
  a.seed(o.run.seed, "the first seed");
  a.whole("--epochs", o.run.epochs, 1, most, "");
  a.number("--rate", o.rates, positive, "largest learning rate; a list sweeps it");
  a.whole("--warmup-updates", o.run.warmup_updates, 0, 1'000'000'000,
          "of the learning rate, which then falls as 1/sqrt(update)");
  a.number("--weight-decay", o.run.weight_decay, not_negative, "");
  a.number("--label-smoothing", o.run.label_smoothing, {0, 0.9}, "");
  a.whole("--microbatch-size", o.run.microbatch_size, 1, most, "M, pairs");
  a.whole("--microbatches", o.run.microbatches, 1, most, "N");
  a.whole("--workers", o.run.workers, 1, most, "threads of a process; results do not depend on it");
  a.whole("--replicas", o.run.replicas, 1, most, "pipelines side by side, which share out the microbatches");
  a.number("--t1-epochs", o.run.t1_epochs, not_negative, "T1's K in epochs; 0: all asynchronous updates");
  a.number("--t2-decay", o.run.decay, share_below_1, "T2's D");
  a.whole("--t3-epochs", o.t3_epochs, 0, most, "synchronous epochs of T3; by default 5");
  a.whole("--merges", o.merges, 0, most, "of the byte-pair encoding, both languages as one");
  a.whole("--beam", o.run.beams, 1, 1024, "of the search for translations; 1: greedy; a list scores each");
  a.number("--alpha", o.run.alpha, {0, 10}, "of the length normalisation of the search; more favours longer translations");
  a.number("--average-decay", o.run.average_decay, share, "of the average of the weights, which is translated with too");
  a.output("--save", o.run.save,
           "write the weights to this file (safetensors) after the run, which is the only one, and their average beside "
           "it, to FILE.averaged.safetensors for FILE.safetensors");
  a.input("--load", o.run.load, "translate with the weights of this file instead of training");
  a.whole("--samples", o.samples, 0, most, "translations to print");
  a.flag("--facts", o.facts, "print what is known of a run before it");
  a.output("--json", o.json, "write one row for each run to this file");
  o.run.saves.add(a);
  o.run.stalls.add(a);
  if (!a.parse(argc, argv)) return false;
  o.run.saves.check();
  bool const warms_up = std::find(o.methods.begin(), o.methods.end(), "t1t2t3") != o.methods.end();
  if (warms_up) o.run.t3_epochs = t3::epochs(o.t3_epochs, o.run.t3_epochs, o.run.epochs, "--t3-epochs");
  return true;
}

/// Before hours of training, not after.
void check_files(arguments const& o) {
  std::size_t const runs = o.methods.size() * o.rates.size() * static_cast<std::size_t>(o.seeds);
  foal::require(runs == 1 || (o.run.save.empty() && o.run.load.empty()), "cannot save or load the weights of ", runs,
                " runs, because a file has those of one; give one method, one rate and one seed");
  if (!o.run.save.empty()) foal::require_writable(o.run.save_averaged());
}

void print_samples(translate::task const& t, translate::translation const& r, int samples) {
  for (int i = 0; i < std::min(samples, static_cast<int>(r.lines.size())); ++i) {
    auto const n = static_cast<std::size_t>(i) * r.lines.size() / static_cast<std::size_t>(samples);
    std::printf("  source       %s\n  translation  %s\n  reference    %s\n\n", t.test.text[n].c_str(), r.lines[n].c_str(),
                t.test.reference[n].c_str());
  }
}

/// "beam 4", or "beam 4, averaged weights".
std::string name_of(int beam, bool averaged) { return foal::sentence("beam ", beam, averaged ? ", averaged weights" : ""); }

/// Means over the seeds; BLEU is that of translation number `search`.
void print_table(std::vector<row> const& rows, arguments const& o, std::size_t search) {
  using foal::report::fixed;
  std::size_t const beams = o.run.beams.size();
  auto const& last = rows.back().result.translations;
  bool const averaged = search >= beams || (!last.empty() && last.front().averaged);  // the latter of loaded weights
  std::map<std::pair<std::string, double>, std::vector<double>> bleu, loss, ended;
  for (row const& r : rows) {
    auto const key = std::pair(r.method, r.rate);
    bleu[key].push_back(r.result.divergence.empty() ? r.result.translations[search].bleu : 0);
    if (!r.result.validation_loss.empty())
      loss[key].push_back(averaged ? r.result.averaged_loss : r.result.validation_loss.back());
    ended[key].push_back(r.result.divergence.empty() ? 0 : 1);
  }
  std::printf("%s, BLEU 0 where a run diverged:\n", name_of(o.run.beams[search % beams], averaged).c_str());
  std::printf("| method | rate | validation loss | BLEU | sd | diverged | minus gpipe | 95 %% interval |\n");
  std::printf("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n");
  for (std::string const& m : o.methods)
    for (double const rate : o.rates) {
      auto const key = std::pair(m, rate), reference = std::pair(std::string("gpipe"), rate);
      std::string difference = "-", interval = "-";
      if (m != "gpipe" && bleu.count(reference) > 0 && o.seeds > 1) {
        auto const d = foal::report::paired_difference(bleu[key], bleu[reference]);
        difference = fixed(d.mean, 2);
        interval = "[" + fixed(d.low(), 2) + ", " + fixed(d.high(), 2) + "]";
      }
      double const diverged = foal::report::mean(ended[key]) * o.seeds;
      std::printf("| %s | %g | %s | %s | %s | %.0f of %d | %s | %s |\n", m.c_str(), rate,
                  loss[key].empty() ? "-" : fixed(foal::report::mean(loss[key]), 3).c_str(),
                  fixed(foal::report::mean(bleu[key]), 2).c_str(),
                  o.seeds > 1 ? fixed(foal::report::standard_deviation(bleu[key]), 2).c_str() : "-", diverged, o.seeds,
                  difference.c_str(), interval.c_str());
    }
}

void write_json(std::string const& path, std::vector<row> const& rows, arguments const& o, translate::network const& n) {
  std::string text;
  foal::report::json_writer json(text, 1);
  json.begin_array();
  for (row const& r : rows) {
    json.begin_object().key("net").value(o.net).key("stages").value(n.stages).key("data").value(o.data);
    json.key("method").value(r.method).key("rate").value(r.rate).key("seed").value(static_cast<long long>(r.seed));
    json.key("epochs").value(o.run.epochs).key("t1_epochs").value(o.run.t1_epochs);
    json.key("t3_epochs").value(o.run.t3_epochs).key("max_tau").value(r.result.max_tau);
    json.key("translations").begin_array();
    for (translate::translation const& t : r.result.translations) {
      json.begin_object().key("beam").value(t.beam).key("averaged").value(t.averaged).key("bleu").value(t.bleu);
      json.key("brevity_penalty").value(t.brevity).key("seconds").value(t.seconds).end_object();
    }
    json.end_array().key("averaged_loss").value(r.result.averaged_loss);
    json.key("validation_loss").begin_array();
    for (double v : r.result.validation_loss) json.value(v);
    json.end_array().key("train_loss").begin_array();
    for (double v : r.result.train_loss) json.value(v);
    json.end_array().key("divergence").value(r.result.divergence).key("seconds").value(r.result.seconds).end_object();
  }
  json.end_array();
  foal::write_file(path, text + "\n");
}

int run(int argc, char** argv) {
  options::processes const processes(argc, argv);
  arguments o;
  if (!read_arguments(argc, argv, o)) return 0;
  check_files(o);
  translate::network const& net = network_of(o.net);
  translate::task const task = translate::load(o.data, o.merges);
  long long const per_epoch = options::minibatches_per_epoch(task.train.size(), o.run.microbatch_size, o.run.microbatches);
  std::printf("%s: %lld pairs to train, %lld dropped as longer than %d pieces, %lld to validate, %zu to test; %d pieces\n",
              o.data.c_str(), task.train.size(), task.train.dropped(), translate::longest - 1, task.validation.size(),
              task.test.source.size(), task.pieces.vocabulary().size());
  std::printf("%s: %s, %d stages, %lld parameters; %lld updates an epoch\n", net.name, net.what, net.stages, net.parameters,
              per_epoch);
  options::results written("translate");
  std::optional<foal::interruption> until;
  if (!o.run.saves.directory.empty()) o.run.saves.until = &until.emplace();
  std::vector<row> rows;
  for (int k = 0; k < o.seeds; ++k)
    for (double const rate : o.rates)
      for (std::string const& method : o.methods) {
        translate::settings s = o.run;
        s.method = method;
        s.rate = rate;
        s.seed += static_cast<std::uint64_t>(k);
        std::string const label = foal::sentence(method, ", rate ", rate, ", seed ", s.seed);
        if (o.facts && k == 0) std::printf("%s:\n%s\n", label.c_str(), net.facts(s, per_epoch).c_str());
        rows.push_back({method, rate, s.seed, net.train(s, task, [&](std::string const& line) {
                          std::printf("%s: %s\n", label.c_str(), line.c_str());
                          std::fflush(stdout);
                        })});
        translate::outcome const& r = rows.back().result;
        if (r.interrupted != 0) return o.run.saves.interrupted("translate", r.interrupted);
        if (!r.divergence.empty()) std::printf("%s: %s\n", label.c_str(), r.divergence.c_str());
        for (translate::translation const& t : r.translations)
          std::printf("%s: BLEU %.2f (%.1f/%.1f/%.1f/%.1f, brevity %.3f, %s), trained in %.0f s, translated in %.0f s\n",
                      label.c_str(), t.bleu, 100 * t.precision[0], 100 * t.precision[1], 100 * t.precision[2],
                      100 * t.precision[3], t.brevity, name_of(t.beam, t.averaged).c_str(), r.seconds, t.seconds);
        std::fflush(stdout);
        if (options::processes::first())
          written.write(o.json, [&](std::string const& path) { write_json(path, rows, o, net); });
      }
  if (!options::processes::first()) return 0;
  std::printf("\n");
  if (rows.back().result.divergence.empty()) print_samples(task, rows.back().result.translations.back(), o.samples);
  for (std::size_t search = 0; search < o.run.beams.size() * (o.run.load.empty() ? 2 : 1); ++search)
    print_table(rows, o, search);
  if (written.status() != 0) return written.status();
  auto const has = [&rows](auto what) { return std::any_of(rows.begin(), rows.end(), what); };
  if (has([](row const& r) { return r.result.saved_elsewhere; })) return 1;
  return has([](row const& r) { return r.result.divergence.empty(); }) ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "translate: %s\n", e.what());
    return 1;
  }
}
