// The picture of the README: GPipe, 1F1B and PipeMare one above the other on the same scale.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>

#include <foal/core/atomic_file.hpp>
#include <foal/schedule/cost/analysis.hpp>
#include <foal/schedule/draw/svg.hpp>
#include <foal/schedule/generate.hpp>
#include <foal/schedule/rules/gpipe.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/schedule/rules/pipemare.hpp>

namespace schedules {

namespace schedule = foal::schedule;

/// Appends a picture of two minibatches below what is drawn already.
template <class Schedule>
void draw(std::string const& title, std::string& pictures, int& width, int& height) {
  schedule::program p = schedule::generate(Schedule{}, {.stages = 4, .ranks = 4, .microbatches = 8});
  std::string picture = schedule::svg(p.view(), 2, title);
  auto const number = [&](char const* key) {
    return std::stoi(picture.substr(picture.find(key) + std::string(key).size()));
  };
  width = std::max(width, number(" width=\""));
  int const y = height;
  height += number(" height=\"");
  pictures += picture.insert(4, " y=\"" + std::to_string(y) + "\"");
  schedule::stage_facts const first = schedule::analyse(p.view()).stage[0];
  std::printf("%-12s stage 0 saves at most %d microbatches; its gradients are %d late\n", Schedule::name, first.saved_peak,
              first.delay);
}

/// Writes schedules.svg.
inline void draw_overview() {
  std::string pictures;
  int width = 0, height = 0;
  draw<schedule::gpipe>("GPipe: all forwards, then all backwards; every update waits for the pipeline to drain", pictures,
                        width, height);
  draw<schedule::one_f_one_b>("1F1B (PipeDream-flush): as many bubbles, fewer saved activations", pictures, width, height);
  draw<schedule::pipemare>(
      "PipeMare: no bubbles, one copy of the weights, forward and backward side by side; gradients are late", pictures,
      width, height);
  std::string const size = std::to_string(width) + " " + std::to_string(height);
  foal::write_file("schedules.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"schedule\" viewBox=\"0 0 " + size +
                                        "\">\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n" + pictures +
                                        "</svg>\n");
}

}  // namespace schedules
