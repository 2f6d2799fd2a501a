// Trains a decoder-only Transformer on the characters of a text, stage by stage, and writes text like it.
#include <cstdio>
#include <exception>
#include <optional>

#include <foal/data/lines.hpp>
#include <foal/data/spelled_numbers.hpp>
#include <foal/data/window_source.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/seq1f1b.hpp>
#include <foal/text/alphabet.hpp>
#include <foal/text/perplexity.hpp>
#include <foal/trainer/gathered.hpp>
#include <foal/zoo/gpt.hpp>

#include "gpt/draw.hpp"
#include "options/arguments.hpp"
#include "options/checkpointing.hpp"
#include "options/minibatches.hpp"
#include "options/processes.hpp"
#include "options/stalls.hpp"
#include "t3/epochs.hpp"

namespace {

constexpr int vocabulary = 128, longest = 64;

struct network
    : foal::zoo::gpt<foal::zoo::gpt_size{
          .layers = 4, .width = 128, .heads = 4, .vocabulary = vocabulary, .longest = longest, .dropout_percent = 10}> {};

using base = foal::lr::cosine;
template <class Schedule, class... Policies>
using run = foal::trainer<network, foal::loss::cross_entropy, Schedule, foal::optim::adamw, foal::executor::as_launched,
                          Policies...>;
using synchronous = run<foal::schedule::gpipe, base>;
using in_segments = run<foal::schedule::seq1f1b, base>;
using pipemare = run<foal::schedule::pipemare, foal::lr::reschedule<base>, foal::delay::discrepancy_correction,
                     foal::warmup::synchronous>;

struct settings {
  std::string data, method = "t1t2t3", prompt = "\n";
  int epochs = 5, microbatch_size = 8, microbatches = 4, segments = 0, workers = 1, replicas = 1, characters = 400,
      stride = 32, t3_epochs = -1;
  double rate = 1e-3, temperature = 0.8;
  std::uint64_t seed = 1;
  bool facts = false;
  options::checkpointing saves;
  options::stalls stalls;
};

/// False: help was asked for.
bool read_arguments(int argc, char** argv, settings& o) {
  options::arguments a("Trains a language model of characters and writes text like the text it was given.");
  a.input("--data", o.data, "a text file; without one, spelled-out numbers are made");
  a.method("--method", o.method, {"gpipe", "seq1f1b", "t1t2t3"}, "");
  a.whole("--epochs", o.epochs, 1, options::most, "");
  a.number("--rate", o.rate, options::positive, "largest learning rate; it falls along half a cosine");
  a.whole("--t3-epochs", o.t3_epochs, 0, options::most, "synchronous epochs of T3; by default a fifth of all");
  a.whole("--microbatch-size", o.microbatch_size, 1, options::most, "M, windows");
  a.whole("--microbatches", o.microbatches, 1, options::most, "N");
  a.whole("--segments", o.segments, 1, longest, "of each window, one after the other, in seq1f1b; 4 by default");
  a.whole("--stride", o.stride, 1, longest, "characters from one window to the next");
  a.whole("--workers", o.workers, 1, synchronous::stages, "threads; results do not depend on it");
  a.whole("--replicas", o.replicas, 1, options::most, "pipelines side by side, which share out the microbatches");
  a.seed(o.seed, "");
  a.text("--prompt", o.prompt, "how the written text begins");
  a.whole("--characters", o.characters, 0, options::most, "to write");
  a.number("--temperature", o.temperature, options::not_negative, "of the choice among characters; 0: always the likeliest");
  a.flag("--facts", o.facts, "print what is known of the run before it");
  o.saves.add(a);
  o.stalls.add(a);
  if (!a.parse(argc, argv)) return false;
  o.saves.check();
  return true;
}

std::string text_of(settings const& o) {
  if (!o.data.empty()) return foal::data::read_text(o.data);
  auto const made = foal::data::spelled_numbers({.train = 4000, .validation = 1, .test = 1});
  std::string all;
  for (std::string const& line : made.train.source) all += line + "\n";
  return all;
}

/// One window, the end of what has been written so far.
struct last_window {
  std::vector<std::int32_t> const& tokens;
  int size() const { return std::min(longest, static_cast<int>(tokens.size())); }
  foal::lengths_of_axes lengths(long long) const { return {{size()}}; }
  void inputs(long long, int, float* x) const {
    std::transform(tokens.end() - size(), tokens.end(), x, [](std::int32_t t) { return static_cast<float>(t); });
  }
};

template <class Trainer>
std::string write(Trainer const& trained, foal::text::alphabet const& letters, settings const& o) {
  foal::predictor<network> predictor({.microbatch_size = 1, .workers = o.workers});
  predictor.take(foal::gathered(trained));
  if (!options::processes::first()) return {};
  std::vector<std::int32_t> tokens = letters.encode(o.prompt);
  auto const known = static_cast<std::size_t>(letters.vocabulary().size());
  for (int i = 0; i < o.characters; ++i) {
    std::int32_t next = 0;
    double const random =
        static_cast<double>(foal::random_unit({o.seed, foal::purpose::user, 0, static_cast<std::uint64_t>(i)}, 0));
    predictor.predict(last_window{tokens}, 1, [&](long long, float const* y, foal::shape of, int) {
      float const* const row = y + static_cast<std::ptrdiff_t>(of.positions() - 1) * of.channels();
      next = gpt::draw({row, known}, o.temperature, random);
    });
    tokens.push_back(next);
  }
  return letters.decode(tokens);
}

/// Gives the program's status: 2 where the run diverged.
template <class Trainer>
int train(settings const& o, foal::data::window_source const& text, foal::data::window_source const& rest,
          foal::text::alphabet const& letters) {
  long long const per_epoch = options::minibatches_per_epoch(text.size(), o.microbatch_size, o.microbatches);
  long long const updates = o.epochs * per_epoch;
  typename Trainer::config c;
  c.microbatch_size = o.microbatch_size;
  c.microbatches = o.microbatches;
  c.workers = o.workers;
  c.replicas = o.replicas;
  c.seed = o.seed;
  c.optim.weight_decay = 0.1F;
  if constexpr (requires { c.schedule.segments; })
    c.schedule.segments = o.segments > 0 ? o.segments : 4;
  else
    foal::require(o.segments == 0, "cannot train in ", o.segments, " segments with --method ", o.method,
                  ", because it takes whole sequences; use --method seq1f1b, or leave --segments out");
  base const rate{.rate = o.rate, .steps = updates, .least = 0.1 * o.rate, .warmup = std::min(200LL, updates / 10)};
  if constexpr (requires { c.warmup.minibatches; }) {
    c.warmup.minibatches = t3::epochs(o.t3_epochs, o.epochs / 5, o.epochs, "--t3-epochs") * per_epoch;
    c.lr = {.base = rate, .steps = updates - c.warmup.minibatches};
  } else {
    c.lr = rate;
  }
  Trainer t(c);
  if (o.facts) std::printf("%s\n", t.facts().text().c_str());
  typename Trainer::fit_options fit{.epochs = o.epochs, .evaluate = rest};
  fit.hooks.evaluated = [&](foal::evaluation_result const& r) {
    std::printf("epoch %lld: validation loss %.3f, perplexity %.2f, next character right in %.1f %%\n", r.update / per_epoch,
                r.loss, foal::text::perplexity(r.loss, 1), 100 * r.accuracy);
    std::fflush(stdout);
  };
  fit.hooks.stall_seconds = o.stalls.seconds;
  fit.checkpoint = o.saves.of();
  foal::fit_report const report = t.fit(text, fit);
  if (report.interrupted != 0) return o.saves.interrupted("gpt", report.interrupted);
  if (report.diverged) {
    std::printf("%s\n", report.diverged->text().c_str());
    return 2;
  }
  std::printf("%.0f windows a second\n\n%s\n", report.samples_per_second, write(t, letters, o).c_str());
  return 0;
}

/// Before the training that ends in a text.
void check_prompt(std::string const& prompt, foal::text::alphabet const& letters) {
  foal::require(!prompt.empty(), "cannot write a text, because the prompt is empty; give --prompt a character or more");
  auto const tokens = letters.encode(prompt);
  auto const unknown = std::find(tokens.begin(), tokens.end(), foal::text::unk) - tokens.begin();
  foal::require(unknown == static_cast<std::ptrdiff_t>(tokens.size()),
                "cannot begin a text with --prompt, because its character number ", unknown + 1,
                " is none of the text to train on; give a prompt of characters that the text has");
}

int run_example(int argc, char** argv) {
  options::processes const processes(argc, argv);
  settings o;
  if (!read_arguments(argc, argv, o)) return 0;
  std::optional<foal::interruption> until;
  if (!o.saves.directory.empty()) o.saves.until = &until.emplace();
  std::string const all = text_of(o);
  auto const letters = foal::text::alphabet::of(all);
  foal::require(letters.vocabulary().size() <= vocabulary, "cannot train on this text, because it has ",
                letters.vocabulary().size(), " kinds of characters, four marks among them, and the network here ",
                vocabulary, " tokens; give a text with fewer");
  check_prompt(o.prompt, letters);
  auto const cut = foal::data::cut_text(all, 0.1);
  foal::data::window_source const text(letters.encode(cut.train), {.length = longest, .stride = o.stride});
  foal::data::window_source const rest(letters.encode(cut.validation), {.length = longest});
  std::printf("%zu characters of %d kinds; %lld windows of %d; %d stages, %lld parameters; %s\n", all.size(),
              static_cast<int>(letters.vocabulary().size()), text.size(), longest, synchronous::stages,
              synchronous::parameters, o.method.c_str());
  if (o.method == "seq1f1b") return train<in_segments>(o, text, rest, letters);
  return o.method == "gpipe" ? train<synchronous>(o, text, rest, letters) : train<pipemare>(o, text, rest, letters);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_example(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "gpt: %s\n", e.what());
    return 1;
  }
}
