// Programs from and to the CSV of PyTorch's pipelining schedules: a line a rank, cells such as 0F0, 1B3, 2W5.
#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/schedule/generate.hpp>

namespace foal::schedule {

namespace detail {

/// A cell, or a part of an overlapped pair: an op, a message of one, or what a program has no op for.
struct csv_token {
  enum class what { compute, sends, receives, passed_over } is = what::compute;
  op it{};
  bool splits = false;  ///< B, which is of the input alone where the list has W for it
};

[[noreturn]] inline void refuse_cell(std::string_view cell, std::size_t rank) {
  throw error(sentence("cannot read '", cell.substr(0, 40), "' in line ", rank + 1,
                       ", because a cell is a stage, a kind (F, I, B, W, BW, R, U; SEND_F, RECV_F, SEND_B, RECV_B; UNSHARD, "
                       "RESHARD, REDUCE_GRAD) and a microbatch, as 2F0, or a pair (2F0;1B3)OVERLAP_F_B; write it so"));
}

inline csv_token read_cell(std::string_view cell, std::size_t rank) {
  auto const number = [&](std::string_view digits, int& value) {
    auto const [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return code == std::errc{} && end == digits.data() + digits.size() && value >= 0 && value <= 1 << 20;
  };
  constexpr char const* digits = "0123456789";
  std::size_t const letters = std::min(cell.find_first_not_of(digits), cell.size());
  std::size_t const count = std::min(cell.find_last_not_of(digits) + 1, cell.size());
  if (letters == 0 || letters >= count) refuse_cell(cell, rank);
  std::string_view const kind = cell.substr(letters, count - letters), last = cell.substr(count);
  csv_token t;
  if (!number(cell.substr(0, letters), t.it.stage)) refuse_cell(cell, rank);
  if (kind == "UNSHARD" || kind == "RESHARD" || kind == "REDUCE_GRAD") {
    if (!last.empty() && !number(last, t.it.microbatch)) refuse_cell(cell, rank);
    t.is = csv_token::what::passed_over;
    return t;
  }
  if (!number(last, t.it.microbatch)) refuse_cell(cell, rank);
  constexpr std::pair<std::string_view, op_kind> kinds[] = {{"F", op_kind::F}, {"I", op_kind::B}, {"B", op_kind::BW},
                                                            {"W", op_kind::W}, {"R", op_kind::R}, {"BW", op_kind::BW},
                                                            {"U", op_kind::U}};
  for (auto const& [name, of] : kinds) {
    if (kind != name) continue;
    t.it.kind = of;
    t.splits = name == "B";
    return t;
  }
  bool const sends = kind == "SEND_F" || kind == "SEND_B";
  if (!sends && kind != "RECV_F" && kind != "RECV_B") refuse_cell(cell, rank);
  t.is = sends ? csv_token::what::sends : csv_token::what::receives;
  t.it.kind = kind.back() == 'F' ? op_kind::F : op_kind::BW;
  return t;
}

/// What a line lists, in its order; overlapped pairs one after the other.
inline std::vector<std::pair<csv_token, std::string_view>> read_line(std::string_view line, std::size_t rank) {
  std::vector<std::pair<csv_token, std::string_view>> all;
  while (!line.empty()) {
    std::size_t const end = std::min(line.find(','), line.size());
    std::string_view cell = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    cell.remove_prefix(std::min(cell.find_first_not_of(" \t\r\""), cell.size()));
    cell = cell.substr(0, cell.find_last_not_of(" \t\r\"") + 1);
    if (cell.empty()) continue;
    if (cell.front() != '(') {
      all.push_back({read_cell(cell, rank), cell});
      continue;
    }
    std::size_t const middle = cell.find(';'), close = cell.find(')');
    if (middle == std::string_view::npos || close == std::string_view::npos || close < middle ||
        cell.substr(close + 1) != "OVERLAP_F_B")
      refuse_cell(cell, rank);
    for (std::string_view const part : {cell.substr(1, middle - 1), cell.substr(middle + 1, close - middle - 1)})
      all.push_back({read_cell(part, rank), part});
  }
  return all;
}

/// Whether a rank's messages are where they can be: one is sent after its op and received before it.
inline void check_messages(std::vector<std::pair<csv_token, std::string_view>> const& line, std::size_t rank) {
  auto const kind = [](op const& o) { return is_backward(o.kind) ? op_kind::BW : o.kind; };
  auto const key = [&](op const& o) { return std::pair{static_cast<long long>(o.stage) << 32 | o.microbatch, kind(o)}; };
  std::vector<std::pair<std::pair<long long, op_kind>, std::size_t>> at;
  for (std::size_t i = 0; i < line.size(); ++i)
    if (line[i].first.is == csv_token::what::compute) at.push_back({key(line[i].first.it), i});
  std::sort(at.begin(), at.end());
  for (std::size_t i = 0; i < line.size(); ++i) {
    auto const& [token, text] = line[i];
    if (token.is != csv_token::what::sends && token.is != csv_token::what::receives) continue;
    bool const sends = token.is == csv_token::what::sends;
    std::pair const first{key(token.it), std::size_t{0}};
    auto const found = std::lower_bound(at.begin(), at.end(), first);
    bool const there = found != at.end() && found->first == first.first;
    require(there && (found->second < i) == sends, "cannot run ", text, " in line ", rank + 1, ", because ",
            token.it.kind == op_kind::F ? "the forward" : "the backward", " of stage ", token.it.stage, ", microbatch ",
            token.it.microbatch,
            !there  ? " is not in that line"
            : sends ? " comes after it"
                    : " comes before it",
            "; list what is sent behind the op that makes it, and what is received before the op that takes it");
  }
}

/// Of the placements of foal that of a program, the one with the fewest chunks; `contiguous` for none.
inline placement placement_of(program_view v) {
  std::vector<int> const ranks = ranks_of(v);
  int const most = (v.size.stages + v.size.ranks - 1) / v.size.ranks;
  for (int chunks = 1; chunks <= most; ++chunks) {
    for (placement const placed : {loop, vee}) {
      extent e = v.size;
      e.placed = chunks == 1 ? contiguous : placed.in(chunks < most ? chunks : 0);
      bool same = true;
      for (int s = 0; s < e.stages && same; ++s) same = ranks[static_cast<std::size_t>(s)] == rank_of(e, s);
      if (same) return e.placed;
    }
  }
  return contiguous;
}

inline program again(program_view v, placement placed) {
  extent e = v.size;
  e.placed = placed;
  program p(e, v.period, v.asynchronous);
  for (int r = 0; r < e.ranks; ++r)
    for (op const& o : v.rank(r)) p(r, o);
  return p;
}

}  // namespace detail

/// The synchronous program of a CSV in PyTorch's form, of computations alone or with messages. Empty cells are passed over,
/// as are UNSHARD, RESHARD and REDUCE_GRAD; messages are checked to stand where they can. B is both gradients unless the
/// list has W for it, then that of the input alone, as I is. R recomputes and U updates, which PyTorch has not: a stage
/// without U updates behind its last W or B. There are as many ranks as lines, and as many stages and microbatches as are
/// named; `stages`, `microbatches`: how many there have to be, 0 for any number. Ops get their slots; whether the program
/// can run is for prove() to say. Throws foal::error for what is no such list.
inline program from_csv(std::string_view text, int stages = 0, int microbatches = 0) {
  std::vector<std::vector<std::pair<detail::csv_token, std::string_view>>> lines;
  while (!text.empty()) {
    std::size_t const end = std::min(text.find('\n'), text.size());
    lines.push_back(detail::read_line(text.substr(0, end), lines.size()));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  int named_stages = 0, named_microbatches = 0;
  std::vector<std::pair<int, int>> split;  // (stage, microbatch) with a W of its own
  std::vector<int> updated;
  for (std::size_t r = 0; r < lines.size(); ++r) {
    detail::check_messages(lines[r], r);
    for (auto const& [token, cell] : lines[r]) {
      named_stages = std::max(named_stages, token.it.stage + 1);
      named_microbatches = std::max(named_microbatches, token.it.microbatch + 1);
      if (token.is != detail::csv_token::what::compute) continue;
      if (token.it.kind == op_kind::W) split.push_back({token.it.stage, token.it.microbatch});
      if (token.it.kind == op_kind::U) updated.push_back(token.it.stage);
    }
  }
  require((stages == 0 || stages == named_stages) && (microbatches == 0 || microbatches == named_microbatches),
          "cannot run ", stages, " stages and ", microbatches, " microbatches by this list, because it has ", named_stages,
          " and ", named_microbatches, "; ask for those, or write another list");
  std::sort(split.begin(), split.end());
  std::sort(updated.begin(), updated.end());
  program p({std::max(named_stages, 1), static_cast<int>(lines.size()), std::max(named_microbatches, 1)}, 0, false);
  for (std::size_t r = 0; r < lines.size(); ++r) {
    int const rank = static_cast<int>(r);
    std::vector<std::pair<int, std::size_t>> last;  // (stage, its last W or BW), where it has no U
    std::vector<op> ops;
    for (auto const& [token, cell] : lines[r]) {
      if (token.is != detail::csv_token::what::compute) continue;
      op o = token.it;
      if (token.splits && std::binary_search(split.begin(), split.end(), std::pair{o.stage, o.microbatch}))
        o.kind = op_kind::B;
      if (adds_weight_gradient(o.kind) && !std::binary_search(updated.begin(), updated.end(), o.stage)) {
        std::erase_if(last, [&](auto const& l) { return l.first == o.stage; });
        last.push_back({o.stage, ops.size()});
      }
      ops.push_back(o);
    }
    std::size_t next = 0;
    for (std::size_t i = 0; i < ops.size(); ++i) {
      p(rank, ops[i]);
      if (next < last.size() && last[next].second == i)
        p(rank, {.kind = op_kind::U, .stage = last[next++].first, .microbatch = p.size().microbatches - 1});
    }
  }
  if (well_formed(p.view())) p = detail::again(p.view(), detail::placement_of(p.view()));
  time(p);
  return p;
}

/// The CSV of a synchronous program, of computations alone: a cell a slot, empty where the rank has none. U is left
/// out, as PyTorch has none; R is written though it has none of that either. Of any program that is well_formed(); throws
/// its sentence otherwise, and for what cells cannot say: several replicas, segments or updates, overlapping periods, stages
/// without a backward, a norm of all stages.
inline std::string to_csv(program_view v) {
  if (verdict const bad = well_formed(v); !bad) throw error(text(bad));
  require(!v.asynchronous && v.size.replicas == 1 && v.size.segments == 1, "cannot write a program of ", v.size.replicas,
          " replicas and ", v.size.segments, " segments", v.asynchronous ? ", whose periods overlap," : "",
          " as CSV, because its cells name a stage and a microbatch of one minibatch; write it with foal::schedule::lists");
  require(!v.inference && v.wants.empty() && !v.global_norm, "cannot write a program ",
          v.global_norm ? "with a norm of all stages" : "with stages that lack a backward",
          " as CSV, because its cells have ops alone; write it with foal::schedule::lists");
  std::string out;
  for (int r = 0; r < v.size.ranks; ++r) {
    int at = 0;
    for (op const& o : v.rank(r)) {
      if (o.kind == op_kind::U) {
        require(o.microbatch == v.size.microbatches - 1, "cannot write ", text(o, r),
                " as CSV, because there a stage updates once, after its last gradient; write it with "
                "foal::schedule::lists");
        continue;
      }
      require(o.slot <= 1 << 20, "cannot write ", text(o, r), " in column ", o.slot,
              " as CSV, because nobody could read it; use fewer slots");
      if (at > 0) out += ',';
      for (; at < o.slot; ++at) out += ',';
      out += sentence(o.stage, o.kind == op_kind::B ? "I" : o.kind == op_kind::BW ? "B" : name(o.kind), o.microbatch);
      ++at;
    }
    out += '\n';
  }
  return out;
}

}  // namespace foal::schedule
