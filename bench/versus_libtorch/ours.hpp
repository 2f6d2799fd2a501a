// foal's side of the comparison: trainers of a network type, and the network as data for the other side.
#pragma once

#include <algorithm>

#include "sides.hpp"
#include "trainers.hpp"

namespace bench::versus {

/// The batches as foal asks for them: microbatch m in the run.
struct feed {
  batches const& data;
  int size;  // of a microbatch

  std::size_t first(long long m) const {
    return static_cast<std::size_t>(m * size % (static_cast<long long>(batches::count) * data.minibatch));
  }
  void inputs(long long m, float* x, float*) const {
    auto const n = static_cast<std::size_t>(data.sample);
    std::copy_n(data.x.data() + first(m) * n, static_cast<std::size_t>(size) * n, x);
  }
  void targets(long long m, std::int32_t* t) const {
    std::copy_n(data.y.data() + first(m), static_cast<std::size_t>(size), t);
  }
};

template <class Trainer>
class training final : public side {
 public:
  training(workload const& w, batches const& data, int workers)
      : minibatch_(w.minibatch), source_{data, w.microbatch}, trainer_(settings(w, workers)) {}

  Trainer const& trainer() const { return trainer_; }
  std::vector<double> train(int minibatches) override {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.every_loss = true;
    auto const result = trainer_.run(source_, request);
    std::vector<double> mean(static_cast<std::size_t>(minibatches), 0);
    std::size_t const n = result.losses.size() / mean.size();
    for (std::size_t i = 0; i < n * mean.size(); ++i) mean[i / n] += result.losses[i].sum / minibatch_;
    return mean;
  }

 private:
  static typename Trainer::config settings(workload const& w, int workers) {
    typename Trainer::config c{.microbatch_size = w.microbatch,
                               .microbatches = w.minibatch / w.microbatch,
                               .optim = {.momentum = momentum},
                               .lr = {.rate = w.rate},
                               .evaluation = false,
                               .record = w.record};
    if (workers > 1) {
      c.workers = workers;
      // Ranks take stages by their number, workers take ranks by their cost: few stages are balanced by workers alone.
      c.ranks = Trainer::stages < 8 ? Trainer::stages : workers;
      c.pin = true;
      c.microbatch_size = std::min(c.microbatch_size, 8);
      c.microbatches = w.minibatch / c.microbatch_size;
    }
    return c;
  }

  int minibatch_;
  feed source_;
  Trainer trainer_;
};

template <class Net, class... Policies>
std::unique_ptr<side> train_with_foal(workload const& w, batches const& data, int workers) {
  if (workers > 1) {
    workload cut = w;
    cut.microbatch = std::min(w.microbatch, 8);
    return std::make_unique<training<paired<Net, Policies...>>>(cut, data, workers);
  }
  return std::make_unique<training<alone<Net, Policies...>>>(w, data, workers);
}

/// The network, and the weights of a trainer of it, but for those that it has from elsewhere (tied ones).
template <class Net, class Trainer>
network describe_with(Trainer const& start) {
  auto const& d = Net::description;
  network n{d.input.channels(), d.input.height(), d.input.width(), d.output.channels(), {}, 0, 0};
  int stage = 0;
  std::size_t which = 0;
  for (int i = 0; i < d.size; ++i) {
    auto const& r = d.row[i];
    if (r.stage != stage) which = 0;
    stage = r.stage;
    step s;
    s.entry = r.entry;
    if (r.kind == foal::detail::item_kind::save || r.kind == foal::detail::item_kind::add) {
      s.what = r.kind == foal::detail::item_kind::save ? step::kind::save : step::kind::add;
      n.steps.push_back(s);
      continue;
    }
    if (r.kind != foal::detail::item_kind::layer) continue;
    s.name = r.info->name;
    auto const declared = r.info->parameters(r.in);
    for (int p = 0; p < declared.size && s.name != "logits"; ++p) {
      foal::shape const e = declared[p].extent;
      s.parameters.push_back(start.weights(stage, which++));
      s.extents.emplace_back(e.extent, e.extent + e.rank);
    }
    if (s.name == "conv") {
      s.kernel = s.extents[0][0];
      s.stride = (r.in.height() + r.out.height() - 1) / r.out.height();
      s.padding = (s.kernel - 1) / 2;
    }
    if (s.name == "conv" || s.name == "linear") {
      if (n.product_flops == 0) n.first_product_flops = static_cast<double>(r.flops);
      n.product_flops += static_cast<double>(r.flops);
    }
    n.steps.push_back(std::move(s));
  }
  return n;
}

/// The network and the weights that every trainer of it starts with.
template <class Net>
network describe() {
  return describe_with<Net>(alone<Net>({.microbatch_size = 1, .microbatches = 1, .evaluation = false}));
}

}  // namespace bench::versus
