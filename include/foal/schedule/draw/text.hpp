// A program as text: tokens such as F0 B0 U0, one line a rank, as lists or as a grid over slots.
#pragma once

#include <algorithm>
#include <string>

#include <foal/schedule/unroll.hpp>

namespace foal::schedule {

namespace detail {

/// Kind and microbatch; with several units on a rank, kind, stage, point, microbatch. Of replicas and segments other than 0
/// their number follows, as in F2.3r1s1. BW is written B where nothing is split.
inline std::string token(op const& o, bool with_stage, bool split) {
  std::string t = o.kind == op_kind::BW && !split ? "B" : name(o.kind);
  if (with_stage) t += std::to_string(o.stage) + ".";
  t += std::to_string(o.microbatch);
  if (o.replica != 0) t += "r" + std::to_string(o.replica);
  if (o.segment != 0) t += "s" + std::to_string(o.segment);
  return t;
}

inline bool names_stages(program_view v) { return units(v.size) > v.size.ranks; }

inline bool splits(program_view v) {
  return std::any_of(v.ops.begin(), v.ops.end(), [](op const& o) { return o.kind == op_kind::B || o.kind == op_kind::W; });
}

}  // namespace detail

/// One line a rank: "F0 F1 B0 F2 B1 B2 U2". As unroll(), of any program that is well_formed().
inline std::string lists(program_view v, int minibatches = 1) {
  std::string out;
  for (auto const& rank : unroll(v, minibatches)) {
    std::string line;
    for (op const& o : rank)
      line.append(line.empty() ? "" : " ").append(detail::token(o, detail::names_stages(v), detail::splits(v)));
    out += line + "\n";
  }
  return out;
}

/// One line a rank, one column a slot; ops of one slot are joined by +, an empty slot is a point; an op without a slot is
/// left out. As unroll(); throws foal::error as well where there are too many slots to write.
inline std::string grid(program_view v, int minibatches = 1) {
  auto const run = unroll(v, minibatches);
  int slots = 0;
  for (auto const& rank : run) {
    for (op const& o : rank) slots = std::max(slots, o.slot + 1);
  }
  require(static_cast<long long>(slots) * v.size.ranks <= 1 << 19, "cannot write a grid of ", v.size.ranks, " ranks and ",
          slots, " slots, because nobody could read it; write out fewer minibatches, or use fewer slots");
  std::vector<std::vector<std::string>> cells(run.size(), std::vector<std::string>(static_cast<std::size_t>(slots)));
  std::size_t width = 1;
  for (std::size_t r = 0; r < run.size(); ++r) {
    for (op const& o : run[r]) {
      if (o.slot < 0) continue;
      std::string& cell = cells[r][static_cast<std::size_t>(o.slot)];
      cell.append(cell.empty() ? "" : "+").append(detail::token(o, detail::names_stages(v), detail::splits(v)));
      width = std::max(width, cell.size());
    }
  }
  std::string out;
  for (auto const& row : cells) {
    std::string line;
    for (std::string const& cell : row) {
      std::string const shown = cell.empty() ? "." : cell;
      line += shown + std::string(width + 1 - shown.size(), ' ');
    }
    out += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return out;
}

}  // namespace foal::schedule
