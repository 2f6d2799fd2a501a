// A picture of a program in time: what each rank runs when, why it is idle, and what it holds, one self-contained SVG.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <foal/report/escape.hpp>
#include <foal/report/number.hpp>
#include <foal/schedule/cost/idle.hpp>
#include <foal/schedule/cost/memory.hpp>
#include <foal/schedule/draw/shades.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/proof/versions.hpp>

namespace foal::schedule {

/// With more ops than that a picture is one of its colours: no op and no idle slot says anything when pointed at.
inline constexpr std::size_t most_that_speak = 1 << 14;

/// How a timed picture is drawn.
struct timed_style {
  /// Pixels that the ops take at most: numbers are left out where that makes cells too narrow. 0: as many as numbers need.
  double width = 0;
  bool frame = true;  ///< title and legend
  /// The column with the ranks' names, and the rest; a page has one of each, so that names stay where the rest scrolls.
  bool names = true, ops = true;
  bool tips = true;  ///< ops say more when pointed at, which is most of a file; idle time does in any case
  version_reads const* reads = nullptr;  ///< the versions that ops read, to be shown with them where there are several
};

namespace detail {

/// Digits behind the point with which times of a replay are told: three of the shortest op at least.
inline int decimals_of(timing const& t) {
  int decimals = 3;
  for (auto const& events : t.events)
    for (event const& e : events)
      for (double d = (e.end - e.start) * std::pow(10, decimals - 3); d > 0 && d < 1 && decimals < 18; d *= 10) ++decimals;
  return decimals;
}

/// The chunks of each rank, numbered by their lowest stage.
struct rank_chunks {
  std::vector<int> number;  ///< [unit]
  int most = 1;             ///< on a rank
};
inline rank_chunks chunks_of_ranks(program_view v) {
  std::vector<int> const head = chunks_of(v), rank = ranks_of(v);
  rank_chunks all{std::vector<int>(head.size(), 0), 1};
  std::vector<int> count(static_cast<std::size_t>(v.size.ranks), 0);
  for (std::size_t u = 0; u < head.size(); ++u) {
    if (rank[u] < 0) continue;
    int& n = count[static_cast<std::size_t>(rank[u])];
    all.number[u] = head[u] == static_cast<int>(u) ? n++ : all.number[static_cast<std::size_t>(head[u])];
    all.most = std::max(all.most, n);
  }
  return all;
}

class timed_picture {
 public:
  timed_picture(program_view v, timing const& t, std::string_view title, timed_style const& style)
      : view_(v),
        time_(t),
        style_(style),
        title_(report::xml_escaped(title)),
        memory_(saved_over_time(v, t)),
        chunk_(chunks_of_ranks(v)),
        decimals_(decimals_of(t)) {
    std::size_t all = 0;
    double shortest = 0;
    for (auto const& events : t.events) {
      all += events.size();
      for (event const& e : events)
        if (double const d = e.end - e.start; d > 0 && (shortest == 0 || d < shortest)) shortest = d;
    }
    require(all <= 1 << 18, "cannot draw ", all, " ops, because nobody could see them; draw fewer minibatches");
    dense_ = all > most_that_speak;
    double const span = t.makespan > 0 ? t.makespan : 1, cell = shortest > 0 ? shortest : span;
    bar_ = cell / 6;
    scale_ = style.width > 0 ? style.width / span
                             : std::min(std::clamp(1000 / span, least_cell / cell, 28 / cell), 14'000 / span);
    if (style.width == 0 && scale_ > 1) scale_ = std::floor(scale_ * 4) / 4;  // edges on pixels, and short numbers
    for (rank_memory const& m : memory_) top_unit_ = std::max(top_unit_, m.peak);
    left_ = style.names ? 74 : 1;
    top_ = style.frame ? 34 : 4;
    lane_ = style.width > 0 && v.size.ranks > 24 ? 9 : 18;
    versions_ = several_versions();
    row_ = t.units * lane_ + (versions_ ? 11 : 0) + strip_ + 9;
  }

  std::string draw() {
    double const wide = style_.ops ? left_ + time_.makespan * scale_ + 14 : left_;
    double const width = style_.frame ? std::max(wide, 560.0) : wide;
    bottom_ = top_ + view_.size.ranks * row_;
    int const height = bottom_ + 20 + (style_.frame ? legend_rows(width) * 17 + 24 : 2);
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << px(width) << "\" height=\"" << height
         << "\" viewBox=\"0 0 " << px(width) << " " << height
         << "\" role=\"img\" class=\"timed\" font-family=\"sans-serif\" font-size=\"11\""
         << (style_.width > 0 ? ">\n" : " style=\"max-width:none\">\n")  // where a page would shrink what scrolls
         << "<title>" << title_ << "</title>\n<style>" << rules() << "</style>\n";
    if (style_.ops)
      out_ << "<defs><pattern id=\"foal-idle\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
           << "patternTransform=\"rotate(45)\"><rect class=\"gap\" width=\"6\" height=\"6\"/><rect class=\"hatch\" "
              "width=\"1.6\" "
           << "height=\"6\"/></pattern></defs>\n";
    out_ << "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";
    if (style_.frame) out_ << "<text x=\"8\" y=\"18\" font-size=\"13\" font-weight=\"bold\">" << title_ << "</text>\n";
    for (int r = 0; r < view_.size.ranks; ++r) {
      if (style_.names) names_of(r);
      if (style_.ops) rank(r);
    }
    if (style_.ops) axis();
    if (style_.frame) legend(width);
    out_ << "</svg>\n";
    return std::move(out_.text);
  }

 private:
  static std::string px(double v) { return report::trimmed(v, 2); }
  std::string number(double v) const { return report::trimmed(v, decimals_); }
  double x(double time) const { return left_ + time * scale_; }
  int y(int rank) const { return top_ + rank * row_; }
  int strip_top(int rank) const { return y(rank) + time_.units * lane_ + (versions_ ? 11 : 0) + 2; }

  /// Some stage is updated before the picture ends.
  bool several_versions() const {
    for (auto const& events : time_.events)
      for (event const& e : events)
        if (e.what.kind == op_kind::U && e.end < time_.makespan && e.what.microbatch + 1 < microbatches()) return true;
    return false;
  }
  int microbatches() const {
    int last = 0;
    for (auto const& events : time_.events)
      for (event const& e : events) last = std::max(last, e.what.microbatch + 1);
    return last;
  }

  bool has(op_kind kind) const {
    return std::any_of(view_.ops.begin(), view_.ops.end(), [&](op const& o) { return o.kind == kind; });
  }

  std::string rules() const {
    std::string all;
    auto const rule = [&](std::string const& of, std::string const& what) { all += ".timed " + of + "{" + what + "}"; };
    rule("text", "fill:#222;pointer-events:none");
    rule(".c", "text-anchor:middle;font-size:10px");
    rule(".e", "text-anchor:end");
    rule(".s", "font-size:9px;fill:#667");
    rule(".paper", "fill:#fff");
    rule(".idle", "fill:url(#foal-idle)");
    rule(".gap", "fill:#f3f3f3");
    rule(".hatch", "fill:#d5d5d5");
    rule(".tick", "stroke:#ddd");
    rule(".held", "fill:#7aa37e;fill-opacity:.45;stroke:#4d7d52;stroke-width:1");
    rule(".v0", "fill:#e9e2d0");
    rule(".v1", "fill:#cfc3a3");
    for (op_paint const& p : op_paints) {
      if (!has(p.kind)) continue;
      for (int c = 0; c < chunk_.most; ++c) {
        rgb const colour = shade(p, c, chunk_.most);
        std::string const of = name(p.kind) + std::to_string(c);
        rule("." + of, "fill:" + css(colour) + (p.kind == op_kind::U ? "" : ";stroke:#555;stroke-width:.5"));
        if (p.kind != op_kind::U) rule(".t" + of, std::string("fill:") + ink_on(colour));
      }
    }
    all += "@media(prefers-color-scheme:dark){";
    rule("text", "fill:#e6e9ef");
    rule(".s", "fill:#a0a9b8");
    rule(".paper", "fill:#171b22");
    rule(".gap", "fill:#1e232c");
    rule(".hatch", "fill:#39414f");
    rule(".tick", "stroke:#333b47");
    rule(".v0", "fill:#3b372b");
    rule(".v1", "fill:#57503b");
    for (int c = 0; c < chunk_.most && has(op_kind::U); ++c) rule("." + (name(op_kind::U) + std::to_string(c)), "fill:#fff");
    return all + "}";
  }

  void names_of(int r) {
    out_ << "<text x=\"" << left_ - 6 << "\" y=\"" << y(r) + time_.units * lane_ / 2 + 4 << "\" class=\"e\">rank " << r
         << "</text><text x=\"" << left_ - 6 << "\" y=\"" << strip_top(r) + strip_ - 3 << "\" class=\"e s\">holds "
         << memory_[static_cast<std::size_t>(r)].peak << "</text>\n";
  }

  void rank(int r) {
    out_ << "<g>\n";
    for (gap const& g : time_.gaps) {
      if (g.rank != r) continue;
      rect("idle", g.start, g.start + g.length, y(r) + lane_of_unit(g.unit) * lane_, lane_,
           "idle " + number(g.start) + " to " + number(g.start + g.length) + ": " + text(g));
    }
    auto const& events = time_.events[static_cast<std::size_t>(r)];
    std::string labels;
    for (event const& e : events) op_of(r, e, labels);
    if (versions_) versions_of(r, events);
    for (bool const bars : {false, true})  // on top of the cells that they end
      for (auto const& [of, path] : cells_)
        if ((of.find("op U") == 0) == bars) out_ << "<path class=\"" << of << "\" d=\"" << path << "\"/>\n";
    cells_.clear();
    out_ << labels;
    held(r);
    out_ << "</g>\n";
  }

  // From above: F, R where there is one, then the rest, as svg() has it.
  int lane_of_unit(int unit) const { return time_.units < 3 ? unit : unit == 1 ? 2 : unit == 2 ? 1 : 0; }

  void rect(std::string_view of, double from, double to, double top, double height, std::string const& tip,
            bool op = false) {
    if (dense_ || (op && !style_.tips)) {
      std::string const wide = px(x(to) - x(from));
      cells_[std::string(of)] += "M" + px(x(from)) + " " + px(top) + "h" + wide + "v" + px(height) + "h-" + wide + "z";
      return;
    }
    out_ << "<rect class=\"" << of << "\" x=\"" << px(x(from)) << "\" y=\"" << px(top) << "\" width=\""
         << px(x(to) - x(from)) << "\" height=\"" << px(height) << "\"><title>" << report::xml_escaped(tip)
         << "</title></rect>\n";
  }

  std::string tip_of(event const& e) const {
    op const& o = e.what;
    std::string tip = text(o, e.rank) + ": " + number(e.start) + " to " + number(e.end);
    if (!versions_ || style_.reads == nullptr || o.kind == op_kind::G || style_.reads->updates_of(o.stage) == 0) return tip;
    int const n = view_.size.microbatches, updates = style_.reads->updates_of(o.stage);
    int const minibatch = floor_div(o.microbatch, n), position = floor_mod(o.microbatch, n);
    if (o.kind == op_kind::U) return tip;
    version_read const& read = style_.reads->at(o.stage, position);
    int const offset = o.kind == op_kind::F ? read.forward : o.kind == op_kind::R ? read.recompute : read.backward;
    return tip + ", weights of version " + std::to_string(std::max(0, minibatch * updates + offset));
  }

  // Ops that take no time are bars at their end; all others cells.
  void op_of(int r, event const& e, std::string& labels) {
    op const& o = e.what;
    int const chunk = chunk_.number[static_cast<std::size_t>(unit_of(view_.size, o.stage, o.replica))];
    int const top = y(r) + lane_of_unit(e.unit) * lane_;
    std::string const of = name(o.kind) + std::to_string(chunk);
    double const wide = (e.end - e.start) * scale_;
    if (wide < 1) {
      double const bar = std::clamp(bar_ * scale_, 1.0, 3.0) / scale_;
      rect("op " + of, e.end - bar, e.end, top, lane_, tip_of(e), true);
      return;
    }
    rect("op " + of, e.start, e.end, top, lane_, tip_of(e), true);
    std::string label = std::to_string(o.microbatch);
    if (view_.size.segments > 1 && wide >= 12 + 6 * static_cast<double>(label.size()))
      label += "." + std::to_string(o.segment);
    if (wide < 3 + 5.8 * static_cast<double>(label.size()) || lane_ < 12) return;
    labels += "<text x=\"" + px((x(e.start) + x(e.end)) / 2) + "\" y=\"" + std::to_string(top + lane_ / 2 + 4) +
              "\" class=\"c t" + of + "\">" + label + "</text>\n";
  }

  // The newest version of the rank's first stage, from update to update.
  void versions_of(int r, std::vector<event> const& events) {
    int first = -1, version = 0;
    double from = 0;
    int const top = y(r) + time_.units * lane_ + 1;
    auto const show = [&](double to) {
      if (!(to > from)) return;
      rect(version % 2 == 0 ? "v0" : "v1", from, to, top, 9,
           foal::sentence("the newest weights of stage ", first, " are of version ", version));
      std::string const label = "v" + std::to_string(version);
      if ((to - from) * scale_ >= 4 + 5.5 * static_cast<double>(label.size()))
        out_ << "<text x=\"" << px(x(from) + 2) << "\" y=\"" << top + 8 << "\" class=\"s\">" << label << "</text>\n";
    };
    for (event const& e : events) {
      if (e.what.kind != op_kind::U || (first >= 0 && e.what.stage != first)) continue;
      first = e.what.stage;
      show(e.end);
      from = e.end;
      ++version;
    }
    show(time_.makespan);
  }

  void held(int r) {
    rank_memory const& m = memory_[static_cast<std::size_t>(r)];
    if (m.curve.empty()) return;
    int const base = strip_top(r) + strip_;
    auto const at = [&](int units) { return px(base - static_cast<double>(strip_ * units) / std::max(top_unit_, 1)); };
    std::string path = "M" + px(x(m.curve.front().first)) + " " + std::to_string(base);
    for (auto const& [time, units] : m.curve) path += "H" + px(x(time)) + "V" + at(units);
    out_ << "<path class=\"held\" d=\"" << path << "H" << px(x(time_.makespan)) << "V" << base << "\"><title>rank " << r
         << " holds " << m.peak << " at most, of what a chunk's forward saves of a microbatch</title></path>\n";
  }

  // The shortest of 1, 2, 5, 10 and so on at which labels do not touch.
  double tick() const {
    double const unit = std::pow(10, std::floor(std::log10(std::max(36 / scale_, 1e-15))));
    for (double ten = unit;; ten *= 10)
      for (double const step : {ten, 2 * ten, 5 * ten})
        if (step * scale_ >= std::max(36.0, 6.0 * widest_label(step))) return step;
  }
  int widest_label(double step) const {
    std::size_t most = 0;
    for (int i = 0; i * step <= time_.makespan && i <= 14'000 / 36; ++i) most = std::max(most, number(i * step).size());
    return static_cast<int>(most);
  }
  void axis() {
    double const step = tick();
    for (int i = 0; i * step <= time_.makespan; ++i) {
      std::string const at = px(x(i * step));
      out_ << "<line class=\"tick\" x1=\"" << at << "\" y1=\"" << bottom_ << "\" x2=\"" << at << "\" y2=\"" << bottom_ + 4
           << "\"/><text x=\"" << at << "\" y=\"" << bottom_ + 15 << "\" class=\"" << (i == 0 ? "s" : "c s") << "\">"
           << number(i * step) << "</text>\n";
    }
  }

  std::vector<std::pair<std::string, std::string>> legend_entries() const {
    std::vector<std::pair<std::string, std::string>> all;
    for (op_paint const& p : op_paints)
      if (has(p.kind)) all.push_back({name(p.kind), p.meaning});
    all.push_back({"idle", "idle"});
    all.push_back({"held", "held by the rank"});
    return all;
  }
  static int legend_width(std::string const& meaning) { return 40 + 6 * static_cast<int>(meaning.size()); }
  int legend_rows(double width) const {
    double at = 8;
    int rows = 1;
    for (auto const& [of, meaning] : legend_entries()) {
      if (at + legend_width(meaning) > std::min(width, 1100.0)) at = 8, ++rows;
      at += legend_width(meaning);
    }
    return rows;
  }
  void legend(double width) {
    double at = 8;
    int top = bottom_ + 40;
    for (auto const& [of, meaning] : legend_entries()) {
      if (at + legend_width(meaning) > std::min(width, 1100.0)) at = 8, top += 17;
      bool const op = of != "idle" && of != "held";
      int const shades = op && of != "U" ? chunk_.most : 1;
      for (int c = 0; c < shades; ++c)
        out_ << "<rect class=\"" << of << (op ? std::to_string(c) : "") << "\" x=\"" << px(at + 18.0 * c / shades)
             << "\" y=\"" << top - 10 << "\" width=\"" << px(18.0 / shades) << "\" height=\"12\"/>";
      out_ << "<text x=\"" << px(at + 23) << "\" y=\"" << top << "\">" << meaning << "</text>\n";
      at += legend_width(meaning);
    }
    out_ << "<text x=\"8\" y=\"" << top + 18 << "\" class=\"s\">numbers: microbatch"
         << (view_.size.segments > 1 ? ", segment" : "")
         << (chunk_.most > 1 ? "; from light to dark: the chunks of a rank" : "")
         << (versions_ ? "; v: the newest weights" : "") << "</text>\n";
  }

  program_view view_;
  timing const& time_;
  timed_style style_;
  std::string title_;
  std::vector<rank_memory> memory_;
  rank_chunks chunk_;
  double scale_ = 1, bar_ = 1;
  int decimals_ = 3, top_unit_ = 0, left_ = 0, top_ = 0, bottom_ = 0, row_ = 0, lane_ = 18;
  bool versions_ = false, dense_ = false;
  std::map<std::string, std::string> cells_;  // of a rank, by class, where they are too many to say something each
  static constexpr int strip_ = 16;
  static constexpr double least_cell = 15.5;  // where two digits are read
  joined out_;
};

}  // namespace detail

/// Shows a replay of `v`. Every op is a cell with the number of its microbatch where there is room, in the colour of its
/// kind, darker in later chunks of its rank; idle time is hatched. Each says more when pointed at: which op, when, by which
/// weights, and what an idle rank waits for. Below each rank lie the versions of its weights, where there are several, and
/// what it holds. On light and dark paper; any title makes a well-formed picture. Throws foal::error where there are too
/// many ops to draw.
inline std::string timed_svg(program_view v, timing const& t, std::string_view title, timed_style const& style = {}) {
  return detail::timed_picture(v, t, title, style).draw();
}

}  // namespace foal::schedule
