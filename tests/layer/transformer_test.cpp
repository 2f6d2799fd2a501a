// One encoder and one decoder layer, put together by hand, against what PyTorch makes of the same weights and inputs.
#include <foal/transformer.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <foal/layer/linear.hpp>
#include <foal/layer/relu.hpp>

#include "../support/layer_check.hpp"
#include "transformer_reference.hpp"

using namespace foal;
using namespace foal::test;

namespace {

constexpr int width = 8, heads = 2, hidden = 16, samples = 2;
constexpr int source_positions = 5, target_positions = 4;
constexpr shape source = sequence(width, source_positions, 1), target = sequence(width, target_positions, 2);

struct source_lengths {};
struct target_lengths {};
struct encoded {};

/// The inputs and weights of tests/support/torch_reference.py.
template <class S>
std::vector<S> numbers(std::size_t n, int stream) {
  std::vector<S> out(n);
  for (std::size_t i = 0; i < n; ++i) {
    auto const k = (i * i * 31 + i * 17 + static_cast<std::size_t>(stream) * 53) % 101;
    out[i] = static_cast<S>(static_cast<double>(k) / 101 - 0.5);
  }
  return out;
}

/// a + b.
template <class S>
std::vector<S> sum(std::vector<S> a, std::vector<S> const& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// A weight [rows, cols] as [cols, rows]: PyTorch's linear layers are the transposed of foal's.
template <class S>
std::vector<S> transposed(std::vector<S> const& w, std::size_t rows, std::size_t cols) {
  std::vector<S> out(w.size());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < cols; ++c) out[c * rows + r] = w[r * cols + c];
  }
  return out;
}

/// A layer as a function of its input and of its output's gradient.
template <class Layer, class S>
struct step : layer_run<Layer, S> {
  using base = layer_run<Layer, S>;
  explicit step(shape in) : base(in, samples, 1) {}

  void set(std::size_t i, std::vector<S> values) {
    REQUIRE(values.size() == this->parameters[i].size());
    std::copy(values.begin(), values.end(), this->parameters[i].begin());
  }
  std::vector<S> const& forward(std::vector<S> const& in) {
    REQUIRE(in.size() == this->x.size());
    std::copy(in.begin(), in.end(), this->x.begin());
    base::forward();
    return this->y;
  }
  std::vector<S> const& backward(std::vector<S> const& change) {
    REQUIRE(change.size() == this->dy.size());
    std::copy(change.begin(), change.end(), this->dy.begin());
    this->backward_input();
    this->backward_weight();
    return this->dx;
  }
};

/// The largest relative error of what was compared.
struct judge {
  double worst = 0;
  template <class S, std::size_t N>
  void operator()(std::vector<S> const& got, double const (&wanted)[N]) {
    worst = std::max(worst, relative_error(got, std::vector<double>(wanted, wanted + N)));
  }
};

template <int Out, class S>
struct projection : step<linear<Out>, S> {
  /// weight of PyTorch from `first` on among the numbers of its stream: rows of a packed projection.
  projection(shape in, int stream, std::size_t first = 0, std::size_t packed = Out) : step<linear<Out>, S>(in) {
    auto const inputs = static_cast<std::size_t>(in.channels());
    auto const w = numbers<S>(packed * inputs, stream), b = numbers<S>(packed, stream + 1);
    auto const from = static_cast<std::ptrdiff_t>(first * inputs);
    this->set(0, transposed(std::vector<S>(w.begin() + from, w.begin() + from + Out * in.channels()), Out, inputs));
    auto const start = b.begin() + static_cast<std::ptrdiff_t>(first);
    this->set(1, std::vector<S>(start, start + Out));
  }
  std::vector<S> weight_gradient() const {
    return transposed(this->gradients[0], static_cast<std::size_t>(this->in.channels()), Out);
  }
};

template <class S>
struct norm : step<layer_norm, S> {
  norm(shape in, int stream) : step<layer_norm, S>(in) {
    auto gamma = numbers<S>(width, stream);
    for (S& g : gamma) g += 1;
    this->set(0, gamma);
    this->set(1, numbers<S>(width, stream + 1));
  }
};

/// x + linear(relu(linear(norm(x)))).
template <class S>
struct feed_forward {
  norm<S> before;
  projection<hidden, S> up;
  step<relu, S> rectify;
  projection<width, S> down;

  feed_forward(shape in, int norm_stream, int stream)
      : before(in, norm_stream),
        up(in, stream),
        rectify(with_channels(in, hidden)),
        down(with_channels(in, hidden), stream + 2) {}
  std::vector<S> forward(std::vector<S> const& x) {
    return sum(x, down.forward(rectify.forward(up.forward(before.forward(x)))));
  }
  std::vector<S> backward(std::vector<S> const& dy) {
    return sum(dy, before.backward(up.backward(rectify.backward(down.backward(dy)))));
  }
};

/// x + linear(attention(linear(norm(x)))).
template <class S, mask Mask, class Lengths>
struct self_block {
  norm<S> before;
  projection<3 * width, S> in;
  step<attention<heads, Mask, Lengths>, S> core;
  projection<width, S> out;

  self_block(shape s, int norm_stream, int stream, std::vector<S> const& lengths)
      : before(s, norm_stream), in(s, stream), core(with_channels(s, 3 * width)), out(s, stream + 2) {
    core.read_also(features(1), lengths);
  }
  std::vector<S> forward(std::vector<S> const& x) {
    return sum(x, out.forward(core.forward(in.forward(before.forward(x)))));
  }
  std::vector<S> backward(std::vector<S> const& dy) {
    return sum(dy, before.backward(in.backward(core.backward(out.backward(dy)))));
  }
};

/// x + linear(attention of norm(x) to a memory).
template <class S>
struct cross_block {
  norm<S> before;
  projection<width, S> query;
  projection<2 * width, S> memory;
  step<cross_attention<heads, encoded, source_lengths>, S> core;
  projection<width, S> out;

  cross_block(int norm_stream, int stream, std::vector<S> const& lengths)
      : before(target, norm_stream),
        query(target, stream, 0, 3 * width),
        memory(source, stream, width, 3 * width),
        core(target),
        out(target, stream + 2) {
    core.read_also(with_channels(source, 2 * width), std::vector<S>(memory.y.size()));
    core.read_also(features(1), lengths);
  }
  std::vector<S> forward(std::vector<S> const& x, std::vector<S> const& encoded_source) {
    auto const& kv = memory.forward(encoded_source);
    std::copy(kv.begin(), kv.end(), core.reads[0].begin());
    return sum(x, out.forward(core.forward(query.forward(before.forward(x)))));
  }
  std::vector<S> backward(std::vector<S> const& dy, std::vector<S>& dencoded) {
    auto const dx = sum(dy, before.backward(query.backward(core.backward(out.backward(dy)))));
    dencoded = memory.backward(core.read_gradients[0]);
    return dx;
  }
  /// Of the packed projection: the rows of q, then those of k and v.
  std::vector<S> gradient(std::vector<S> q, std::vector<S> const& kv) const {
    q.insert(q.end(), kv.begin(), kv.end());
    return q;
  }
};

template <class S>
double worst_error() {
  std::vector<S> const source_length{5, 3}, target_length{4, 2};
  self_block<S, mask::none, source_lengths> encoder_self(source, 18, 10, source_length);
  feed_forward<S> encoder_forward(source, 20, 14);
  self_block<S, mask::causal, target_lengths> decoder_self(target, 34, 22, target_length);
  cross_block<S> decoder_cross(36, 26, source_length);
  feed_forward<S> decoder_forward(target, 38, 30);

  auto const memory = encoder_forward.forward(encoder_self.forward(numbers<S>(samples * source_positions * width, 1)));
  auto const middle = decoder_self.forward(numbers<S>(samples * target_positions * width, 2));
  auto const y = decoder_forward.forward(decoder_cross.forward(middle, memory));
  std::vector<S> dmemory;
  auto const dy = numbers<S>(samples * target_positions * width, 3);
  auto const dt = decoder_self.backward(decoder_cross.backward(decoder_forward.backward(dy), dmemory));
  auto const dx = encoder_self.backward(encoder_forward.backward(dmemory));

  judge compare;
  compare(memory, reference::memory);
  compare(y, reference::y);
  compare(dx, reference::dx);
  compare(dt, reference::dt);

  compare(encoder_self.before.gradients[0], reference::encoder_norm1_weight);
  compare(encoder_self.before.gradients[1], reference::encoder_norm1_bias);
  compare(encoder_self.in.weight_gradient(), reference::encoder_self_attn_in_proj_weight);
  compare(encoder_self.in.gradients[1], reference::encoder_self_attn_in_proj_bias);
  compare(encoder_self.out.weight_gradient(), reference::encoder_self_attn_out_proj_weight);
  compare(encoder_self.out.gradients[1], reference::encoder_self_attn_out_proj_bias);
  compare(encoder_forward.before.gradients[0], reference::encoder_norm2_weight);
  compare(encoder_forward.before.gradients[1], reference::encoder_norm2_bias);
  compare(encoder_forward.up.weight_gradient(), reference::encoder_linear1_weight);
  compare(encoder_forward.up.gradients[1], reference::encoder_linear1_bias);
  compare(encoder_forward.down.weight_gradient(), reference::encoder_linear2_weight);
  compare(encoder_forward.down.gradients[1], reference::encoder_linear2_bias);

  compare(decoder_self.before.gradients[0], reference::decoder_norm1_weight);
  compare(decoder_self.before.gradients[1], reference::decoder_norm1_bias);
  compare(decoder_self.in.weight_gradient(), reference::decoder_self_attn_in_proj_weight);
  compare(decoder_self.in.gradients[1], reference::decoder_self_attn_in_proj_bias);
  compare(decoder_self.out.weight_gradient(), reference::decoder_self_attn_out_proj_weight);
  compare(decoder_self.out.gradients[1], reference::decoder_self_attn_out_proj_bias);
  compare(decoder_cross.before.gradients[0], reference::decoder_norm2_weight);
  compare(decoder_cross.before.gradients[1], reference::decoder_norm2_bias);
  compare(decoder_cross.gradient(decoder_cross.query.weight_gradient(), decoder_cross.memory.weight_gradient()),
          reference::decoder_multihead_attn_in_proj_weight);
  compare(decoder_cross.gradient(decoder_cross.query.gradients[1], decoder_cross.memory.gradients[1]),
          reference::decoder_multihead_attn_in_proj_bias);
  compare(decoder_cross.out.weight_gradient(), reference::decoder_multihead_attn_out_proj_weight);
  compare(decoder_cross.out.gradients[1], reference::decoder_multihead_attn_out_proj_bias);
  compare(decoder_forward.before.gradients[0], reference::decoder_norm3_weight);
  compare(decoder_forward.before.gradients[1], reference::decoder_norm3_bias);
  compare(decoder_forward.up.weight_gradient(), reference::decoder_linear1_weight);
  compare(decoder_forward.up.gradients[1], reference::decoder_linear1_bias);
  compare(decoder_forward.down.weight_gradient(), reference::decoder_linear2_weight);
  compare(decoder_forward.down.gradients[1], reference::decoder_linear2_bias);
  return compare.worst;
}

}  // namespace

TEST_CASE("an encoder and a decoder layer give PyTorch's outputs and gradients", "[layer]") {
  CHECK(worst_error<double>() < 1e-8);
  CHECK(worst_error<float>() < 1e-5);
}
