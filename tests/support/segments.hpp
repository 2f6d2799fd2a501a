// A layer run on a sequence in segments, as a schedule would run it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include "layer_check.hpp"

namespace foal::test {

/// Part `i` of `count` of each sample's positions of a whole array.
template <class S>
std::vector<S> segment_of_array(std::vector<S> const& whole, int samples, segment_range of, int channels) {
  std::vector<S> part;
  for (int n = 0; n < samples; ++n) {
    auto const from = whole.begin() + static_cast<std::ptrdiff_t>(n * of.whole + of.first()) * channels;
    part.insert(part.end(), from, from + static_cast<std::ptrdiff_t>(of.positions(of.number)) * channels);
  }
  return part;
}
template <class S>
void put_segment(std::vector<S>& whole, std::vector<S> const& part, int samples, segment_range of, int channels) {
  auto const n = static_cast<std::ptrdiff_t>(of.positions(of.number)) * channels;
  for (int i = 0; i < samples; ++i)
    std::copy_n(part.begin() + i * n, n, whole.begin() + static_cast<std::ptrdiff_t>(i * of.whole + of.first()) * channels);
}

/// What a layer gives and keeps of each of `count` segments of a sequence; whole.y, whole.dx and whole.gradients become
/// those of the segments. Inputs, dy, parameters and other entries are those of `whole`.
template <class Layer, class S>
class layer_in_segments {
 public:
  layer_in_segments(layer_run<Layer, S>& whole, int count) : whole_(whole), count_(count) {}

  void run() {
    forward();
    for (int j = count_; j-- > 0;) {
      segment& s = *all_[static_cast<std::size_t>(j)];
      auto ctx = context_of(j);
      s.run.spoil(s.run.dx);
      if constexpr (requires { Layer::parameters(whole_.in); })
        Layer::backward_weight(ctx, static_cast<S const*>(s.run.dy.data()), kept(s),
                               weights<S>{whole_.gradient_pointers.data()});
      Layer::backward_input(ctx, static_cast<S const*>(s.run.dy.data()), constant_weights(), kept(s), s.run.dx.data());
      put_segment(whole_.dx, s.run.dx, whole_.samples, range(j), whole_.in.channels());
      s.run.spoil(s.run.x);  // what is through its backward is nobody's any more
    }
  }
  void forward() {
    all_.clear();
    table_.clear();
    for (int j = 0; j < count_; ++j) {
      all_.push_back(std::make_unique<segment>(whole_, range(j)));
      segment& s = *all_.back();
      table_.push_back(s.run.x.data());
      for (void* p : s.entries) table_.push_back(p);
    }
    for (int j = 0; j < count_; ++j) {
      segment& s = *all_[static_cast<std::size_t>(j)];
      auto ctx = context_of(j);
      s.run.spoil(s.run.y);
      Layer::forward(ctx, static_cast<S const*>(s.run.x.data()), constant_weights(), s.run.y.data(),
                     saved<S>{nullptr, nullptr, s.entries.data()});
      put_segment(whole_.y, s.run.y, whole_.samples, range(j), whole_.out.channels());
    }
  }

 private:
  struct segment {
    layer_run<Layer, S> run;
    std::vector<std::vector<std::byte>> carried;
    std::vector<void*> entries;

    segment(layer_run<Layer, S> const& whole, segment_range at)
        : run(foal::sequence(whole.in.channels(), at.positions(at.number)), whole.samples, 1) {
      run.x = segment_of_array(whole.x, whole.samples, at, whole.in.channels());
      run.dy = segment_of_array(whole.dy, whole.samples, at, whole.out.channels());
      for (auto& k : run.kept) run.spoil(k), entries.push_back(k.data());
      if constexpr (requires { Layer::carried(run.in); }) {
        auto const more = Layer::carried(run.in);
        for (int i = 0; i < more.size; ++i)
          carried.emplace_back(bytes_of(element_of<S>(), more[i].elements.of(whole.samples)), std::byte{0xff});
        for (auto& c : carried) entries.push_back(c.data());
      }
    }
  };

  segment_range range(int j) const { return {j, count_, whole_.in.positions()}; }
  context<device::host, S> context_of(int j) {
    segment& s = *all_[static_cast<std::size_t>(j)];
    auto ctx = s.run.make_context();
    ctx.phase = whole_.phase;
    ctx.segment = range(j);
    ctx.earlier = {table_.data(), static_cast<int>(1 + s.entries.size())};
    ctx.read = whole_.read_pointers.data();
    ctx.read_shape = whole_.read_shapes.data();
    return ctx;
  }
  weights<S const> constant_weights() const { return {whole_.constant_parameter_pointers.data()}; }
  saved<S> kept(segment& s) const { return {s.run.x.data(), s.run.y.data(), s.entries.data()}; }

  layer_run<Layer, S>& whole_;
  int count_;
  std::vector<std::unique_ptr<segment>> all_;
  std::vector<void*> table_;
};

}  // namespace foal::test
