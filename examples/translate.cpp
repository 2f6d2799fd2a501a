// Trains Transformers to translate, with the methods of pipeline-parallel training side by side; scores BLEU.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <map>

#include <foal/core/atomic_file.hpp>
#include <foal/report/json.hpp>
#include <foal/report/number.hpp>
#include <foal/report/statistics.hpp>

#include "t3/epochs.hpp"
#include "translate/run.hpp"

namespace {

struct options {
  std::string data = "numbers", net = "small", json;
  std::vector<std::string> methods{"t1t2t3"};
  std::vector<double> rates{};
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

void read_arguments(int argc, char** argv, options& o) {
  CLI::App app("Trains a Transformer to translate, stage by stage, and scores its translations with BLEU.");
  app.add_option(
      "--data", o.data,
      "numbers (spelled out, made here), or DIRECTORY:FROM-TO, such as multi30k:de-en; FROM:TO where names hold dashes");
  app.add_option("--net", o.net, "small, small_post, small_untied or large");
  app.add_option("--methods,--method", o.methods, "gpipe, pipedream, none, t1, t1t2, t1t2t3")
      ->delimiter(',')
      ->check(CLI::IsMember(translate::methods));
  app.add_option("--seeds", o.seeds, "runs of each method")->check(CLI::PositiveNumber);
  app.add_option("--seed", o.run.seed, "the first seed");
  app.add_option("--epochs", o.run.epochs)->check(CLI::PositiveNumber);
  app.add_option("--rate", o.rates, "largest learning rate; a list sweeps it")->delimiter(',');
  app.add_option("--warmup-updates", o.run.warmup_updates, "of the learning rate, which then falls as 1/sqrt(update)");
  app.add_option("--weight-decay", o.run.weight_decay);
  app.add_option("--label-smoothing", o.run.label_smoothing)->check(CLI::Range(0.0, 0.9));
  app.add_option("--microbatch-size", o.run.microbatch_size, "M, pairs")->check(CLI::PositiveNumber);
  app.add_option("--microbatches", o.run.microbatches, "N")->check(CLI::PositiveNumber);
  app.add_option("--workers", o.run.workers)->check(CLI::PositiveNumber);
  app.add_option("--t1-epochs", o.run.t1_epochs, "T1's K in epochs; 0: all asynchronous updates");
  app.add_option("--t2-decay", o.run.decay, "T2's D");
  app.add_option("--t3-epochs", o.t3_epochs, "T3: synchronous epochs before the asynchronous ones; by default 5")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--merges", o.merges, "of the byte-pair encoding, both languages as one")->check(CLI::NonNegativeNumber);
  app.add_option("--beam", o.run.beams, "of the search for translations; 1: greedy; a list scores each")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  app.add_option("--alpha", o.run.alpha, "of the length normalisation of the search; more favours longer translations")
      ->check(CLI::Range(0.0, 10.0));
  app.add_option("--average-decay", o.run.average_decay, "of the average of the weights, which is translated with too")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option(
      "--save", o.run.save,
      "write the weights to this file (safetensors) after the run, which is the only one, and their average beside "
      "it, to FILE.averaged.safetensors for FILE.safetensors");
  app.add_option("--load", o.run.load, "translate with the weights of this file instead of training");
  app.add_option("--samples", o.samples, "translations to print");
  app.add_flag("--facts", o.facts, "print what is known of a run before it");
  app.add_option("--json", o.json, "write one row for each run to this file");
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    std::exit(app.exit(e));
  }
  if (o.rates.empty()) o.rates.push_back(o.run.rate);
  bool const warms_up = std::find(o.methods.begin(), o.methods.end(), "t1t2t3") != o.methods.end();
  if (warms_up) o.run.t3_epochs = t3::epochs(o.t3_epochs, o.run.t3_epochs, o.run.epochs, "--t3-epochs");
}

/// Before hours of training, not after.
void check_files(options const& o) {
  std::size_t const runs = o.methods.size() * o.rates.size() * static_cast<std::size_t>(o.seeds);
  foal::require(runs == 1 || (o.run.save.empty() && o.run.load.empty()), "cannot save or load the weights of ", runs,
                " runs, because a file has those of one; give one method, one rate and one seed");
  if (o.run.save.empty()) return;
  std::filesystem::path const folder = std::filesystem::absolute(o.run.save).parent_path();
  foal::require(std::filesystem::is_directory(folder), "cannot save the weights to ", o.run.save, ", because ",
                folder.string(), " is no directory; make it, or give another file");
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
void print_table(std::vector<row> const& rows, options const& o, std::size_t search) {
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

void write_json(std::vector<row> const& rows, options const& o, translate::network const& n) {
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
  foal::write_file(o.json, text + "\n");
}

int run(int argc, char** argv) {
  options o;
  read_arguments(argc, argv, o);
  check_files(o);
  translate::network const& net = network_of(o.net);
  translate::task const task = translate::load(o.data, o.merges);
  long long const per_epoch = task.train.size() / (static_cast<long long>(o.run.microbatch_size) * o.run.microbatches);
  std::printf("%s: %lld pairs to train, %lld dropped as longer than %d pieces, %lld to validate, %zu to test; %d pieces\n",
              o.data.c_str(), task.train.size(), task.train.dropped(), translate::longest - 1, task.validation.size(),
              task.test.source.size(), task.pieces.vocabulary().size());
  std::printf("%s: %s, %d stages, %lld parameters; %lld updates an epoch\n", net.name, net.what, net.stages, net.parameters,
              per_epoch);
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
        if (!r.divergence.empty()) std::printf("%s: %s\n", label.c_str(), r.divergence.c_str());
        for (translate::translation const& t : r.translations)
          std::printf("%s: BLEU %.2f (%.1f/%.1f/%.1f/%.1f, brevity %.3f, %s), trained in %.0f s, translated in %.0f s\n",
                      label.c_str(), t.bleu, 100 * t.precision[0], 100 * t.precision[1], 100 * t.precision[2],
                      100 * t.precision[3], t.brevity, name_of(t.beam, t.averaged).c_str(), r.seconds, t.seconds);
        std::fflush(stdout);
        if (!o.json.empty()) write_json(rows, o, net);
      }
  std::printf("\n");
  if (rows.back().result.divergence.empty()) print_samples(task, rows.back().result.translations.back(), o.samples);
  for (std::size_t search = 0; search < o.run.beams.size() * (o.run.load.empty() ? 2 : 1); ++search)
    print_table(rows, o, search);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
