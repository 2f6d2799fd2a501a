// The Transformer in libtorch's eager mode, with norms before and heads side by side in one projection as its own layers
// have.
#include "sides.hpp"

#include <cmath>

// After foal's headers: libtorch defines macros.
#include <ATen/core/ivalue.h>  // first: the others use it before they include it

#include <torch/nn/functional/loss.h>
#include <torch/optim/sgd.h>
#include <torch/types.h>

namespace bench::versus {
namespace {

using parameters = std::vector<torch::Tensor>;

torch::Tensor ids(std::vector<std::int32_t> const& v, std::int64_t samples) {
  return torch::from_blob(const_cast<std::int32_t*>(v.data()), {samples, texts::longest}, torch::kInt32).to(torch::kInt64);
}

class eager_transformer final : public side {
 public:
  explicit eager_transformer(workload const& w)
      : minibatch_size_(w.minibatch),
        data_(w.minibatch),
        samples_(static_cast<std::int64_t>(texts::count) * w.minibatch),
        source_(ids(data_.source, samples_)),
        target_in_(ids(data_.target_in, samples_)),
        target_(ids(data_.target, samples_)) {
    for (step const& s : transformer_parameters()) {
      parameters layer;
      for (std::size_t i = 0; i < s.parameters.size(); ++i) {
        std::vector<std::int64_t> const sizes(s.extents[i].begin(), s.extents[i].end());
        torch::Tensor p = torch::from_blob(const_cast<float*>(s.parameters[i].data()), sizes).clone();
        if (s.name == "linear" && i == 0) p = p.t().contiguous();
        p.set_requires_grad(true);
        layer.push_back(p);
        all_.push_back(p);
      }
      layer_.push_back(layer);
    }
    optimizer_ = std::make_unique<torch::optim::SGD>(all_, torch::optim::SGDOptions(w.rate).momentum(momentum));
    // Keys beyond a source's length get -inf.
    hidden_ = torch::zeros({samples_, 1, 1, texts::longest});
    for (std::int64_t s = 0; s < samples_; ++s)
      hidden_[s][0][0].slice(0, data_.source_length[static_cast<std::size_t>(s)]).fill_(-INFINITY);
    later_ = torch::full({texts::longest, texts::longest}, -INFINITY).triu(1);
    position_ = torch::zeros({texts::longest, transformer_width});
    for (int p = 0; p < texts::longest; ++p)
      for (int i = 0; i < transformer_width; i += 2) {
        double const angle = p / std::pow(10000.0, static_cast<double>(i) / transformer_width);
        position_[p][i] = std::sin(angle);
        position_[p][i + 1] = std::cos(angle);
      }
  }

  std::vector<double> train(int minibatches) override {
    std::vector<double> losses;
    for (int k = 0; k < minibatches; ++k, ++minibatch_) {
      for (torch::Tensor& p : all_) p.mutable_grad().reset();
      std::int64_t const first = minibatch_ % texts::count * minibatch_size_;
      torch::Tensor const y = forward(first);
      torch::Tensor const loss = torch::nn::functional::cross_entropy(
          y.reshape({-1, texts::vocabulary}), target_.narrow(0, first, minibatch_size_).reshape({-1}));  // ignores -100
      loss.backward();
      losses.push_back(loss.item<double>());
      optimizer_->step();
    }
    return losses;
  }

 private:
  parameters const& next() { return layer_[at_++]; }
  torch::Tensor norm(torch::Tensor const& x) {
    parameters const& p = next();
    return torch::layer_norm(x, {transformer_width}, p[0], p[1], 1e-5);
  }
  torch::Tensor linear(torch::Tensor const& x) {
    parameters const& p = next();
    return torch::linear(x, p[0], p[1]);
  }
  torch::Tensor embed(torch::Tensor const& tokens) {
    return torch::embedding(next()[0], tokens) * std::sqrt(static_cast<double>(transformer_width)) + position_;
  }
  static torch::Tensor heads(torch::Tensor const& x) {  // [samples, positions, width] -> [samples, heads, positions, rest]
    return x.view({x.size(0), x.size(1), transformer_heads, transformer_width / transformer_heads}).transpose(1, 2);
  }
  torch::Tensor attend(torch::Tensor const& q, torch::Tensor const& k, torch::Tensor const& v, torch::Tensor const& mask) {
    double const scale = 1 / std::sqrt(static_cast<double>(transformer_width) / transformer_heads);
    torch::Tensor const scores = torch::matmul(heads(q) * scale, heads(k).transpose(-2, -1)) + mask;
    torch::Tensor const y = torch::matmul(torch::softmax(scores, -1), heads(v));
    return linear(y.transpose(1, 2).reshape({q.size(0), q.size(1), transformer_width}));
  }
  torch::Tensor self_attention(torch::Tensor const& x, torch::Tensor const& mask) {
    auto const parts = linear(norm(x)).chunk(3, -1);
    return x + attend(parts[0], parts[1], parts[2], mask);
  }
  torch::Tensor cross_attention(torch::Tensor const& x, torch::Tensor const& memory, torch::Tensor const& mask) {
    torch::Tensor const q = linear(norm(x));
    auto const parts = linear(memory).chunk(2, -1);
    return x + attend(q, parts[0], parts[1], mask);
  }
  torch::Tensor feed_forward(torch::Tensor const& x) {
    torch::Tensor const h = torch::relu(linear(norm(x)));
    return x + linear(h);
  }

  torch::Tensor forward(std::int64_t first) {
    at_ = 0;
    torch::Tensor const hidden = hidden_.narrow(0, first, minibatch_size_);
    torch::Tensor x = embed(source_.narrow(0, first, minibatch_size_));
    for (int i = 0; i < transformer_layers; ++i) x = feed_forward(self_attention(x, hidden));
    torch::Tensor const memory = norm(x);
    x = embed(target_in_.narrow(0, first, minibatch_size_));
    for (int i = 0; i < transformer_layers; ++i)
      x = feed_forward(cross_attention(self_attention(x, later_), memory, hidden));
    x = norm(x);
    return torch::linear(x, next()[0]);
  }

  int minibatch_size_;
  long long minibatch_ = 0;
  texts data_;
  std::int64_t samples_;
  torch::Tensor source_, target_in_, target_, hidden_, later_, position_;
  std::vector<parameters> layer_;
  std::size_t at_ = 0;
  parameters all_;
  std::unique_ptr<torch::optim::SGD> optimizer_;
};

}  // namespace

std::unique_ptr<side> make_eager_transformer(workload const& w) { return std::make_unique<eager_transformer>(w); }

}  // namespace bench::versus
