// Trains a decoder-only Transformer on the characters of a text, stage by stage, and writes text like it.
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <exception>

#include <foal/data/lines.hpp>
#include <foal/data/spelled_numbers.hpp>
#include <foal/data/window_source.hpp>
#include <foal/delay/discrepancy_correction.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/lr/reschedule.hpp>
#include <foal/optim/adam.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/gpipe.hpp>
#include <foal/schedule/pipemare.hpp>
#include <foal/text/alphabet.hpp>
#include <foal/text/perplexity.hpp>
#include <foal/warmup/warmup.hpp>
#include <foal/zoo/gpt.hpp>

namespace {

constexpr int vocabulary = 128, longest = 64;

struct gpt
    : foal::zoo::gpt<foal::zoo::gpt_size{
          .layers = 4, .width = 128, .heads = 4, .vocabulary = vocabulary, .longest = longest, .dropout_percent = 10}> {};

using base = foal::lr::cosine;
template <class Schedule, class... Policies>
using run = foal::trainer<gpt, foal::loss::cross_entropy, Schedule, foal::optim::adamw, Policies...>;
using synchronous = run<foal::schedule::gpipe, base>;
using pipemare = run<foal::schedule::pipemare, foal::lr::reschedule<base>, foal::delay::discrepancy_correction,
                     foal::warmup::synchronous>;

struct options {
  std::string data, method = "pipemare", prompt = "\n";
  int epochs = 5, microbatch_size = 8, microbatches = 4, workers = 1, characters = 400, stride = 32;
  double rate = 1e-3, t3_share = 0.2, temperature = 0.8;
  std::uint64_t seed = 1;
  bool facts = false;
};

void read_arguments(int argc, char** argv, options& o) {
  CLI::App app("Trains a language model of characters and writes text like the text it was given.");
  app.add_option("--data", o.data, "a text file; without one, spelled-out numbers are made");
  app.add_option("--method", o.method, "gpipe, or pipemare (T1, T2 and T3)")->check(CLI::IsMember({"gpipe", "pipemare"}));
  app.add_option("--epochs", o.epochs)->check(CLI::PositiveNumber);
  app.add_option("--rate", o.rate, "largest learning rate; it falls along half a cosine")->check(CLI::PositiveNumber);
  app.add_option("--t3-share", o.t3_share, "T3: share of the updates that are synchronous")->check(CLI::Range(0.0, 1.0));
  app.add_option("--microbatch-size", o.microbatch_size, "M, windows")->check(CLI::PositiveNumber);
  app.add_option("--microbatches", o.microbatches, "N")->check(CLI::PositiveNumber);
  app.add_option("--stride", o.stride, "characters from one window to the next")->check(CLI::Range(1, longest));
  app.add_option("--workers", o.workers)->check(CLI::PositiveNumber);
  app.add_option("--seed", o.seed);
  app.add_option("--prompt", o.prompt, "how the written text begins");
  app.add_option("--characters", o.characters, "to write")->check(CLI::NonNegativeNumber);
  app.add_option("--temperature", o.temperature, "of the choice among characters; 0: always the likeliest")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--facts", o.facts, "print what is known of the run before it");
  try {
    app.parse(argc, argv);
  } catch (CLI::ParseError const& e) {
    std::exit(app.exit(e));
  }
}

std::string text_of(options const& o) {
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

/// Draws from softmax(scores / temperature) with one random number in [0, 1).
std::int32_t choose(std::span<float const> scores, double temperature, double random) {
  auto const best = std::max_element(scores.begin(), scores.end());
  if (temperature == 0) return static_cast<std::int32_t>(best - scores.begin());
  std::vector<double> weight;
  double sum = 0;
  for (float const s : scores) {
    weight.push_back(std::exp(static_cast<double>(s - *best) / temperature));
    sum += weight.back();
  }
  double left = random * sum;
  for (std::size_t i = 0; i < weight.size(); ++i)
    if ((left -= weight[i]) < 0) return static_cast<std::int32_t>(i);
  return static_cast<std::int32_t>(best - scores.begin());
}

template <class Trainer>
std::string write(Trainer const& trained, foal::text::alphabet const& letters, options const& o) {
  foal::predictor<gpt> predictor({.microbatch_size = 1, .workers = o.workers});
  predictor.take(trained);
  std::vector<std::int32_t> tokens = letters.encode(o.prompt);
  foal::require(!tokens.empty(), "cannot write a text, because the prompt is empty; give --prompt a character or more");
  auto const known = static_cast<std::size_t>(letters.vocabulary().size());
  for (int i = 0; i < o.characters; ++i) {
    std::int32_t next = 0;
    double const random =
        static_cast<double>(foal::random_unit({o.seed, foal::purpose::user, 0, static_cast<std::uint64_t>(i)}, 0));
    predictor.predict(last_window{tokens}, 1, [&](long long, float const* y, foal::shape of, int) {
      float const* const row = y + static_cast<std::ptrdiff_t>(of.positions() - 1) * of.channels();
      next = choose({row, known}, o.temperature, random);
    });
    tokens.push_back(next);
  }
  return letters.decode(tokens);
}

template <class Trainer>
void train(options const& o, foal::data::window_source const& text, foal::data::window_source const& rest,
           foal::text::alphabet const& letters) {
  long long const per_epoch = text.size() / (static_cast<long long>(o.microbatch_size) * o.microbatches);
  long long const updates = o.epochs * per_epoch;
  typename Trainer::config c;
  c.microbatch_size = o.microbatch_size;
  c.microbatches = o.microbatches;
  c.workers = o.workers;
  c.seed = o.seed;
  c.optim.weight_decay = 0.1F;
  base const rate{.rate = o.rate, .steps = updates, .least = 0.1 * o.rate, .warmup = std::min(200LL, updates / 10)};
  if constexpr (requires { c.warmup.minibatches; }) {
    c.warmup.minibatches = std::llround(o.t3_share * static_cast<double>(updates));
    c.lr = {.base = rate, .steps = updates - c.warmup.minibatches};
  } else {
    c.lr = rate;
  }
  Trainer t(c);
  if (o.facts) std::printf("%s\n", t.facts().text().c_str());
  typename Trainer::fit_options options{.epochs = o.epochs, .evaluate = rest};
  options.hooks.evaluated = [&](foal::evaluation_result const& r) {
    std::printf("epoch %lld: validation loss %.3f, perplexity %.2f, next character right in %.1f %%\n", r.update / per_epoch,
                r.loss, foal::text::perplexity(r.loss, 1), 100 * r.accuracy);
    std::fflush(stdout);
  };
  foal::fit_report const report = t.fit(text, options);
  if (report.diverged) {
    std::printf("%s\n", report.diverged->text().c_str());
    return;
  }
  std::printf("%.0f windows a second\n\n%s\n", report.samples_per_second, write(t, letters, o).c_str());
}

int run_example(int argc, char** argv) {
  options o;
  read_arguments(argc, argv, o);
  std::string const all = text_of(o);
  auto const letters = foal::text::alphabet::of(all);
  foal::require(letters.vocabulary().size() <= vocabulary, "cannot train on this text, because it has ",
                letters.vocabulary().size(), " kinds of characters, four marks among them, and the network here ",
                vocabulary, " tokens; give a text with fewer");
  auto const cut = foal::data::cut_text(all, 0.1);
  foal::data::window_source const text(letters.encode(cut.train), {.length = longest, .stride = o.stride});
  foal::data::window_source const rest(letters.encode(cut.validation), {.length = longest});
  std::printf("%zu characters of %d kinds; %lld windows of %d; %d stages, %lld parameters; %s\n", all.size(),
              static_cast<int>(letters.vocabulary().size()), text.size(), longest, synchronous::stages,
              synchronous::parameters, o.method.c_str());
  if (o.method == "gpipe")
    train<synchronous>(o, text, rest, letters);
  else
    train<pipemare>(o, text, rest, letters);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run_example(argc, argv);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
