// Decoding: the sequence that a model finds likely, token by token, by greedy or beam search.
//
// The model is any callable  scores(std::span<hypothesis const> prefixes, float* log_probabilities)  that writes, for each
// prefix, the natural logarithms of the probabilities of the next token, [prefixes, vocabulary]. Prefixes of several sources
// come in one call, the sources in order, so that a model can work on all of them at once.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/vocabulary.hpp>

namespace foal::text {

/// A sequence under construction, or a finished one.
struct hypothesis {
  int source = 0;                    ///< which source it belongs to
  std::vector<std::int32_t> tokens;  ///< without bos and eos
  double log_probability = 0;        ///< of the tokens, and of eos where finished
  bool finished = false;             ///< it ended with eos, not at the longest length
  double score = 0;                  ///< the log-probability after length normalisation
};

/// How to search.
struct searching {
  int vocabulary = 0;  ///< tokens that the model scores
  int beam = 1;        ///< hypotheses kept a source; 1 is greedy search
  double alpha = 0.6;  ///< of the length normalisation; 0: none
};

/// The length normalisation of Wu et al., Google's neural machine translation system, 2016, equation 14: a log-probability
/// is divided by ((5 + length) / 6)^alpha. length counts eos.
inline double length_penalty(std::size_t length, double alpha) {
  return std::pow((5.0 + static_cast<double>(length)) / 6.0, alpha);
}

namespace detail {

struct extension {
  std::size_t prefix = 0;
  std::int32_t token = 0;
  double log_probability = 0;
};

/// Better first; equally good ones by prefix, then by token.
inline bool better(extension const& a, extension const& b) {
  if (a.log_probability != b.log_probability) return a.log_probability > b.log_probability;
  return a.prefix != b.prefix ? a.prefix < b.prefix : a.token < b.token;
}

/// Keeps the `most` best extensions of one prefix's row in `best`, sorted.
inline void consider(std::span<float const> row, std::size_t prefix, double before, std::size_t most,
                     std::vector<extension>& best) {
  for (std::size_t token = 0; token < row.size(); ++token) {
    float const value = row[token];
    require(value == value, "cannot search, because the log-probability of token ", token,
            " is not a number; check that the model's weights are finite");
    auto const id = static_cast<std::int32_t>(token);
    if (id == pad || id == bos) continue;
    extension const one{prefix, id, before + static_cast<double>(value)};
    if (best.size() == most && !better(one, best.back())) continue;
    if (best.size() == most) best.pop_back();
    best.insert(std::upper_bound(best.begin(), best.end(), one, better), one);
  }
}

inline void set_score(hypothesis& h, double alpha) {
  h.score = h.log_probability / length_penalty(h.tokens.size() + (h.finished ? 1U : 0U), alpha);
}

}  // namespace detail

/// The best sequences of sources 0 .. longest.size() - 1, for each up to `beam` of them, the best first. In every step a
/// source's best extensions (as many as its beam is wide) stay; one that ends with eos is finished and narrows the beam by
/// one. A source ends when its beam is empty or its tokens are longest[source]; hypotheses cut off there come after all the
/// finished ones. With beam 1 this is greedy search. pad and bos are never chosen. Equal scores are ordered by the position
/// in the beam, then by token, so the result is a function of the scores alone. Throws foal::error where a number of `how`
/// or of `longest` is out of range, or where a score is not a number.
template <class Scores>
std::vector<std::vector<hypothesis>> beam_search(Scores&& scores, std::span<int const> longest, searching how) {
  require(how.vocabulary > eos && how.beam > 0, "cannot search, because the vocabulary has ", how.vocabulary,
          " tokens and the beam ", how.beam, " places; give more than ", eos, " tokens and at least one place");
  require_number(std::isfinite(how.alpha), "searching", "alpha", how.alpha, "a finite number");
  std::vector<std::vector<hypothesis>> done(longest.size());
  std::vector<hypothesis> live, next;
  for (std::size_t s = 0; s < longest.size(); ++s) {
    require(longest[s] > 0, "cannot search, because the longest result of source ", s, " is ", longest[s],
            " tokens; allow at least 1");
    live.push_back({static_cast<int>(s), {}, 0, false, 0});
  }
  auto const vocabulary = static_cast<std::size_t>(how.vocabulary);
  std::vector<float> rows;
  std::vector<detail::extension> best;
  while (!live.empty()) {
    rows.assign(live.size() * vocabulary, 0.0F);
    scores(std::span<hypothesis const>(live), rows.data());
    next.clear();
    for (std::size_t i = 0; i < live.size();) {
      auto const source = static_cast<std::size_t>(live[i].source);
      std::size_t const places = static_cast<std::size_t>(how.beam) - done[source].size();
      best.clear();
      for (; i < live.size() && live[i].source == static_cast<int>(source); ++i)
        detail::consider(std::span<float const>(rows).subspan(i * vocabulary, vocabulary), i, live[i].log_probability,
                         places, best);
      for (detail::extension const& e : best) {
        hypothesis h = live[e.prefix];
        h.log_probability = e.log_probability;
        h.finished = e.token == eos;
        if (!h.finished) h.tokens.push_back(e.token);
        detail::set_score(h, how.alpha);
        bool const ends = h.finished || static_cast<int>(h.tokens.size()) == longest[source];
        (ends ? done[source] : next).push_back(std::move(h));
      }
    }
    live.swap(next);
  }
  for (std::vector<hypothesis>& of_source : done)
    std::stable_sort(of_source.begin(), of_source.end(), [](hypothesis const& a, hypothesis const& b) {
      return a.finished != b.finished ? a.finished : a.score > b.score;
    });
  return done;
}

/// Greedy search: the likeliest token at every step, for every source. As beam_search() with a beam of 1.
template <class Scores>
std::vector<hypothesis> greedy_search(Scores&& scores, std::span<int const> longest, searching how) {
  how.beam = 1;
  std::vector<hypothesis> result;
  for (std::vector<hypothesis>& best : beam_search(scores, longest, how)) result.push_back(std::move(best.front()));
  return result;
}

}  // namespace foal::text
