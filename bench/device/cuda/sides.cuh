// foal's side of the comparison with PyTorch on a GPU: images and texts, in float, TF32 or bfloat16.
#pragma once

#include <foal/device/cuda_bf16.cuh>
#include <foal/layer/loss/cross_entropy.hpp>
#include <foal/policy/optim/momentum.hpp>
#include <foal/schedule/rules/one_f_one_b.hpp>
#include <foal/trainer.hpp>
#include <foal/zoo/gpt.hpp>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "../../support/turns.hpp"
#include "../../versus_libtorch/ours.hpp"
#include "../../versus_pytorch/files.hpp"
#include "measure.cuh"

namespace bench::on_cuda {

/// 1F1B with a flush: the sums of a plain loop, and microbatches side by side where there are several.
template <class Net, class Device>
using versus_trainer = foal::trainer<Net, foal::loss::cross_entropy, foal::schedule::one_f_one_b, foal::optim::momentum,
                                     foal::on<Device>, foal::executor::single_thread>;

/// What it trains: minibatches of so many samples, in microbatches.
struct versus_plan {
  int minibatch = 8, microbatch = 8;
  double rate = 1e-4;
  std::string folder{};  ///< where the other side's files go
  foal::recording record = foal::recording::never;

  versus::workload workload() const {
    versus::workload w;
    w.minibatch = minibatch, w.microbatch = microbatch, w.rate = rate;
    w.compared = w.timed = 2;
    w.record = record;
    return w;
  }
};

template <class Net, class Device>
class image_side final : public versus::side {
 public:
  explicit image_side(versus_plan const& p)
      : data_(p.minibatch, Net::description.input.size(), Net::description.output.channels()),
        training_(p.workload(), data_, 1) {
    auto const net = versus::describe_with<Net>(training_.trainer());
    versus::write(versus::folder(p.folder), p.workload(), net, data_);
  }
  std::vector<double> train(int minibatches) override { return training_.train(minibatches); }

 private:
  versus::batches data_;
  versus::training<versus_trainer<Net, Device>> training_;
};

/// Windows of random tokens, as many minibatches as versus::batches has, again and again.
struct token_windows {
  int longest, vocabulary, microbatch;
  std::vector<std::int32_t> source, target;

  token_windows(versus_plan const& p, int longest_window, int words)
      : longest(longest_window), vocabulary(words), microbatch(p.microbatch) {
    auto const n = static_cast<std::size_t>(versus::batches::count * p.minibatch * longest);
    for (std::size_t i = 0; i <= n; ++i) {
      auto const word = foal::random_word({4, foal::purpose::user, 0, 0}, static_cast<std::uint32_t>(i));
      auto const token = static_cast<std::int32_t>(word % static_cast<std::uint32_t>(words));
      if (i < n) source.push_back(token);
      if (i > 0) target.push_back(token);
    }
  }
  std::size_t first(long long m) const { return static_cast<std::size_t>(m * microbatch * longest) % source.size(); }
  foal::lengths_of_axes lengths(long long) const { return {{longest}}; }
  void inputs(long long m, int, float* x) const { std::copy_n(source.data() + first(m), microbatch * longest, x); }
  void targets(long long m, std::int32_t* t) const { std::copy_n(target.data() + first(m), microbatch * longest, t); }
};

template <class Net, class Device>
class text_side final : public versus::side {
  using run = versus_trainer<Net, Device>;

 public:
  explicit text_side(versus_plan const& p)
      : minibatch_(p.minibatch),
        data_(p, Net::size.longest, Net::size.vocabulary),
        run_({.microbatch_size = p.microbatch,
              .microbatches = p.minibatch / p.microbatch,
              .optim = {.momentum = versus::momentum},
              .lr = {.rate = p.rate},
              .evaluation = false,
              .record = p.record}) {
    versus::folder const to(p.folder);
    auto const net = versus::describe_with<Net>(run_);
    versus::write_steps(to, net.steps);
    to.write("source", data_.source);
    to.write("target", data_.target);
    to.write("numbers", std::string_view(foal::sentence(versus::numbers_of(p.workload(), net), " gpt 1 longest ",
                                                        data_.longest, " vocabulary ", data_.vocabulary, " width ",
                                                        Net::size.width, " heads ", Net::size.heads)));
  }
  std::vector<double> train(int minibatches) override {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.every_loss = true;
    auto const result = run_.run(data_, request);
    std::vector<double> mean(static_cast<std::size_t>(minibatches), 0);
    std::size_t const n = result.losses.size() / mean.size();
    for (std::size_t i = 0; i < n * mean.size(); ++i) mean[i / n] += result.losses[i].sum / (minibatch_ * data_.longest);
    return mean;
  }

 private:
  int minibatch_;
  token_windows data_;
  run run_;
};

/// The side that a command line asks for: images or texts, MINIBATCH MICROBATCH, float32, tf32, or bf16 of texts, FOLDER.
/// Rounded, Narrow: the devices of tf32 and bf16.
template <class Images, class Texts, class Rounded = foal::device::cuda_tf32, class Narrow = foal::device::cuda_bf16>
std::unique_ptr<versus::side> side_of(std::vector<std::string> const& words) {
  foal::require(words.size() == 5, "cannot start with ", words.size(),
                " arguments; give images or texts, samples of a minibatch and of a microbatch, float32, tf32 or bf16, and a "
                "folder");
  int const minibatch = std::atoi(words[1].c_str()), microbatch = std::atoi(words[2].c_str());
  foal::require(microbatch > 0 && minibatch > 0 && minibatch % microbatch == 0, "cannot cut minibatches of ", words[1],
                " samples into microbatches of ", words[2], "; give two numbers of which one divides the other");
  versus_plan const p{.minibatch = minibatch, .microbatch = microbatch, .folder = words[4], .record = wanted_recording()};
  std::string const what = words[0] + " " + words[3];
  using foal::device::cuda;
  if (what == "images float32") return std::make_unique<image_side<Images, cuda>>(p);
  if (what == "images tf32") return std::make_unique<image_side<Images, Rounded>>(p);
  if (what == "texts float32") return std::make_unique<text_side<Texts, cuda>>(p);
  if (what == "texts tf32") return std::make_unique<text_side<Texts, Rounded>>(p);
  foal::require(what == "texts bf16", "cannot train ", what,
                "; give images or texts, and float32 or tf32, or texts and bf16");
  return std::make_unique<text_side<Texts, Narrow>>(p);
}

}  // namespace bench::on_cuda
