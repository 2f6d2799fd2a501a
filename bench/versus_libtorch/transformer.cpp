// A Transformer of 3 + 3 layers, d 256, vocabulary 8000, on batches of 16 pairs of texts: ragged, as foal trains it, and
// padded to the longest text, as libtorch does.
#include <foal/zoo/transformer.hpp>

#include "sides.hpp"
#include "trainers.hpp"

namespace bench::versus {
namespace {

struct net : foal::zoo::transformer<foal::zoo::transformer_size{.encoder_layers = transformer_layers,
                                                                .decoder_layers = transformer_layers,
                                                                .width = transformer_width,
                                                                .heads = transformer_heads,
                                                                .hidden = transformer_hidden,
                                                                .source_vocabulary = texts::vocabulary,
                                                                .target_vocabulary = texts::vocabulary,
                                                                .longest = texts::longest,
                                                                .dropout_percent = 0,
                                                                .where = foal::zoo::norm::before,
                                                                .stages = foal::zoo::cut::layers}> {};

template <class Trainer>
class training final : public side {
 public:
  training(workload const& w, int microbatch, int workers, bool ragged)
      : data_(w.minibatch), source_{data_, microbatch, ragged} {
    typename Trainer::config c{.microbatch_size = microbatch,
                               .microbatches = w.minibatch / microbatch,
                               .optim = {.momentum = momentum},
                               .lr = {.rate = w.rate},
                               .evaluation = false};
    if (workers > 1) c.workers = c.ranks = workers;
    trainer_ = std::make_unique<Trainer>(c);
  }
  std::vector<double> train(int minibatches) override {
    foal::executor::run_request request;
    request.minibatches = minibatches;
    request.every_loss = true;
    auto const result = trainer_->run(source_, request);
    std::vector<double> sum(static_cast<std::size_t>(minibatches), 0), weight = sum;
    std::size_t const n = result.losses.size() / sum.size();
    for (std::size_t i = 0; i < result.losses.size(); ++i) {
      sum[i / n] += result.losses[i].sum;
      weight[i / n] += result.losses[i].weight;
    }
    for (std::size_t k = 0; k < sum.size(); ++k) sum[k] /= weight[k];
    return sum;
  }

 private:
  texts data_;
  text_feed source_;
  std::unique_ptr<Trainer> trainer_;
};

constexpr int batch = 16;

/// The products alone, of a mean sample; the parameters go another way. A layer counts those of the longest texts.
template <bool Ragged>
network describe_transformer() {
  network n{1, 1, 1, 1, {}, 0, 0};
  texts const data(batch);
  double constexpr longest = texts::longest, samples = texts::count * batch;
  double one[3] = {}, pairs[3] = {}, across = 0;  // by axis: positions, and pairs of them, as a share of the longest texts'
  for (std::size_t s = 0; s < data.source_length.size(); ++s) {
    double const length[] = {0, Ragged ? data.source_length[s] / longest : 1, Ragged ? data.target_length[s] / longest : 1};
    for (int axis : {1, 2}) {
      one[axis] += length[axis] / samples;
      pairs[axis] += length[axis] * length[axis] / samples;
    }
    across += length[1] * length[2] / samples;
  }
  auto const& d = net::description;
  for (int i = 0; i < d.size; ++i) {
    if (d.row[i].kind != foal::detail::item_kind::layer) continue;
    std::string const name = d.row[i].info->name;
    auto const flops = static_cast<double>(d.row[i].flops);
    if (name == "linear" || name == "logits") n.product_flops += flops * one[d.row[i].in.axis];
    if (name == "attention") n.product_flops += flops * pairs[d.row[i].in.axis];
    if (name == "cross_attention") n.product_flops += flops * across;
  }
  return n;
}

template <bool Ragged>
std::unique_ptr<side> train_transformer(workload const& w, batches const&, int workers) {
  if (workers > 1) return std::make_unique<training<paired<net>>>(w, 8, workers, Ragged);
  return std::make_unique<training<alone<net>>>(w, w.microbatch, workers, Ragged);
}

}  // namespace

std::vector<step> transformer_parameters() {
  alone<net> const start({.microbatch_size = 1, .microbatches = 1, .evaluation = false});
  std::vector<step> all;
  auto const& stages = start.tables().stages;
  for (std::size_t s = 0; s < stages.size(); ++s)
    for (std::size_t p = 0; p < stages[s].parameters.size(); ++p) {
      auto const& row = stages[s].parameters[p];
      if (row.index == 0) all.emplace_back();
      all.back().name = stages[s].layers[static_cast<std::size_t>(row.layer)].name;
      all.back().parameters.push_back(start.weights(static_cast<int>(s), p));
      all.back().extents.emplace_back(row.what.extent.extent, row.what.extent.extent + row.what.extent.rank);
    }
  return all;
}

workload transformer() {
  return {"transformer batch 16",   batch, batch, 1.3, 0.55, 3, 2, 0.002, &describe_transformer<true>,
          &train_transformer<true>, true};
}

workload transformer_padded() {
  workload w = transformer();
  w.name += ", padded";
  w.wanted_ratio = w.wanted_fraction = 0;
  w.describe = &describe_transformer<false>;
  w.ours = &train_transformer<false>;
  return w;
}

}  // namespace bench::versus
