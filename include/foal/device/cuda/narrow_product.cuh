// Products of floats on the GPU whose factors are rounded to bfloat16 in scratch first, with sums in float.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <foal/core/error.hpp>
#include <foal/device/cuda/narrow.cuh>
#include <foal/device/cuda/product.hpp>
#include <foal/device/cuda/rows.cuh>
#include <foal/device/cuda/weight_forms.hpp>
#include <foal/tensor/shape.hpp>

namespace foal::device::cuda_ops {

/// A product whose factors the rooms have no place for is done in parts, of rows or of the depth: which parts depends on its
/// sizes and on the room for weights, which is a model's. Parts of the depth are added up in float, in order.
class narrow_products {
 public:
  /// forms: of weights, which have no part in the room then; null: none.
  explicit narrow_products(narrow_rooms const& rooms, weight_forms* forms = nullptr) : rooms_(rooms), forms_(forms) {}

  /// Elements of the room for weights that a model with this parameter does with.
  static constexpr std::size_t weights_for(shape parameter) {
    auto const last = static_cast<std::size_t>(parameter.rank < 1 ? 1 : parameter.extent[parameter.rank - 1]);
    return last == 0 ? 0 : static_cast<std::size_t>(parameter.size()) / last * narrow_step(last);
  }

  /// What p says, without an epilogue; row [cols], where there is one, is added to each row of c. by: in the same stream.
  /// Throws foal::error where no part has room.
  void run(product_ops const& by, cudaStream_t stream, product_shape const& p, float const* a, float const* b, float* c,
           float const* row = nullptr) const {
    if (p.empty()) {
      by.product_of_narrow(p, nullptr, nullptr, c);
      if (row != nullptr && p.rows > 0 && p.cols > 0) add_to_rows(stream, p.rows, p.cols, row, c);
      return;
    }
    weight_forms::form const form = form_of(stream, p, b);
    int const deep = form.at != nullptr ? p.depth : depth_at_once(p);
    for (int done = 0; done < p.depth; done += deep) {
      product_shape part = p;
      part.depth = std::min(deep, p.depth - done);
      part.accumulate = p.accumulate || done > 0;
      std::uint16_t* const second = form.at != nullptr ? form.at : p.turned_a ? rooms_.second : rooms_.weights;
      if (form.made)
        part.step_b = static_cast<int>(step_of(p.turned_b ? p.depth : p.cols));
      else
        part.step_b = p.turned_b ? narrow(stream, p.cols, part.depth, p.depth, b + done, second)
                                 : narrow(stream, part.depth, p.cols, p.cols, b + at(done, p.cols), second);
      float const* const last_row = done + deep < p.depth ? nullptr : row;
      if (p.turned_a) {
        part.step_a = narrow(stream, part.depth, p.rows, p.rows, a + at(done, p.rows), rooms_.first);
        multiply(by, stream, part, second, c, last_row);
      } else {
        rows_of_part(by, stream, p, part, a + done, second, c, last_row);
      }
    }
  }

 private:
  static std::size_t at(int a, int b) { return static_cast<std::size_t>(a) * static_cast<std::size_t>(b); }
  static std::size_t step_of(int cols) { return narrow_step(static_cast<std::size_t>(cols)); }

  weight_forms::form form_of(cudaStream_t stream, product_shape const& p, float const* b) const {
    if (forms_ == nullptr || p.turned_a || step_of(p.depth) > rooms_.piece) return {};
    std::size_t const elements = p.turned_b ? static_cast<std::size_t>(p.cols) * step_of(p.depth)
                                            : static_cast<std::size_t>(p.depth) * step_of(p.cols);
    return forms_->of(stream, b, weight_forms::layout::rows, elements);
  }

  int depth_at_once(product_shape const& p) const {
    std::size_t most = p.turned_a   ? rooms_.piece / std::max(step_of(p.rows), step_of(p.cols))
                       : p.turned_b ? rooms_.most_weights / static_cast<std::size_t>(p.cols) / 8 * 8
                                    : rooms_.most_weights / step_of(p.cols);
    if (!p.turned_a) most = std::min(most, rooms_.piece);
    require(most > 0, "cannot multiply ", p.rows, " x ", p.depth, " by ", p.depth, " x ", p.cols,
            " in bfloat16, because a row of a factor has no place in the ", 2 * std::min(rooms_.piece, rooms_.most_weights),
            " bytes for it; make the device with the bytes that workspace_for gives for the shape of the weights, or use "
            "device::cuda");
    auto const depth = static_cast<std::size_t>(p.depth);
    return static_cast<int>(most >= depth ? depth : most >= 8 ? most / 8 * 8 : most);
  }

  /// Gives the step from row to row of y.
  static int narrow(cudaStream_t stream, int rows, int cols, int from, float const* x, std::uint16_t* y) {
    narrow_rows(stream, static_cast<std::size_t>(rows), static_cast<std::size_t>(cols), static_cast<std::size_t>(from), x,
                y);
    return static_cast<int>(step_of(cols));
  }

  /// As many rows of a and c at once as there is room for.
  void rows_of_part(product_ops const& by, cudaStream_t stream, product_shape const& p, product_shape part, float const* a,
                    std::uint16_t const* b, float* c, float const* row) const {
    auto const most = static_cast<int>(std::min(rooms_.piece / step_of(part.depth), static_cast<std::size_t>(p.rows)));
    for (int first = 0; first < p.rows; first += most) {
      part.rows = std::min(most, p.rows - first);
      part.step_a = narrow(stream, part.rows, part.depth, p.depth, a + at(first, p.depth), rooms_.first);
      multiply(by, stream, part, b, c + at(first, p.cols), row);
    }
  }
  void multiply(product_ops const& by, cudaStream_t stream, product_shape const& part, std::uint16_t const* b, float* c,
                float const* row) const {
    if (row != nullptr && by.product_of_narrow_and_row(part, rooms_.first, b, row, c)) return;
    by.product_of_narrow(part, rooms_.first, b, c);
    if (row != nullptr) add_to_rows(stream, part.rows, part.cols, row, c);
  }

  narrow_rooms rooms_;
  weight_forms* forms_;
};

}  // namespace foal::device::cuda_ops
