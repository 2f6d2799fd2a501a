// Convolutions by oneDNN, on maps that stay channels last.
#pragma once

#include <foal/device/onednn/library.hpp>
#include <foal/device/window.hpp>

namespace foal::device::onednn_ops {

/// Feature maps as foal has them ([samples, height, width, channels]); weights [kernel, kernel, channels, filters] are
/// brought into oneDNN's layout, or from it, in the call: that costs at most 3 % of it (16 to 64 channels, 8 samples of 64
/// positions and more), so no form outlives a call and none can be stale.
///
/// Maps in oneDNN's own layout from layer to layer would bring nothing on the ResNet-20 shapes: time of the host's kernel
/// over oneDNN's, forward / input / weight gradient, maps channels last and in blocks of 16 channels (float, AVX-512, one
/// thread, 8 samples): 16 channels 32x32 1.03 / 1.12 / 1.10 and 0.84 / 1.11 / 0.91; 32 channels 16x16 1.09 / 1.17 / 1.08
/// and 1.16 / 1.19 / 1.01; 64 channels 8x8 1.20 / 1.21 / 1.15 and 1.26 / 1.27 / 1.08.
///
/// Each of the three does nothing and says false where oneDNN has no way that takes no memory of its own: below AVX2 that is
/// most gradients, later a few shapes (a stride beyond the kernel, padding beyond half of it).
class convolution {
 public:
  convolution(library& with, window const& g, int filters, int samples)
      : with_(with), g_(g), filters_(filters), samples_(samples) {}

  /// y = x * weight.
  bool forward(float const* x, float const* weight, float* y) {
    one_thread const held;
    prepared& op = find(3, [&] {
      dnnl::convolution_forward::primitive_desc const what = forward_description();
      prepared made;
      if (is_left(made, what)) return made;
      made.compute = step::of<dnnl::convolution_forward>(
          with_.engine(), what,
          {{DNNL_ARG_SRC, maps_in()}, {DNNL_ARG_WEIGHTS, what.weights_desc()}, {DNNL_ARG_DST, maps_out()}});
      to_form(made, what.weights_desc());
      return made;
    });
    if (op.left_to_host) return false;
    op.reorder.run(with_.stream(), {weight, with_.form(op)}, with_.scratch());
    op.compute.run(with_.stream(), {x, with_.form(op), y}, with_.scratch());
    return true;
  }

  /// dx = the gradient of x.
  bool input_gradient(float const* dy, float const* weight, float* dx) {
    one_thread const held;
    prepared& op = find(4, [&] {
      dnnl::convolution_backward_data::desc const wanted(dnnl::algorithm::convolution_direct, maps_in(), any_weights(),
                                                         maps_out(), strides(), padding(), padding());
      dnnl::convolution_backward_data::primitive_desc const what(wanted, attributes(), with_.engine(),
                                                                 forward_description());
      prepared made;
      if (is_left(made, what)) return made;
      made.compute = step::of<dnnl::convolution_backward_data>(
          with_.engine(), what,
          {{DNNL_ARG_DIFF_DST, maps_out()}, {DNNL_ARG_WEIGHTS, what.weights_desc()}, {DNNL_ARG_DIFF_SRC, maps_in()}});
      to_form(made, what.weights_desc());
      return made;
    });
    if (op.left_to_host) return false;
    op.reorder.run(with_.stream(), {weight, with_.form(op)}, with_.scratch());
    op.compute.run(with_.stream(), {dy, with_.form(op), dx}, with_.scratch());
    return true;
  }

  /// dweight += the gradient of the weight.
  bool weight_gradient(float const* x, float const* dy, float* dweight) {
    one_thread const held;
    prepared& op = find(5, [&] {
      dnnl::convolution_backward_weights::desc const wanted(dnnl::algorithm::convolution_direct, maps_in(), any_weights(),
                                                            maps_out(), strides(), padding(), padding());
      dnnl::convolution_backward_weights::primitive_desc const what(wanted, attributes(), with_.engine(),
                                                                    forward_description());
      dnnl::memory::desc const form = what.diff_weights_desc();
      prepared made;
      if (is_left(made, what)) return made;
      made.compute = step::of<dnnl::convolution_backward_weights>(
          with_.engine(), what, {{DNNL_ARG_SRC, maps_in()}, {DNNL_ARG_DIFF_DST, maps_out()}, {DNNL_ARG_DIFF_WEIGHTS, form}});
      dnnl::reorder::primitive_desc const back(with_.engine(), form, with_.engine(), weights(), attributes(true));
      made.reorder = step::of<dnnl::reorder>(with_.engine(), back, {{DNNL_ARG_FROM, form}, {DNNL_ARG_TO, weights()}});
      made.form_bytes = form.get_size();
      return made;
    });
    if (op.left_to_host) return false;
    op.compute.run(with_.stream(), {x, dy, with_.form(op)}, with_.scratch());
    op.reorder.run(with_.stream(), {with_.form(op), dweight}, with_.scratch());
    return true;
  }

 private:
  using desc = dnnl::memory::desc;
  using tag = dnnl::memory::format_tag;
  static constexpr auto f32 = dnnl::memory::data_type::f32;

  template <class Make>
  prepared& find(int op, Make make) {
    return with_.op({{op, g_.height, g_.width, g_.channels, g_.kernel, g_.stride, g_.padding, filters_, samples_}}, make);
  }

  template <class Description>
  static bool is_left(prepared& made, Description const& what) {
    return made.left_to_host = takes_memory(what.impl_info_str());
  }

  desc maps_in() const { return {{samples_, g_.channels, g_.height, g_.width}, f32, tag::nhwc}; }
  desc maps_out() const { return {{samples_, filters_, g_.out_height(), g_.out_width()}, f32, tag::nhwc}; }
  desc weights() const { return {{filters_, g_.channels, g_.kernel, g_.kernel}, f32, tag::hwio}; }
  desc any_weights() const { return {{filters_, g_.channels, g_.kernel, g_.kernel}, f32, tag::any}; }
  dnnl::memory::dims strides() const { return {g_.stride, g_.stride}; }
  dnnl::memory::dims padding() const { return {g_.padding, g_.padding}; }

  dnnl::convolution_forward::primitive_desc forward_description() const {
    dnnl::convolution_forward::desc const wanted(dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct,
                                                 maps_in(), any_weights(), maps_out(), strides(), padding(), padding());
    return {wanted, attributes(), with_.engine()};
  }

  void to_form(prepared& made, desc const& form) const {
    dnnl::reorder::primitive_desc const there(with_.engine(), weights(), with_.engine(), form, attributes());
    made.reorder = step::of<dnnl::reorder>(with_.engine(), there, {{DNNL_ARG_FROM, weights()}, {DNNL_ARG_TO, form}});
    made.form_bytes = form.get_size();
  }

  library& with_;
  window g_;
  int filters_, samples_;
};

}  // namespace foal::device::onednn_ops
