// A picture of a program: ranks as rows, slots as columns, one self-contained SVG.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <type_traits>

#include <foal/report/escape.hpp>
#include <foal/report/number.hpp>
#include <foal/schedule/draw/shades.hpp>
#include <foal/schedule/unroll.hpp>

namespace foal::schedule {

namespace detail {

/// Grows by texts and numbers, which are the same in every locale.
struct joined {
  std::string text;

  template <class Part>
  joined& operator<<(Part const& part) {
    if constexpr (std::is_integral_v<Part>)
      text += report::shortest(part);
    else
      text += part;
    return *this;
  }
};

class picture {
 public:
  picture(program_view v, int minibatches, std::string_view title)
      : view_(v), title_(report::xml_escaped(title)), minibatches_(minibatches) {
    run_ = unroll(v, minibatches);
    for (auto const& rank : run_) {
      for (op const& o : rank) {
        require(o.slot >= 0, "cannot draw ", name(o.kind), "(stage ", o.stage, ", microbatch ", o.microbatch,
                "), because it has no slot; give the program slots with foal::schedule::time");
        slots_ = std::max(slots_, o.slot + 1);
      }
    }
    require(static_cast<long long>(slots_) * v.size.ranks <= 1 << 20, "cannot draw ", v.size.ranks, " ranks and ", slots_,
            " slots, because nobody could see them; draw fewer minibatches, or use fewer slots");
    units_ = two_units(v) ? (recomputes(v) ? 3 : 2) : 1;
    int const ranks = std::max(v.size.ranks, 1);
    cell_ = std::clamp(1400 / std::max(slots_, 1), 3, 28);
    row_ = std::clamp(960 / ranks, 4, 16 * units_ + 6);
  }

  std::string draw() {
    int const width = std::max(left_ + slots_ * cell_ + 16, 860), bottom = top_ + view_.size.ranks * row_;
    out_ << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << width << "\" height=\"" << bottom + 84
         << "\" viewBox=\"0 0 " << width << " " << bottom + 84
         << "\" role=\"img\" class=\"schedule\" font-family=\"sans-serif\" font-size=\"11\">\n"
         << "<title>" << title_ << "</title>\n<style>";
    style();
    out_ << "</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
         << "<text x=\"8\" y=\"16\" font-size=\"13\" font-weight=\"bold\">" << title_ << "</text>\n";
    phases(bottom);
    rank_labels();
    for (std::size_t r = 0; r < run_.size(); ++r) ops(run_[r], top_ + static_cast<int>(r) * row_);
    cells();
    axis(bottom);
    legend(bottom + 44);
    out_ << "</svg>\n";
    return out_.text;
  }

 private:
  int x(int slot) const { return left_ + slot * cell_; }

  // Of a class of its own, because in a page the rules of one picture are those of all.
  void style() {
    char const* const dark = "@media(prefers-color-scheme:dark){";
    auto const rule = [&](std::string_view of, std::string_view what) { out_ << ".schedule " << of << "{" << what << "}"; };
    rule("text", "fill:#222");
    rule(".c", "text-anchor:middle;font-size:10px");
    rule(".e", "text-anchor:end");
    rule(".paper", "fill:#fff");
    rule(".even", "fill:#f6f6f6");
    rule(".odd", "fill:#ececec");
    rule(".steady", "fill:#fffbe6");
    for (op_paint const& p : op_paints) {
      rule(std::string(".").append(name(p.kind)), std::string("stroke:#555;fill:") + p.first);
      rule(std::string(".t").append(name(p.kind)), std::string("fill:") + ink_on(rgb_of(p.first)));
    }
    rule("path", cell_ < 8 ? "stroke-width:0" : "stroke-width:0.6");
    rule(".U", "stroke:none");
    rule(".faint", "fill-opacity:.72");
    out_ << dark;
    rule("text", "fill:#e6e9ef");
    rule(".paper", "fill:#171b22");
    rule(".even", "fill:#1e232c");
    rule(".odd", "fill:#262c37");
    rule(".steady", "fill:#2b2a1c");
    for (op_paint const& p : op_paints)
      rule(std::string(".t").append(name(p.kind)), std::string("fill:") + ink_on(rgb_of(p.first)));
    rule(".U", "fill:#fff");
    rule(".faint", "fill-opacity:.82");
    out_ << "}";
  }

  void band(int from, int to, char const* label, char const* style, int bottom) {
    if (from >= to) return;
    out_ << "<rect class=\"" << style << "\" x=\"" << x(from) << "\" y=\"" << top_ - 18 << "\" width=\""
         << (to - from) * cell_ << "\" height=\"" << bottom - top_ + 18 << "\"/>\n";
    if ((to - from) * cell_ >= 60)
      out_ << "<text x=\"" << (x(from) + x(to)) / 2 << "\" y=\"" << top_ - 6 << "\" class=\"c\">" << label << "</text>\n";
  }

  void phases(int bottom) {
    int drain = 0;
    for (op const& o : view_.ops) drain = std::max(drain, -floor_div(o.microbatch, view_.size.microbatches));
    if (view_.asynchronous && drain > 0) {
      // Between these two slots every op of the body runs; with a run too short for that there is no steady state to show.
      int const fill = std::min(drain, minibatches_) * view_.period, end = minibatches_ * view_.period;
      band(0, fill, "prologue", "even", bottom);
      band(fill, end, "steady state", "steady", bottom);
      band(std::max(fill, end), slots_, "epilogue", "even", bottom);
      return;
    }
    for (int k = 0; k < minibatches_; ++k)
      band(k * view_.period, (k + 1) * view_.period, ("minibatch " + std::to_string(k)).c_str(), k % 2 == 0 ? "even" : "odd",
           bottom);
  }

  void rank_labels() {
    int const every = (11 + row_) / row_;
    for (int r = 0; r < view_.size.ranks; r += every)
      out_ << "<text x=\"" << left_ - 6 << "\" y=\"" << top_ + r * row_ + row_ / 2 + 4 << "\" class=\"e\">rank " << r
           << "</text>\n";
  }

  // A slot's ops of one unit share its width; U, which takes no slot of its own, is a bar at the slot's end.
  void ops(std::vector<op> const& list, int y) {
    for (std::size_t i = 0; i < list.size();) {
      std::size_t end = i;
      int count[3] = {0, 0, 0}, drawn[3] = {0, 0, 0};
      while (end < list.size() && list[end].slot == list[i].slot) {
        if (list[end].kind != op_kind::U) ++count[unit(list[end])];
        ++end;
      }
      for (; i < end; ++i) {
        int const h = unit(list[i]), height = (row_ - 1) / units_, at = y + h * height;
        if (list[i].kind == op_kind::U) {
          int const bar = std::max(cell_ / 7, 1);
          rect(op_kind::U, x(list[i].slot + 1) - bar, at, bar, height);
          continue;
        }
        int const from = x(list[i].slot) + cell_ * drawn[h] / count[h],
                  to = x(list[i].slot) + cell_ * (drawn[h] + 1) / count[h];
        ++drawn[h];
        bool const odd = floor_div(list[i].microbatch, view_.size.microbatches) % 2 != 0;
        rect(list[i].kind, from, at, to - from, height, odd);
        if (to - from >= 13 && height >= 11)
          labels_ << "<text x=\"" << (from + to) / 2 << "\" y=\"" << at + height / 2 + 4 << "\" class=\"c t"
                  << name(list[i].kind) << "\">" << list[i].microbatch << "</text>\n";
      }
    }
  }

  // Rows of a rank whose units run side by side, from above: F, R where there is one, then the rest.
  int unit(op const& o) const { return units_ == 1 || o.kind == op_kind::F ? 0 : o.kind == op_kind::R ? 1 : units_ - 1; }

  // One path for all cells of a colour: a picture of 107 ranks has tens of thousands of cells.
  void rect(op_kind kind, int left, int y, int width, int height, bool odd = false) {
    cells_[static_cast<int>(kind)][odd ? 1 : 0] += std::string("M").append(std::to_string(left)) + " " + std::to_string(y) +
                                                   "h" + std::to_string(width) + "v" + std::to_string(height) + "h-" +
                                                   std::to_string(width) + "z";
  }

  void cells() {
    for (op_paint const& p : op_paints) {
      for (int odd = 0; odd < 2; ++odd) {
        std::string const& path = cells_[static_cast<int>(p.kind)][odd];
        if (!path.empty())
          out_ << "<path class=\"" << name(p.kind) << (odd != 0 ? " faint" : "") << "\" d=\"" << path << "\"/>\n";
      }
    }
    out_ << labels_.text;
  }

  void axis(int bottom) {
    int every = 1;
    for (int const step : {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000}) {
      every = step;
      if (step * cell_ >= 24) break;
    }
    for (int s = 0; s < slots_; s += every)
      out_ << "<text x=\"" << x(s) + cell_ / 2 << "\" y=\"" << bottom + 14 << "\" class=\"c\">" << s << "</text>\n";
    out_ << "<text x=\"" << left_ - 6 << "\" y=\"" << bottom + 14 << "\" class=\"e\">slot</text>\n";
  }

  void legend(int y) {
    int at = 8;
    for (op_paint const& p : op_paints) {
      if (std::none_of(view_.ops.begin(), view_.ops.end(), [&](op const& o) { return o.kind == p.kind; })) continue;
      out_ << "<rect class=\"" << name(p.kind) << "\" x=\"" << at << "\" y=\"" << y - 10 << "\" width=\"16\" height=\"12\"/>"
           << "<text x=\"" << at + 21 << "\" y=\"" << y << "\">" << p.meaning << "</text>\n";
      at += 40 + 6 * static_cast<int>(std::string(p.meaning).size());
    }
    out_ << "<text x=\"8\" y=\"" << y + 20 << "\">numbers: microbatch; fainter: every other minibatch"
         << (units_ == 2 ? "; upper and lower half: forward and backward unit" : "")
         << (units_ == 3 ? "; from above: forward, recompute and backward unit" : "")
         << (units(view_.size) > view_.size.ranks ? "; equal numbers side by side: the rank's stages" : "") << "</text>\n";
  }

  program_view view_;
  std::string title_;
  int minibatches_;
  std::vector<std::vector<op>> run_;
  int slots_ = 0, units_ = 1, cell_ = 0, row_ = 0;
  static constexpr int left_ = 64, top_ = 46;
  std::string cells_[8][2];  // by kind and parity of the minibatch
  joined labels_, out_;
};

}  // namespace detail

/// Shows `minibatches` minibatches with fill and drain, on light and on dark paper. Labels are left out where cells are too
/// small for them. Any title makes a well-formed picture. As unroll(), of any program that is well_formed(); throws
/// foal::error as well where an op has no slot, or there are too many to draw.
inline std::string svg(program_view v, int minibatches, std::string_view title) {
  return detail::picture(v, minibatches, title).draw();
}

}  // namespace foal::schedule
