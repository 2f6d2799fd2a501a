// A program from text, as text.hpp writes it: tokens such as F0 B0 U0, one line a rank.
#pragma once

#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::schedule {

namespace detail {

[[noreturn]] inline void refuse_token(std::string_view token, int rank) {
  throw error(sentence(
      "cannot read '", token.substr(0, 40), "' in the list of rank ", rank,
      ", because it is not a kind of op (F, B, W, BW, R, U, and G among replicas) with its microbatch, as F3, or with its "
      "stage and microbatch, as F2.3, and its replica and segment where there are several, as F2.3r1s1; write it so"));
}

/// F, B, W, BW, R, U or G, then the stage and a point where the line's number is not the stage, then the microbatch, then r
/// and the replica, s and the segment.
inline op parse_token(std::string_view token, int rank) {
  std::size_t const letters = std::min(token.find_first_of("-0123456789"), token.size());
  std::string_view const kind = token.substr(0, letters);
  std::string_view numbers = token.substr(letters);
  op o{.stage = rank};
  bool known = false;
  for (op_kind const k : {op_kind::F, op_kind::B, op_kind::W, op_kind::BW, op_kind::R, op_kind::U, op_kind::G}) {
    if (kind == name(k)) o.kind = k, known = true;
  }
  auto const number = [&](std::string_view digits, int& value) {
    auto const [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return code == std::errc{} && end == digits.data() + digits.size();
  };
  auto const ends_in = [&](char letter, int& value) {
    std::size_t const at = numbers.find(letter);
    if (at == std::string_view::npos) return true;
    bool const counts = number(numbers.substr(at + 1), value) && value >= 0;
    numbers = numbers.substr(0, at);
    return counts;
  };
  known = known && ends_in('s', o.segment) && ends_in('r', o.replica);
  std::size_t const point = numbers.find('.');
  bool const counts = point == std::string_view::npos
                          ? number(numbers, o.microbatch)
                          : number(numbers.substr(0, point), o.stage) && number(numbers.substr(point + 1), o.microbatch);
  if (!known || !counts || o.replica > 1 << 16 || o.segment > 1 << 16) refuse_token(token, rank);
  return o;
}

}  // namespace detail

/// The program of S stages whose ranks, a line each, run the ops that `text` lists; lists() of a synchronous program, read
/// again. Where no W is listed B is BW. Spaces, tabs and empty lines at the end are passed over. An asynchronous one lists
/// its body, whose microbatches may be below 0. Ops get their slots as those of a generator do; whether the program can run
/// is for prove() to say. Throws foal::error where the text is no list, or has no line
/// or more than there are stages in all replicas. There are as many replicas and segments as it names.
inline program parse(std::string_view text, int stages, int microbatches, bool asynchronous = false) {
  std::vector<std::vector<op>> ranks;
  bool split = false;
  int replicas = 1, segments = 1;
  std::pair<std::string_view, int> sum{"", -1};  // the first G, and its rank
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto& list = ranks.emplace_back();
    while (true) {
      line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
      if (line.empty()) break;
      std::size_t const length = std::min(line.find_first_of(" \t\r"), line.size());
      list.push_back(detail::parse_token(line.substr(0, length), static_cast<int>(ranks.size()) - 1));
      op const& o = list.back();
      split = split || o.kind == op_kind::W;
      replicas = std::max(replicas, o.replica + 1);
      segments = std::max(segments, o.segment + 1);
      if (o.kind == op_kind::G && sum.second < 0) sum = {line.substr(0, length), static_cast<int>(ranks.size()) - 1};
      line.remove_prefix(length);
    }
  }
  while (!ranks.empty() && ranks.back().empty()) ranks.pop_back();
  if (sum.second >= 0 && replicas == 1) detail::refuse_token(sum.first, sum.second);
  program p({stages, static_cast<int>(ranks.size()), microbatches, replicas, segments}, 0, asynchronous);
  for (std::size_t r = 0; r < ranks.size(); ++r) {
    for (op o : ranks[r]) {
      if (o.kind == op_kind::B && !split) o.kind = op_kind::BW;
      p(static_cast<int>(r), o);
    }
  }
  time(p);
  return p;
}

}  // namespace foal::schedule
