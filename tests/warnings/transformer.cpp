// Layers of sequences, in a net that draws its dropout and shares its embedding, with text around it.
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/text.hpp>
#include <foal/trainer.hpp>
#include <foal/transformer.hpp>
#include <foal/zoo/transformer.hpp>

namespace {

constexpr int vocabulary = 64, longest = 8;
struct net : foal::zoo::transformer<foal::zoo::transformer_size{.encoder_layers = 1,
                                                                .decoder_layers = 1,
                                                                .width = 16,
                                                                .heads = 2,
                                                                .hidden = 16,
                                                                .source_vocabulary = vocabulary,
                                                                .target_vocabulary = vocabulary,
                                                                .longest = longest,
                                                                .dropout_percent = 10,
                                                                .where = foal::zoo::norm::before,
                                                                .shared = foal::zoo::sharing::all}> {};

using run = foal::trainer<net, foal::loss::cross_entropy, foal::schedule::pipemare, foal::optim::adam>;

}  // namespace

int main() {
  auto const made = foal::data::spelled_numbers({.train = 40, .validation = 1, .test = 1});
  foal::text::word_counts counts;
  for (std::string const& line : made.train.source) foal::text::count_words(line, counts);
  foal::text::subwords cutter = foal::text::subwords::learn(counts, 10);
  std::vector<std::vector<std::int32_t>> lines;
  for (std::string const& line : made.train.source) lines.push_back(cutter.encode(line));
  foal::data::parallel_source const pairs(lines, lines, {.source = longest, .target = longest});
  run t({.microbatch_size = 2, .microbatches = 2});
  foal::fit_report const report = t.fit(pairs, {.epochs = 1, .evaluate = pairs, .quiet = true});
  return report.diverged || foal::text::corpus_bleu(made.train.source, made.train.source).precision[0] < 1 ? 1 : 0;
}
