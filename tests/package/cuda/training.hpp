// What the program has of its training on a GPU: plain functions and types of foal's, which any compiler takes.
#pragma once

#include <foal/data/memory.hpp>
#include <foal/trainer/fit_report.hpp>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

using table = foal::data::memory<float, std::int32_t>;

/// Training with its GPU's facts.
struct training {
  std::string facts;
  foal::fit_report fitted;
};

/// Trains on this process's GPU, together with other processes where the program has joined them. Throws foal::error.
training train_on_gpu(table const& data, int epochs);

/// Exclusive or, trained; 0 if the loss falls to a tenth, 3 where there is no GPU, which it says.
inline int learn_on_gpu() {
  table const data(foal::features(2), {-1, -1, -1, 1, 1, -1, 1, 1}, {0, 1, 1, 0});
  try {
    training const done = train_on_gpu(data, 300);
    std::printf("%s\nloss %g, then %g\n", done.facts.c_str(), done.fitted.epoch_loss.front(), done.fitted.epoch_loss.back());
    return done.fitted.epoch_loss.back() < done.fitted.epoch_loss.front() / 10 ? 0 : 1;
  } catch (foal::error const& e) {
    std::printf("%s\n", e.what());
    return 3;
  }
}
