// Pictures in time: every op once, every idle slot with its reason, on any page.
#include <foal/schedule/draw/timed.hpp>

#include <catch2/catch.hpp>

#include <foal/schedule/csv.hpp>
#include <foal/schedule/draw/page.hpp>
#include <foal/schedule/rules/async_1f1b.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>
#include <foal/schedule/rules/recompute.hpp>

#include "tests/report/markup.hpp"
#include "tests/support/schedules.hpp"
#include "tests/support/torch_lists.hpp"

using namespace foal::schedule;

namespace {

std::size_t times(std::string const& in, std::string const& what) {
  std::size_t n = 0;
  for (std::size_t at = in.find(what); at != std::string::npos; at = in.find(what, at + 1)) ++n;
  return n;
}

/// Every op of the replay has a cell, and says when it runs; every gap has one that says why.
void shows_all(program p, int minibatches, costs const& cost, timed_style const& style = {}) {
  program_view const v = p.view();
  timing const t = replay(v, cost, minibatches);
  std::string const s = timed_svg(v, t, "all", style);
  auto const d = markup::parse(s);
  INFO(d.problem);
  CHECK(d.well_formed);
  CHECK(markup::characters(s) == "");
  std::size_t ops = 0;
  for (auto const& events : t.events)
    for (event const& e : events) {
      ++ops;
      if (times(s, "<title>" + text(e.what, e.rank) + ": ") != 1) FAIL(text(e.what, e.rank) << " is not shown once");
    }
  CHECK(times(s, "<rect class=\"op ") == ops);
  CHECK(times(s, "<rect class=\"idle\"") == t.gaps.size() + (style.frame ? 1 : 0));
  for (gap const& g : t.gaps)
    if (times(s, ": " + foal::report::xml_escaped(text(g)) + "<") < 1) FAIL(text(g) << " is not shown");
}

}  // namespace

TEST_CASE("a picture in time shows every op once, and why ranks are idle", "[schedule]") {
  costs const one{.side_by_side = false};
  shows_all(generate(gpipe{}, {4, 4, 8}), 1, one);
  shows_all(generate(one_f_one_b{}, {16, 16, 64}), 1, one);
  shows_all(generate(pipemare{}, {4, 4, 4}), 3, {.backward = 0.5, .weight = 0.5, .message = 0.25});
  shows_all(generate(recomputed<pipemare>{}, {4, 4, 2}), 3, {});
  shows_all(generate(recomputed<gpipe>{}, {4, 4, 4}), 2, {.forward = 0, .backward = 2, .update = 1});
  shows_all(generate(foal::test::two_way{}, foal::test::both_ways(4, 4)), 2, {.sum = 0.5});
  shows_all(generate(foal::test::in_segments{}, {.stages = 3, .ranks = 3, .microbatches = 2, .segments = 2}), 1, one);
  shows_all(from_csv(foal::test::torch_dual_pipe_v), 1, one);
  shows_all(from_csv(foal::test::torch_zb1p), 1, one, {.width = 300, .frame = false});
  shows_all(generate(gpipe{}, {1, 1, 1}), 1, {.forward = 0, .backward = 0, .weight = 0});
}

TEST_CASE("numbers stand where there is room, chunks have their shade, names can stand apart", "[schedule]") {
  program p = from_csv(foal::test::torch_dual_pipe_v);
  timing const t = replay(p.view());
  std::string const s = timed_svg(p.view(), t, "S < 5 & more");
  CHECK(times(s, "class=\"c tF0\"") == 40);
  CHECK(times(s, "class=\"c tF1\"") == 40);
  CHECK(times(s, "S &lt; 5 &amp; more") == 2);
  CHECK(times(s, "holds 9</text>") == 4);
  CHECK(times(s, "from light to dark") == 1);
  CHECK(times(s, "prefers-color-scheme:dark") == 1);
  CHECK(times(s, "fill=\"#") == 0);  // colours are rules, which the dark ones replace
  CHECK(times(timed_svg(p.view(), t, "", {.width = 200}), "class=\"c tF") == 0);
  std::string const names = timed_svg(p.view(), t, "", {.frame = false, .ops = false});
  CHECK(times(names, ">rank 3</text>") == 1);
  CHECK(times(names, "class=\"op ") == 0);
  std::string const ops = timed_svg(p.view(), t, "", {.frame = false, .names = false});
  CHECK(times(ops, ">rank 3</text>") == 0);
  CHECK(times(ops, "class=\"op ") == times(s, "class=\"op "));
}

TEST_CASE("versions are those that ops read, and the newest of a rank below it", "[schedule]") {
  program p = generate(async_1f1b{}, {3, 3, 1});
  version_reads const reads = reads_of(own_versions{}, versions(p.view()));
  timing const t = replay(p.view(), {.side_by_side = false}, 6);
  std::string const s = timed_svg(p.view(), t, "", {.reads = &reads});
  CHECK(times(s, "F(stage 0, microbatch 4) on rank 0: 12 to 13, weights of version 2<") == 1);
  CHECK(times(s, "BW(stage 0, microbatch 4) on rank 0: 19 to 21, weights of version 4<") == 1);
  CHECK(times(s, "the newest weights of stage 0 are of version 2<") == 1);
  CHECK(times(s, ">v2</text>") == 3);
  program q = generate(one_f_one_b{}, {3, 3, 4});
  CHECK(times(timed_svg(q.view(), replay(q.view()), ""), "the newest weights") == 0);
}

TEST_CASE("without tips ops of a kind are one path, numbers and reasons stay, updates lie above what they end",
          "[schedule]") {
  program p = from_csv(foal::test::torch_zb1p);
  timing const t = replay(p.view(), {.side_by_side = false});
  std::string const all = timed_svg(p.view(), t, ""), s = timed_svg(p.view(), t, "", {.tips = false});
  CHECK(markup::parse(s).well_formed);
  CHECK(times(s, "<rect class=\"op ") == 0);
  CHECK(times(s, "<rect class=\"idle\"") == times(all, "<rect class=\"idle\""));
  CHECK(times(s, "class=\"c t") == times(all, "class=\"c t"));
  CHECK(times(s, "v18h-") == times(all, "<rect class=\"op "));
  CHECK(s.find("class=\"op U0\"") > s.find("class=\"op W1\""));
}

TEST_CASE("any title makes a well-formed picture, too many ops are refused", "[schedule]") {
  program p = generate(gpipe{}, {2, 2, 2});
  std::string const title = "a\x1b[31m\xff\xEF\xBF\xBF</title><script>&";
  std::string const s = timed_svg(p.view(), replay(p.view()), title);
  CHECK(markup::parse(s).well_formed);
  CHECK(markup::parse(s).count("script") == 0);
  program big = generate(gpipe{}, {8, 8, 64});
  timing t = replay(big.view(), {}, 1);
  std::vector<event> const some = t.events[0];
  while (t.events[0].size() <= 1 << 18) t.events[0].insert(t.events[0].end(), some.begin(), some.end());
  CHECK_THROWS_WITH(timed_svg(big.view(), t, ""), Catch::Contains("draw fewer minibatches"));
}

TEST_CASE("a page has all of a long schedule and its numbers in a box that scrolls", "[schedule]") {
  auto const page_of = [](extent e) {
    program p = generate(one_f_one_b{}, e);
    foal::report::html_page page("1F1B");
    add_timed(page, p.view(), replay(p.view()));
    return page.text();
  };
  std::string const small = page_of({4, 4, 8}), large = page_of({16, 16, 64});
  CHECK(markup::parse(small).well_formed);
  CHECK(markup::parse(large).well_formed);
  CHECK(times(small, "All of it.") == 0);
  CHECK(times(large, "All of it.") == 1);
  CHECK(times(large, "position:sticky") == 1);
  CHECK(times(small, "class=\"op F0\"") == 32);
  CHECK(times(large, "class=\"op F0\"") == 2 * 16 * 64);
  CHECK(times(large, "BW backward</span>") == 1);
}

TEST_CASE("the axis is read whatever an op takes", "[schedule]") {
  program p = generate(one_f_one_b{}, {4, 4, 8});
  for (double const unit : {1e-6, 0.001, 0.0025, 0.04, 0.3, 1.0, 7.0, 12.5, 1000.0, 2e6})
    for (double const width : {0.0, 300.0}) {
      timing const t = replay(p.view(), {.forward = unit, .backward = unit, .weight = unit, .message = unit / 2});
      std::string const s = timed_svg(p.view(), t, "", {.width = width});
      std::vector<double> x, at;
      std::vector<std::string> labels;
      for (std::size_t i = s.find("<line class=\"tick\" x1=\""); i != std::string::npos;
           i = s.find("<line class=\"tick\" x1=\"", i + 1)) {
        x.push_back(std::stod(s.substr(i + 23)));
        std::size_t const text = s.find('>', s.find("<text", i)) + 1;
        labels.push_back(s.substr(text, s.find('<', text) - text));
        at.push_back(std::stod(labels.back()));
      }
      INFO("an op of " << unit << ", width " << width << ", " << x.size() << " ticks, the last " << labels.back());
      REQUIRE(x.size() > (width > 0 ? 3U : 5U));
      CHECK(at[0] == 0);
      double const scale = (x.back() - x[0]) / at.back();
      CHECK(scale * t.makespan <= (width > 0 ? width + 0.1 : 1e5));
      for (std::size_t i = 1; i < x.size(); ++i) {
        CHECK(at[i] > at[i - 1]);
        CHECK(x[i] - x[0] == Approx(at[i] * scale).margin(0.02));  // the label is where it says
        CHECK(x[i] - x[i - 1] > 5 * static_cast<double>(labels[i].size()));
      }
      CHECK(times(s, "F(stage 0, microbatch 1) on rank 0: " + foal::report::trimmed(unit, 9) + " to " +
                         foal::report::trimmed(2 * unit, 9) + "<") == 1);
    }
}

TEST_CASE("of very many ops a picture has the colours alone", "[schedule]") {
  program p = generate(one_f_one_b{}, {64, 64, 160});
  timing const t = replay(p.view());
  std::string const s = timed_svg(p.view(), t, "many", {.width = 1000});
  CHECK(markup::parse(s).well_formed);
  CHECK(times(s, "<rect class=\"op ") == 0);
  std::size_t cells = 0;
  for (std::size_t at = s.find("<path class=\"op "); at != std::string::npos; at = s.find("<path class=\"op ", at + 1))
    cells += times(s.substr(at, s.find("/>", at) - at), "z");
  CHECK(cells == p.view().ops.size());
  foal::report::html_page page("many");
  add_timed(page, p.view(), t);
  CHECK(times(page.text(), "All of it.") == 1);
  CHECK(page.text().size() < 2'500'000);
}

TEST_CASE("ink is read on every shade", "[schedule]") {
  for (op_paint const& p : op_paints)
    for (int c = 0; c < 4; ++c) {
      auto const colour = detail::shade(p, c, 4);
      int const light = (299 * colour[0] + 587 * colour[1] + 114 * colour[2]) / 1000;
      CHECK(std::abs(light - (std::string(detail::ink_on(colour)) == "#000" ? 0 : 255)) > 100);
    }
  CHECK(detail::css(detail::shade(op_paints[0], 0, 2)) == op_paints[0].first);
  CHECK(detail::css(detail::shade(op_paints[0], 1, 2)) == op_paints[0].last);
}
