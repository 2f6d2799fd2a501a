// The templates behind a network's translation unit: four trainers serve all methods, a predictor translates.
#pragma once

#include <chrono>
#include <cmath>
#include <type_traits>
#include <utility>

#include <foal/checkpoint/safetensors.hpp>
#include <foal/core/utf8.hpp>
#include <foal/executor/as_launched.hpp>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/delay/discrepancy_correction.hpp>
#include <foal/policy/lr/reschedule.hpp>
#include <foal/policy/optim/adam.hpp>
#include <foal/policy/optim/averaged.hpp>
#include <foal/policy/warmup.hpp>
#include <foal/predictor.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/text/bleu.hpp>
#include <foal/text/search.hpp>
#include <foal/trainer/gathered.hpp>
#include <foal/zoo/transformer.hpp>

#include "../options/processes.hpp"
#include "../options/results.hpp"
#include "run.hpp"

namespace translate {

template <class Net>
struct trainers {
  template <class Schedule, class... Policies>
  using run = foal::trainer<Net, foal::loss::cross_entropy, Schedule, foal::optim::averaged<foal::optim::adamw>,
                            foal::executor::as_launched, Policies...>;
  using rescheduled = foal::lr::reschedule<foal::lr::inverse_sqrt>;
  using synchronous = run<foal::schedule::gpipe, foal::lr::inverse_sqrt>;
  using stash = run<foal::schedule::pipemare, rescheduled, foal::versions::stash>;
  using live = run<foal::schedule::pipemare, rescheduled, foal::warmup::synchronous>;
  using corrected =
      run<foal::schedule::pipemare, rescheduled, foal::delay::discrepancy_correction, foal::warmup::synchronous>;
};

template <class Trainer>
typename Trainer::config config_of(settings const& s, long long per_epoch) {
  typename Trainer::config c;
  c.microbatch_size = s.microbatch_size;
  c.microbatches = s.microbatches;
  c.workers = s.workers;
  c.replicas = s.replicas;
  c.seed = s.seed;
  c.optim.average_decay = s.average_decay;
  c.optim.base.weight_decay = static_cast<float>(s.weight_decay);
  c.optim.base.beta2 = 0.98F;  // Vaswani et al. 2017, section 5.3
  c.loss.label_smoothing = static_cast<float>(s.label_smoothing);
  foal::lr::inverse_sqrt const base{.rate = s.rate, .warmup = s.warmup_updates};
  long long const warmup = s.method.find("t3") != std::string::npos ? s.t3_epochs * per_epoch : 0;
  if constexpr (requires { c.lr.base; }) {
    c.lr.base = base;
    long long const all = s.epochs * per_epoch - warmup;
    c.lr.steps = s.method.find("t1") == std::string::npos ? 0
                 : s.t1_epochs > 0                        ? std::llround(s.t1_epochs * static_cast<double>(per_epoch))
                                                          : all;
  } else {
    c.lr = base;
  }
  if constexpr (requires { c.delay.decay; }) c.delay.decay = s.decay;
  if constexpr (requires { c.warmup.minibatches; }) c.warmup.minibatches = warmup;
  return c;
}

constexpr int rows = 32;  ///< prefixes in a microbatch of the predictor

/// Prefixes as microbatches for the predictor: row i of microbatch m is hypothesis m M + i, or the last one again.
struct prefixes {
  std::span<foal::text::hypothesis const> of;
  test_set const& test;
  int first = 0;  ///< the test sentence that is source 0

  foal::text::hypothesis const& row(long long m, int i) const {
    return of[std::min(of.size() - 1, static_cast<std::size_t>(m * rows + i))];
  }
  std::vector<std::int32_t> const& source(long long m, int i) const {
    return test.source[static_cast<std::size_t>(first + row(m, i).source)];
  }
  foal::lengths_of_axes lengths(long long m) const {
    foal::lengths_of_axes n;
    for (int i = 0; i < rows; ++i) {
      n.length[0] = std::max(n.length[0], static_cast<int>(source(m, i).size()) + 1);
      n.length[1] = std::max(n.length[1], static_cast<int>(row(m, i).tokens.size()) + 1);
    }
    return n;
  }
  void inputs(long long m, int entry, float* x) const {
    foal::lengths_of_axes const n = lengths(m);
    for (int i = 0; i < rows; ++i) {
      auto const& from = source(m, i);
      auto const& to = row(m, i).tokens;
      if (entry == 1) {
        x[i] = static_cast<float>(from.size() + 1);
        continue;
      }
      int const width = n.length[entry / 2];
      auto const& tokens = entry == 0 ? from : to;
      float* const line = x + i * width;
      std::fill(line, line + width, static_cast<float>(foal::text::pad));
      if (entry == 2) line[0] = static_cast<float>(foal::text::bos);
      for (std::size_t t = 0; t < tokens.size(); ++t) line[t + (entry == 2 ? 1 : 0)] = static_cast<float>(tokens[t]);
      if (entry == 0) line[tokens.size()] = static_cast<float>(foal::text::eos);
    }
  }
};

/// Translates the test set, sentences of similar lengths together, and scores it.
template <class Net>
translation translate_test(foal::predictor<Net>& predictor, settings const& s, task const& t, int beam) {
  translation out;
  out.beam = beam;
  std::vector<std::size_t> order(t.test.source.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return t.test.source[a].size() < t.test.source[b].size(); });
  test_set sorted;
  for (std::size_t i : order) sorted.source.push_back(t.test.source[i]);
  out.lines.assign(order.size(), {});
  constexpr int together = 64;
  auto const begin = std::chrono::steady_clock::now();
  for (std::size_t first = 0; first < order.size(); first += together) {
    std::size_t const n = std::min<std::size_t>(together, order.size() - first);
    std::vector<int> most;
    for (std::size_t i = 0; i < n; ++i)
      most.push_back(std::min(longest - 2, 2 * static_cast<int>(sorted.source[first + i].size()) + 10));
    auto const scores = [&](std::span<foal::text::hypothesis const> of, float* log_probability) {
      prefixes const batches{of, sorted, static_cast<int>(first)};
      auto const count = static_cast<long long>((of.size() + rows - 1) / rows);
      predictor.predict(batches, count, [&](long long m, float const* y, foal::shape shape, int) {
        for (int i = 0; i < rows; ++i) {
          std::size_t const h = static_cast<std::size_t>(m) * rows + static_cast<std::size_t>(i);
          if (h >= of.size()) break;
          float const* const row =
              y + (static_cast<std::size_t>(i) * static_cast<std::size_t>(shape.positions()) + of[h].tokens.size()) *
                      static_cast<std::size_t>(shape.channels());
          float const top = *std::max_element(row, row + shape.channels());
          double sum = 0;
          for (int c = 0; c < shape.channels(); ++c) sum += std::exp(static_cast<double>(row[c] - top));
          auto const all = top + static_cast<float>(std::log(sum));
          float* const to = log_probability + h * static_cast<std::size_t>(shape.channels());
          for (int c = 0; c < shape.channels(); ++c)
            to[c] = c < static_cast<int>(t.pieces.vocabulary().size()) ? row[c] - all : -1e30F;
        }
      });
    };
    auto const best = foal::text::beam_search(scores, most, {.vocabulary = vocabulary, .beam = beam, .alpha = s.alpha});
    for (std::size_t i = 0; i < n; ++i) out.lines[order[first + i]] = t.pieces.decode(best[i].front().tokens);
  }
  out.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  auto const score = foal::text::corpus_bleu(out.lines, t.test.reference);
  out.bleu = score.bleu;
  out.brevity = score.brevity_penalty;
  std::copy_n(score.precision, 4, out.precision);
  return out;
}

/// Trains; gives what the run was, without translations.
template <class Trainer>
outcome fit(Trainer& trainer, settings const& s, task const& t, long long per_epoch,
            std::function<void(std::string const&)> const& say) {
  outcome out;
  typename Trainer::fit_options options{.epochs = s.epochs, .evaluate = t.validation, .quiet = true};
  options.hooks.stall_seconds = s.stalls.seconds;
  options.checkpoint = s.saves.of(foal::sentence(s.method, "-rate-", s.rate, "-seed-", s.seed));
  auto const begin = std::chrono::steady_clock::now();
  options.hooks.evaluated = [&](foal::evaluation_result const& r) {
    say(foal::sentence("epoch ", r.update / per_epoch, ": validation loss ", r.loss, ", accuracy ", 100 * r.accuracy, " %, ",
                       std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(), " s"));
  };
  foal::fit_report const report = trainer.fit(t.train, options);
  for (std::string const& note : report.notes) say(note);
  out.interrupted = report.interrupted;
  out.train_loss = report.epoch_loss;
  for (auto const& r : report.evaluations) {
    out.validation_loss.push_back(r.loss);
    out.validation_accuracy.push_back(r.accuracy);
  }
  out.seconds = report.seconds;
  for (auto const& stage : trainer.tables().phases.back().facts.stage) out.max_tau = std::max(out.max_tau, stage.tau_fwd);
  if (report.diverged) out.divergence = report.diverged->text();
  return out;
}

template <class Net, class Trainer>
outcome train_with(settings const& s, task const& t, std::function<void(std::string const&)> const& say) {
  long long const per_epoch = t.train.size() / (static_cast<long long>(s.microbatch_size) * s.microbatches);
  Trainer trainer(config_of<Trainer>(s, per_epoch));
  outcome out;
  bool averaged = false;  // the weights of the trainer
  if (s.load.empty())
    out = fit(trainer, s, t, per_epoch, say);
  else
    averaged = foal::checkpoint::read_safetensors(s.load, trainer).count(foal::checkpoint::weights_key) > 0;
  if (!out.divergence.empty() || out.interrupted != 0) return out;
  foal::predictor<Net> predictor({.microbatch_size = rows, .workers = std::min(s.workers, foal::stage_count<Net>)});
  options::results written("translate");
  bool const first = options::processes::first();  // which has it to do, once the others have sent it their weights
  auto const translate_all = [&](std::string const& save, bool averaged) {
    if (!first) return;
    foal::checkpoint::metadata about{{"method", s.method}, {"data", foal::printable(t.name)}};  // a path may be no UTF-8
    if (averaged) about[foal::checkpoint::weights_key] = "average";
    written.write(save, [&](std::string const& path) { foal::checkpoint::write_safetensors(path, predictor, about); });
    out.saved_elsewhere = written.status() != 0;
    for (int const beam : s.beams) {
      out.translations.push_back(translate_test<Net>(predictor, s, t, beam));
      out.translations.back().averaged = averaged;
    }
  };
  predictor.take(foal::gathered(trainer));
  translate_all(s.save, averaged);
  if (!s.load.empty()) return out;
  out.averaged_loss = trainer.evaluate_average(t.validation).loss;
  predictor.take_average(foal::gathered(trainer));
  translate_all(s.save.empty() ? "" : s.save_averaged(), true);
  return out;
}

/// Calls f(std::type_identity<trainer>{}) with the trainer of a method.
template <class Net, class F>
auto with_trainer_of(std::string const& method, F f) {
  using all = trainers<Net>;
  if (method == "gpipe") return f(std::type_identity<typename all::synchronous>{});
  if (method == "pipedream") return f(std::type_identity<typename all::stash>{});
  if (method.find("t2") != std::string::npos) return f(std::type_identity<typename all::corrected>{});
  return f(std::type_identity<typename all::live>{});
}

template <class Net>
outcome train(settings const& s, task const& t, std::function<void(std::string const&)> const& say) {
  return with_trainer_of<Net>(
      s.method, [&]<class Trainer>(std::type_identity<Trainer>) { return train_with<Net, Trainer>(s, t, say); });
}

template <class Net>
std::string facts(settings const& s, long long per_epoch) {
  return with_trainer_of<Net>(s.method, [&]<class Trainer>(std::type_identity<Trainer>) {
    return Trainer(config_of<Trainer>(s, per_epoch)).facts().text();
  });
}

template <class Net>
network make_network(char const* name, char const* what) {
  return {name, what, foal::stage_count<Net>, foal::parameter_count<Net>(), &train<Net>, &facts<Net>};
}

/// `shared`: one matrix over tokens for both embeddings and the scores, or one for each.
constexpr foal::zoo::transformer_size size_of(int layers, int width, int heads, int hidden, int dropout_percent,
                                              foal::zoo::norm where, foal::zoo::sharing shared = foal::zoo::sharing::all) {
  return {.encoder_layers = layers,
          .decoder_layers = layers,
          .width = width,
          .heads = heads,
          .hidden = hidden,
          .source_vocabulary = vocabulary,
          .target_vocabulary = vocabulary,
          .longest = longest,
          .dropout_percent = dropout_percent,
          .where = where,
          .shared = shared};
}

}  // namespace translate
