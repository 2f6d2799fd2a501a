// libtorch's side of the comparison: the network run step by step in its eager mode.
#include "sides.hpp"

#include <foal/core/error.hpp>

// After foal's headers: libtorch defines macros.
#include <ATen/core/ivalue.h>  // first: the others use it before they include it

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/nn/functional/loss.h>
#include <torch/optim/sgd.h>
#include <torch/types.h>
#include <torch/version.h>

namespace bench::versus {
namespace {

/// A step with its parameters as libtorch wants them.
struct eager_step {
  step what;
  std::vector<torch::Tensor> parameters, buffers;
};

torch::Tensor tensor_of(std::vector<float> const& v, std::vector<int> const& extents) {
  std::vector<std::int64_t> const sizes(extents.begin(), extents.end());
  return torch::from_blob(const_cast<float*>(v.data()), sizes).clone();
}

class eager final : public side {
 public:
  eager(network const& net, batches const& data, double rate, int microbatch, bool channels_last)
      : size_(microbatch), minibatch_size_(data.minibatch) {
    auto const format = channels_last ? torch::MemoryFormat::ChannelsLast : torch::MemoryFormat::Contiguous;
    std::int64_t const samples = static_cast<std::int64_t>(batches::count) * data.minibatch;
    float* const x = const_cast<float*>(data.x.data());
    bool const image = net.height * net.width > 1;
    x_ = image ? torch::from_blob(x, {samples, net.height, net.width, net.channels}).permute({0, 3, 1, 2}).clone(format)
               : torch::from_blob(x, {samples, net.channels}).clone();
    y_ = torch::from_blob(const_cast<std::int32_t*>(data.y.data()), {samples}, torch::kInt32).to(torch::kInt64);
    for (step const& s : net.steps) {
      eager_step e;
      e.what = s;
      e.what.parameters.clear();
      for (std::size_t i = 0; i < s.parameters.size(); ++i) {
        torch::Tensor p = tensor_of(s.parameters[i], s.extents[i]);
        if (s.name == "linear" && i == 0) p = p.t().contiguous();
        if (s.name == "conv" && i == 0) p = p.permute({3, 2, 0, 1}).contiguous(format);
        p.set_requires_grad(true);
        e.parameters.push_back(p);
        all_.push_back(p);
      }
      if (s.name == "batch_norm") e.buffers = {torch::zeros({s.extents[0][0]}), torch::ones({s.extents[0][0]})};
      steps_.push_back(std::move(e));
    }
    optimizer_ = std::make_unique<torch::optim::SGD>(all_, torch::optim::SGDOptions(rate).momentum(momentum));
  }

  std::vector<double> train(int minibatches) override {
    int const n = minibatch_size_ / size_;
    std::vector<double> losses;
    for (int k = 0; k < minibatches; ++k, ++minibatch_) {
      for (torch::Tensor& p : all_) p.mutable_grad().reset();  // so the first microbatch need not add
      double sum = 0;
      for (int j = 0; j < n; ++j) {
        long long const first = minibatch_ % batches::count * minibatch_size_ + j * size_;
        torch::Tensor const y = forward(x_.narrow(0, first, size_));
        torch::Tensor const loss = torch::nn::functional::cross_entropy(y, y_.narrow(0, first, size_)) / n;
        loss.backward();
        sum += loss.item<double>();
      }
      optimizer_->step();
      losses.push_back(sum);
    }
    return losses;
  }

 private:
  torch::Tensor forward(torch::Tensor const& x) {
    torch::Tensor entry[8] = {x};
    for (eager_step& s : steps_) {
      torch::Tensor& at = entry[s.what.entry];
      if (s.what.what == step::kind::save) {
        at = entry[0];
      } else if (s.what.what == step::kind::add) {
        entry[0] = entry[0] + at;
        at.reset();
      } else {
        at = apply(s, at);
      }
    }
    return entry[0];
  }

  static torch::Tensor apply(eager_step& s, torch::Tensor const& x) {
    std::string const& name = s.what.name;
    auto const& p = s.parameters;
    if (name == "linear") return torch::linear(x, p[0], p[1]);
    if (name == "relu") return torch::relu(x);
    if (name == "conv") return torch::conv2d(x, p[0], p.size() > 1 ? p[1] : torch::Tensor(), s.what.stride, s.what.padding);
    if (name == "batch_norm") return torch::batch_norm(x, p[0], p[1], s.buffers[0], s.buffers[1], true, 0.1, 1e-5, false);
    if (name == "global_avg_pool") return x.mean({2, 3});
    if (name == "flatten") return x.flatten(1);
    throw foal::error(foal::sentence("cannot compare a network with the layer ", name,
                                     ", because libtorch's side does not know it; add it to eager::apply"));
  }

  int size_, minibatch_size_;
  long long minibatch_ = 0;
  torch::Tensor x_, y_;
  std::vector<eager_step> steps_;
  std::vector<torch::Tensor> all_;
  std::unique_ptr<torch::optim::SGD> optimizer_;
};

}  // namespace

std::unique_ptr<side> make_eager(network const& net, batches const& data, double rate, int microbatch, bool channels_last) {
  return std::make_unique<eager>(net, data, rate, microbatch, channels_last);
}

void set_eager_threads(int threads) {
  at::set_num_threads(threads);
  at::globalContext().setFlushDenormal(true);
}

std::string eager_version() {
  std::string const all = at::show_config();
  std::string lines = std::string("libtorch ") + TORCH_VERSION;
  for (std::string const key : {"Intel(R) MKL-DNN", "CPU capability usage"}) {
    auto const at = all.find(key);
    if (at != std::string::npos) lines += ", " + all.substr(at, all.find('\n', at) - at);
  }
  return lines + (at::globalContext().userEnabledMkldnn() ? ", MKL-DNN on" : ", MKL-DNN off");
}

}  // namespace bench::versus
