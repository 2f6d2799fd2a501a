// Corpus BLEU: how much of a translation's n-grams the reference has (Papineni, Roukos, Ward, Zhu: BLEU, ACL 2002).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/words.hpp>

namespace foal::text {

/// none: a corpus without a matching n-gram of one length scores 0. add_one: one is added to matches and n-grams of two
/// tokens and more, for single sentences (Lin, Och: ORANGE, COLING 2004).
enum class smoothing { none, add_one };

/// The longest n-grams that count.
inline constexpr std::size_t bleu_order = 4;

struct bleu_score {
  double bleu = 0;                    ///< 0 to 100
  double precision[bleu_order] = {};  ///< 0 to 1, of n-grams of 1 to 4 tokens; 0 where there are none
  double brevity_penalty = 1;
  long long matches[bleu_order] = {}, ngrams[bleu_order] = {};
  long long length = 0;            ///< tokens of the translations
  long long reference_length = 0;  ///< of the references, for each sentence the one nearest in length
};

/// Counts over sentences, of integers alone, so their order does not matter.
class bleu_counts {
 public:
  /// Adds one translated sentence, as tokens (anything with == and <), with its reference translations. An n-gram matches
  /// as often as the reference that has it most often has it (clipping). Of two references equally near in length, the
  /// shorter counts. Throws foal::error if there is no reference.
  template <class Token>
  void add(std::vector<Token> const& translation, std::span<std::vector<Token> const> references) {
    require(!references.empty(), "cannot score a translation, because it has 0 references; give at least one");
    auto const away = [&](std::size_t n) {
      return n > translation.size() ? n - translation.size() : translation.size() - n;
    };
    std::size_t nearest = references[0].size();
    for (std::vector<Token> const& r : references)
      if (away(r.size()) < away(nearest) || (away(r.size()) == away(nearest) && r.size() < nearest)) nearest = r.size();
    score_.length += static_cast<long long>(translation.size());
    score_.reference_length += static_cast<long long>(nearest);
    for (std::size_t n = 1; n <= bleu_order; ++n) {
      auto const found = ngrams(translation, n);
      std::map<std::vector<Token>, long long> most;
      for (std::vector<Token> const& r : references)
        for (auto const& [ngram, count] : ngrams(r, n)) most[ngram] = std::max(most[ngram], count);
      for (auto const& [ngram, count] : found) {
        score_.ngrams[n - 1] += count;
        if (auto const there = most.find(ngram); there != most.end())
          score_.matches[n - 1] += std::min(count, there->second);
      }
    }
  }

  template <class Token>
  void add(std::vector<Token> const& translation, std::vector<Token> const& reference) {
    add(translation, std::span<std::vector<Token> const>(&reference, 1));
  }

  /// 100 x brevity penalty x the geometric mean of the precisions; the penalty is 1, or exp(1 - r / c) where the length c of
  /// the translations is below that of the references, r. 0 for translations without a single token.
  bleu_score score(smoothing how = smoothing::none) const {
    bleu_score result = score_;
    double logarithms = 0;
    bool none = result.length == 0;
    for (std::size_t n = 0; n < bleu_order; ++n) {
      long long const added = how == smoothing::add_one && n > 0 ? 1 : 0;
      long long const hit = result.matches[n] + added, of = result.ngrams[n] + added;
      result.precision[n] = of == 0 ? 0 : static_cast<double>(hit) / static_cast<double>(of);
      none = none || hit == 0;
      if (hit > 0) logarithms += std::log(result.precision[n]);
    }
    double const c = static_cast<double>(result.length), r = static_cast<double>(result.reference_length);
    if (c < r) result.brevity_penalty = result.length == 0 ? 0 : std::exp(1 - r / c);
    result.bleu = none ? 0 : 100 * result.brevity_penalty * std::exp(logarithms / static_cast<double>(bleu_order));
    return result;
  }

 private:
  template <class Token>
  static std::map<std::vector<Token>, long long> ngrams(std::vector<Token> const& tokens, std::size_t n) {
    std::map<std::vector<Token>, long long> result;
    for (std::size_t i = 0; i + n <= tokens.size(); ++i) {
      auto const first = tokens.begin() + static_cast<std::ptrdiff_t>(i);
      ++result[std::vector<Token>(first, first + static_cast<std::ptrdiff_t>(n))];
    }
    return result;
  }

  bleu_score score_;
};

/// BLEU of translated lines against one reference line each, words separated by whitespace. Lines are compared as they are:
/// tokenise and lower-case before. Throws foal::error where the numbers of lines differ.
inline bleu_score corpus_bleu(std::span<std::string const> translations, std::span<std::string const> references,
                              smoothing how = smoothing::none) {
  require(translations.size() == references.size(), "cannot compute BLEU, because there are ", translations.size(),
          " translations and ", references.size(), " references; give one reference a translation");
  bleu_counts counts;
  for (std::size_t i = 0; i < translations.size(); ++i) counts.add(words(translations[i]), words(references[i]));
  return counts.score(how);
}

}  // namespace foal::text
