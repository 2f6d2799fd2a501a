// Lines of text to token numbers and back: a byte-pair encoding with its vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/text/bpe.hpp>
#include <foal/text/bpe_learner.hpp>
#include <foal/text/utf8.hpp>
#include <foal/text/vocabulary.hpp>
#include <foal/text/words.hpp>

namespace foal::text {

/// A word whose characters were all seen in learning becomes pieces of the vocabulary; any other word is one unk.
class subwords {
 public:
  /// Throws foal::error, with `name` for the two, where a merge takes or makes a piece that the vocabulary lacks: every word
  /// with it would be unk.
  subwords(text::bpe merges, text::vocabulary pieces, std::string const& name = "these merges")
      : merges_(std::move(merges)), pieces_(std::move(pieces)) {
    std::size_t number = 0;
    for (merge const& m : merges_.merges()) {
      for (std::string const& piece : {m.left, m.right, m.left + m.right})
        require(pieces_.knows(piece), "cannot encode with ", name, ", because merge ", number, " of '", m.left, "' and '",
                m.right, "' needs '", piece, "', which the vocabulary of ", pieces_.size(),
                " tokens lacks; give the vocabulary that was learned with the merges");
      ++number;
    }
  }

  /// Learns the merges, and a vocabulary that holds every piece that they can leave: each character, within a word and at
  /// its end, and each merged piece. Counts are of the encoded words.
  static subwords learn(word_counts const& counts, int merges) {
    text::bpe learned = learn_bpe(counts, merges);
    word_counts pieces;
    for (auto const& [word, count] : counts) {
      for (std::string_view const c : characters(word)) {
        pieces.emplace(c, 0);
        pieces.emplace(std::string(c) + end_of_word, 0);
      }
      for (std::string const& piece : learned.split(word)) pieces[piece] += count;
    }
    for (merge const& m : learned.merges()) pieces.emplace(m.left + m.right, 0);
    return {std::move(learned), text::vocabulary::from_counts(pieces)};
  }

  text::bpe const& merges() const { return merges_; }
  text::vocabulary const& vocabulary() const { return pieces_; }

  /// The numbers of a line, without bos and eos. Remembers every word, so it is not for several threads at once.
  std::vector<std::int32_t> encode(std::string_view line) {
    std::vector<std::int32_t> result;
    for (std::string_view const word : words(line)) {
      auto known = cache_.find(word);
      if (known == cache_.end()) known = cache_.emplace(word, encode_word(word)).first;
      result.insert(result.end(), known->second.begin(), known->second.end());
    }
    return result;
  }

  /// The numbers of one word. May be called from several threads at once.
  std::vector<std::int32_t> encode_word(std::string_view word) const {
    std::vector<std::int32_t> result;
    for (std::string const& piece : merges_.split(word)) {
      if (!pieces_.knows(piece)) return {unk};
      result.push_back(pieces_.id(piece));
    }
    return result;
  }

  /// The line of these numbers, words separated by one space, as far as the first eos; pad and bos are left out, unk is
  /// written as <unk>. Throws foal::error at a number that the vocabulary does not have.
  std::string decode(std::span<std::int32_t const> ids) const {
    std::string result;
    for (std::int32_t const id : ids) {
      if (id == eos) break;
      if (id == pad || id == bos) continue;
      result += pieces_.token(id);
      if (id == unk) result += end_of_word;
    }
    if (!result.empty() && result.back() == end_of_word) result.pop_back();
    return result;
  }

 private:
  text::bpe merges_;
  text::vocabulary pieces_;
  std::map<std::string, std::vector<std::int32_t>, std::less<>> cache_;
};

}  // namespace foal::text
