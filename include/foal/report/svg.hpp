// Pictures as SVG text: shapes, ticks, and one style sheet for light and dark that all of foal's pictures share.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <foal/core/error.hpp>
#include <foal/report/escape.hpp>
#include <foal/report/number.hpp>

namespace foal::report {

/// Eight colours that people with any common colour vision tell apart, for light and for dark paper.
struct palette {
  static constexpr std::size_t size = 8;
  static constexpr std::array<char const*, size> light = {"#2f6fb7", "#c8590a", "#2a8a5e", "#a63f8c",
                                                          "#8a6d00", "#5b6472", "#c2313f", "#11889c"};
  static constexpr std::array<char const*, size> dark = {"#6fa8ec", "#f0924a", "#58c491", "#dd84c6",
                                                         "#d9bb4a", "#a7b0be", "#f0757f", "#4fc3d6"};
};

/// Rules for the classes that foal's pictures use. s0..s7 stroke and f0..f7 fill with a colour of the palette.
inline std::string svg_style() {
  auto const colours = [](std::array<char const*, palette::size> const& set) {
    std::string rules;
    for (std::size_t i = 0; i < set.size(); ++i) {
      std::string const n = shortest(i);
      rules += ".foal .s" + n + "{stroke:" + set[i] + "}.foal .f" + n + "{fill:" + set[i] + "}";
    }
    return rules;
  };
  return "<style>.foal{font-family:system-ui,sans-serif;font-size:12px}.foal .paper{fill:#fff}.foal .ink{fill:#1d2330}"
         ".foal .muted{fill:#5d6675}.foal .grid{stroke:#e3e6eb;fill:none}.foal .axis{stroke:#8b94a3;fill:none}"
         ".foal .idle{fill:#f1f3f6}.foal .on{fill:#fff}.foal .title{font-size:14px;font-weight:600}.foal "
         ".small{font-size:10px}"
         ".foal .curve{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}.foal .band{fill-opacity:.16}"
         ".foal .cross{stroke-width:2.5;fill:none}" +
         colours(palette::light) +
         "@media(prefers-color-scheme:dark){.foal .paper{fill:#171b22}.foal .ink{fill:#e6e9ef}.foal .muted{fill:#a0a9b8}"
         ".foal .grid{stroke:#2c323d}.foal .axis{stroke:#6d7788}.foal .idle{fill:#222833}.foal .on{fill:#10141a}" +
         colours(palette::dark) + "}</style>";
}

/// Builds one picture. Coordinates are pixels at natural size; the picture scales with its frame.
class svg {
 public:
  /// `label` says what the picture shows to those who cannot see it. Throws foal::error for a size that no picture has.
  svg(double width, double height, std::string_view label) {
    require(width > 0 && width <= 1e6 && height > 0 && height <= 1e6, "cannot draw a picture of ", width, " x ", height,
            " pixels, because both are to be above 0 and at most 1e+06; change its width or height");
    std::string const w = trimmed(width, 2), h = trimmed(height, 2);
    out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"foal\" width=\"" + w + "\" height=\"" + h +
           "\" viewBox=\"0 0 " + w + " " + h + "\" role=\"img\" aria-label=\"" + xml_escaped(label) + "\">" + svg_style();
    rectangle(0, 0, width, height, "paper");
  }

  /// `tip` shows when the pointer rests on the shape.
  svg& rectangle(double x, double y, double w, double h, std::string_view style, std::string_view tip = {},
                 double opacity = 1) {
    begin("rect", style);
    attribute("x", x).attribute("y", y).attribute("width", w).attribute("height", h);
    if (opacity < 1) attribute("fill-opacity", opacity);
    return end("rect", tip);
  }

  svg& line(double x1, double y1, double x2, double y2, std::string_view style, std::string_view dash = {}) {
    begin("line", style);
    attribute("x1", x1).attribute("y1", y1).attribute("x2", x2).attribute("y2", y2);
    if (!dash.empty()) out_ += " stroke-dasharray=\"" + std::string(dash) + "\"";
    return end("line", {});
  }

  /// `anchor`: start, middle or end of the text is at x. `turn`: degrees clockwise about (x, y).
  svg& text(double x, double y, std::string_view content, std::string_view style, std::string_view anchor = "start",
            double turn = 0) {
    begin("text", style);
    attribute("x", x).attribute("y", y);
    if (anchor != "start") out_ += " text-anchor=\"" + std::string(anchor) + "\"";
    if (turn != 0) out_ += " transform=\"rotate(" + trimmed(turn, 2) + " " + trimmed(x, 2) + " " + trimmed(y, 2) + ")\"";
    out_.append(">").append(xml_escaped(content)).append("</text>");
    return *this;
  }

  /// `d` as SVG's path data.
  svg& path(std::string_view d, std::string_view style, std::string_view dash = {}, std::string_view tip = {}) {
    begin("path", style);
    out_ += " d=\"" + std::string(d) + "\"";
    if (!dash.empty()) out_ += " stroke-dasharray=\"" + std::string(dash) + "\"";
    return end("path", tip);
  }

  /// What is drawn until end_clip shows only inside the rectangle; coordinates stay those of the picture.
  svg& begin_clip(double x, double y, double w, double h) {
    std::string const place =
        trimmed(x, 2) + "\" y=\"" + trimmed(y, 2) + "\" width=\"" + trimmed(w, 2) + "\" height=\"" + trimmed(h, 2) + "\"";
    // a nested svg needs no id, and ids of several pictures in one page would collide
    out_ += "<svg x=\"" + place + " viewBox=\"" + trimmed(x, 2) + " " + trimmed(y, 2) + " " + trimmed(w, 2) + " " +
            trimmed(h, 2) + "\" overflow=\"hidden\">";
    return *this;
  }
  svg& end_clip() {
    out_ += "</svg>";
    return *this;
  }

  std::string finish() const { return out_ + "</svg>"; }

 private:
  void begin(char const* element, std::string_view style) {
    out_.append("<").append(element).append(" class=\"").append(style).append("\"");
  }
  svg& attribute(char const* name, double v) {
    out_.append(" ").append(name).append("=\"").append(trimmed(v, 2)).append("\"");
    return *this;
  }
  svg& end(char const* element, std::string_view tip) {
    out_ += tip.empty() ? "/>" : "><title>" + xml_escaped(tip) + "</title></" + element + ">";
    return *this;
  }

  std::string out_;
};

/// About how many pixels wide a text of the pictures' size is.
inline double text_width(std::string_view text) { return 6.7 * static_cast<double>(columns_of(text)); }

/// Marks of an axis: values and their labels.
struct ticks {
  std::vector<double> at;
  std::vector<std::string> label;
};

/// Multiples of 1, 2 or 5 times a power of ten within [low, high], about `wanted` of them; `whole`: no fractions.
inline ticks linear_ticks(double low, double high, int wanted, bool whole = false) {
  ticks t;
  double const raw = (high - low) / (wanted > 1 ? wanted : 1);
  if (!(raw > 0) || !std::isfinite(raw)) return t;
  double const power = std::floor(std::log10(raw)), unit = std::pow(10, power), part = raw / unit;
  double step = unit * (part < 1.5 ? 1 : part < 3.5 ? 2 : part < 7.5 ? 5 : 10);
  if (whole && step < 1) step = 1;
  int const decimals = static_cast<int>(-std::floor(std::log10(step) + 1e-9));
  bool const plain = std::abs(high) < 1e7 && step > 1e-7;
  for (double k = std::ceil(low / step - 1e-9); k <= high / step + 1e-9; k += 1) {
    double const v = k * step;
    t.at.push_back(v);
    t.label.push_back(!plain ? significant(v, 2) : decimals > 0 ? fixed(v, decimals) : grouped(std::llround(v)));
  }
  return t;
}

/// Powers of ten within [low, high], 0 < low; with 2 and 5 between them where there are few.
inline ticks logarithmic_ticks(double low, double high) {
  ticks t;
  int const first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  int const stride = (last - first) / 8 + 1;
  for (int p = first; p <= last; p += stride) {
    for (int const m : {1, 2, 5}) {
      if (m > 1 && last - first > 3) continue;
      double const v = m * std::pow(10, p);
      if (v < low * 0.999999 || v > high * 1.000001) continue;
      t.at.push_back(v);
      t.label.push_back(significant(v, 1));
    }
  }
  return t;
}

}  // namespace foal::report
