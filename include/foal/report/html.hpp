// One self-contained HTML page for the results of a run: no scripts, no requests, readable in light, dark and on paper.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <foal/core/atomic_file.hpp>
#include <foal/report/escape.hpp>
#include <foal/report/facts.hpp>
#include <foal/report/table.hpp>

namespace foal::report {

/// An SVG picture and the sentence under it.
struct figure {
  std::string svg;
  std::string caption = {};
};

/// html_page page("Title", "what this is"); page.section("Results"); page.add(table); page.write("report/index.html");
/// All texts are escaped; of figures the tags are taken as they are.
class html_page {
 public:
  explicit html_page(std::string title, std::string subtitle = {})
      : title_(std::move(title)), subtitle_(std::move(subtitle)) {}

  /// Starts a section; the page's contents link to it.
  html_page& section(std::string heading) {
    close_section();
    std::string const id = "s" + shortest(headings_.size() + 1);
    body_ += "<section id=\"" + id + "\">\n<h2>" + xml_escaped(heading) + "</h2>\n";
    headings_.push_back(std::move(heading));
    return *this;
  }

  html_page& subheading(std::string_view text) { return element("h3", text); }
  html_page& paragraph(std::string_view text) { return element("p", text); }

  /// A remark, set off from the text.
  html_page& note(std::string_view text) {
    body_ += "<p class=\"note\">" + xml_escaped(text) + "</p>\n";
    return *this;
  }
  html_page& warning(std::string_view text) {
    body_ += "<p class=\"note warning\">" + xml_escaped(text) + "</p>\n";
    return *this;
  }

  /// Text as it is, in columns; a wide one scrolls.
  html_page& preformatted(std::string_view text) {
    body_ += "<pre>" + xml_escaped(text) + "</pre>\n";
    return *this;
  }

  /// Numbers to the right, the best of a column marked where the column says what is better.
  html_page& add(table const& t, std::string_view caption = {}) {
    body_ += "<div class=\"scroll\"><table>\n";
    if (!caption.empty()) body_ += "<caption>" + xml_escaped(caption) + "</caption>\n";
    body_ += "<thead><tr>";
    std::vector<std::vector<bool>> best;
    for (std::size_t c = 0; c < t.columns.size(); ++c) {
      best.push_back(t.best(c));
      body_ += cell_begin("th scope=\"col\"", t.columns[c].side, false) + xml_escaped(t.columns[c].title) + "</th>";
    }
    body_ += "</tr></thead>\n<tbody>\n";
    for (std::size_t r = 0; r < t.rows.size(); ++r) {
      body_ += "<tr>";
      for (std::size_t c = 0; c < t.columns.size(); ++c)
        body_ += cell_begin("td", t.columns[c].side, best[c][r]) + xml_escaped(t.rows[r][c].text) + "</td>";
      body_ += "</tr>\n";
    }
    body_ += "</tbody></table></div>\n";
    return *this;
  }

  /// Pictures side by side where the window is wide enough.
  html_page& add(std::vector<figure> const& figures) {
    body_ += figures.size() > 1 ? "<div class=\"figures\">\n" : "";
    for (figure const& f : figures) {
      body_ += "<figure><div class=\"scroll\">" + well_formed_markup(f.svg) + "</div>";
      if (!f.caption.empty()) body_ += "<figcaption>" + xml_escaped(f.caption) + "</figcaption>";
      body_ += "</figure>\n";
    }
    body_ += figures.size() > 1 ? "</div>\n" : "";
    return *this;
  }
  html_page& add(figure const& f) { return add(std::vector<figure>{f}); }

  /// Markup of one's own, as it is: it has to be well-formed.
  html_page& add_markup(std::string_view markup) {
    body_ += well_formed_markup(markup) + "\n";
    return *this;
  }

  /// The facts of a run, behind a line that opens.
  html_page& add(facts const& f, std::string_view heading) { return folded(heading, f.text()); }

  /// Preformatted text behind a line that opens when clicked (and is open on paper).
  html_page& folded(std::string_view heading, std::string_view text) {
    body_ += "<details><summary>" + xml_escaped(heading) + "</summary><pre>" + xml_escaped(text) + "</pre></details>\n";
    return *this;
  }

  /// A section "How this was run": the command line, then names and values (build, machine, data, seeds).
  html_page& how_run(std::string_view command, std::vector<std::pair<std::string, std::string>> const& about) {
    section("How this was run").preformatted(command);
    body_ += "<dl>\n";
    for (auto const& [name, value] : about)
      body_ += "<dt>" + xml_escaped(name) + "</dt><dd>" + xml_escaped(value) + "</dd>\n";
    body_ += "</dl>\n";
    return *this;
  }

  /// The whole page.
  std::string text() const {
    std::string out =
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
        "<meta name=\"color-scheme\" content=\"light dark\">\n<title>" +
        xml_escaped(title_) + "</title>\n<style>\n" + style() + "</style>\n</head>\n<body>\n<main>\n<header><h1>" +
        xml_escaped(title_) + "</h1>\n";
    if (!subtitle_.empty()) out += "<p class=\"subtitle\">" + xml_escaped(subtitle_) + "</p>\n";
    if (headings_.size() > 1) {
      out += "<nav>";
      for (std::size_t i = 0; i < headings_.size(); ++i)
        out += "<a href=\"#s" + shortest(i + 1) + "\">" + xml_escaped(headings_[i]) + "</a> ";
      out += "</nav>\n";
    }
    return out + "</header>\n" + body_ + (headings_.empty() ? "" : "</section>\n") + "</main>\n</body>\n</html>\n";
  }

  /// Replaces the file in one step. Throws foal::error with the path and the reason.
  void write(std::string const& path) const { write_file(path, text()); }

 private:
  void close_section() { body_ += headings_.empty() ? "" : "</section>\n"; }

  html_page& element(std::string const& name, std::string_view text) {
    body_ += "<" + name + ">" + xml_escaped(text) + "</" + name + ">\n";
    return *this;
  }

  static std::string cell_begin(char const* element, align side, bool best) {
    std::string const style = side == align::right ? (best ? "num best" : "num") : best ? "best" : "";
    return std::string("<").append(element) + (style.empty() ? "" : " class=\"" + style + "\"") + ">";
  }

  static char const* style() {
    return R"(:root{--paper:#fff;--ink:#1d2330;--muted:#5d6675;--rule:#dfe3e9;--shade:#f5f6f8;--link:#1f5fa8;--best:#e3f1e8;--warn:#c8590a}
@media(prefers-color-scheme:dark){:root{--paper:#171b22;--ink:#e6e9ef;--muted:#a0a9b8;--rule:#2c323d;--shade:#1e232c;--link:#6fa8ec;--best:#20372b;--warn:#f0924a}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:1160px;margin:0 auto;padding:24px 20px 64px}
h1{font-size:26px;line-height:1.25;margin:0}
h2{font-size:19px;margin:40px 0 12px;padding-top:14px;border-top:1px solid var(--rule)}
h3{font-size:15px;margin:24px 0 8px}
p{max-width:95ch;margin:8px 0}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:14px 0 0}
.subtitle{color:var(--muted)}
.note{padding:8px 12px;background:var(--shade);border-left:3px solid var(--rule)}
.warning{border-left-color:var(--warn)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;margin:12px 0;font-size:14px}
caption{text-align:left;color:var(--muted);padding-bottom:6px;max-width:calc(100vw - 40px)}
th,td{padding:5px 14px 5px 8px;text-align:left;border-bottom:1px solid var(--rule);white-space:nowrap}
th{vertical-align:bottom;font-weight:600;border-bottom-color:var(--muted);white-space:normal}
.num{text-align:right;font-variant-numeric:tabular-nums}
td.best{background:var(--best);font-weight:600}
figure{margin:14px 0}
figure .scroll{border:1px solid var(--rule);border-radius:6px}
svg{display:block;margin:0 auto;height:auto;max-width:max(100%,720px)}
.figures svg{max-width:100%}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,500px),1fr));gap:0 20px}
figcaption{color:var(--muted);font-size:13.5px;margin-top:6px;max-width:90ch}
pre{overflow-x:auto;background:var(--shade);padding:12px 14px;border-radius:6px;font:12.5px/1.45 ui-monospace,monospace}
details{margin:8px 0}
summary{cursor:pointer}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 20px}
dt{color:var(--muted)}
dd{margin:0;overflow-wrap:anywhere}
@media print{main{max-width:none;padding:0}nav{display:none}figure,tr{break-inside:avoid}h2,h3{break-after:avoid}svg{max-width:100%;height:auto}pre{white-space:pre-wrap;font-size:9px}details::details-content{content-visibility:visible;block-size:auto}table{font-size:11px}th,td{padding:3px 8px 3px 4px}}
)";
  }

  std::string title_, subtitle_, body_;
  std::vector<std::string> headings_;
};

}  // namespace foal::report
