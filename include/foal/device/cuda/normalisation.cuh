// Normalisation on the GPU: over rows by channel (batch norm) and over groups of channels by sample (group norm).
#pragma once

#include <cmath>
#include <cstddef>

#include <foal/device/cuda/columns.cuh>
#include <foal/device/cuda/reduce.cuh>

namespace foal::device::cuda_ops {

template <class S>
struct row_product_term {
  S const *x, *y;
  __device__ no_column_state at(int) const { return {}; }
  __device__ void operator()(no_column_state, std::size_t i, double* sum) const {
    sum[0] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
};
template <class S>
struct row_and_product_term {
  S const *x, *y;
  __device__ no_column_state at(int) const { return {}; }
  __device__ void operator()(no_column_state, std::size_t i, double* sum) const {
    sum[0] += static_cast<double>(x[i]);
    sum[1] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  }
};
/// out[c] += sum over r of x[r, c] * y[r, c]. part: as column_sums has it, here and below.
template <class S>
void sum_of_row_products(cudaStream_t stream, int rows, int cols, S const* x, S const* y, S* out, double* part) {
  column_sums<1>("sum_of_row_products", stream, rows, cols, row_product_term<S>{x, y}, add_column_sums<S>{{out, nullptr}, 1},
                 part);
}

/// sum[c] += sum over r of x[r, c]; sum_of_products[c] += sum over r of x[r, c] * y[r, c].
template <class S>
void sums_of_rows_and_products(cudaStream_t stream, int rows, int cols, S const* x, S const* y, S* sum, S* sum_of_products,
                               double* part) {
  column_sums<2>("sums_of_rows_and_products", stream, rows, cols, row_and_product_term<S>{x, y},
                 add_column_sums<S>{{sum, sum_of_products}, 2}, part);
}

/// Distances from a first value, and their squares: in double one pass gives what two give, for that value is one of those
/// whose spread is wanted.
template <class S>
struct distance_term {
  S const* x;
  __device__ double at(int c) const { return static_cast<double>(x[c]); }
  __device__ void operator()(double origin, std::size_t i, double* sum) const {
    double const distance = static_cast<double>(x[i]) - origin;
    sum[0] += distance;
    sum[1] += distance * distance;
  }
};
template <class S>
struct finish_moments {
  S const* x;
  S *mean, *variance;
  double share;
  __device__ void operator()(int c, double const* sum) const {
    double const from_origin = sum[0] * share, spread = sum[1] * share - from_origin * from_origin;
    mean[c] = static_cast<S>(static_cast<double>(x[c]) + from_origin);
    variance[c] = static_cast<S>(spread < 0 ? 0 : spread);  // NaN stays
  }
};

/// mean and (biased) variance of each channel over the rows of x [rows, channels].
template <class S>
void moments(cudaStream_t stream, int rows, int channels, S const* x, S* mean, S* variance, double* part) {
  column_sums<2>("moments", stream, rows, channels, distance_term<S>{x}, finish_moments<S>{x, mean, variance, 1.0 / rows},
                 part);
}

template <class S, int Width>
struct normalise_columns {
  static constexpr int width = Width;
  S const *x, *mean, *inverse, *scale, *shift;
  S *normal, *y;
  struct column {
    pack<S, Width> mean, inverse, scale, shift;
  };
  __device__ column at(int c) const {
    return {load<Width>(mean + c), load<Width>(inverse + c), load<Width>(scale + c), load<Width>(shift + c)};
  }
  __device__ void operator()(column const& here, std::size_t i) const {
    pack<S, Width> value = load<Width>(x + i), out;
    for (int k = 0; k < Width; ++k) value.at[k] = (value.at[k] - here.mean.at[k]) * here.inverse.at[k];
    if (normal != nullptr) store(normal + i, value);
    for (int k = 0; k < Width; ++k) out.at[k] = value.at[k] * here.scale.at[k] + here.shift.at[k];
    store(y + i, out);
  }
};

/// normal = (x - mean) * inverse, y = normal * scale + shift. normal may be null; y may be x.
template <class S>
void normalise(cudaStream_t stream, int rows, int channels, S const* x, S const* mean, S const* inverse, S const* scale,
               S const* shift, S* normal, S* y) {
  auto const run = [&]<int Width>(normalise_columns<S, Width> f) { over_rows("normalise", stream, rows, channels, f); };
  if (packs<S>(channels, x, mean, inverse, scale, shift, normal, y))
    run(normalise_columns<S, full_pack<S>>{x, mean, inverse, scale, shift, normal, y});
  else
    run(normalise_columns<S, 1>{x, mean, inverse, scale, shift, normal, y});
}

template <class S, int Width>
struct normalise_gradient_columns {
  static constexpr int width = Width;
  S const *dy, *normal, *inverse, *scale, *sum, *sum_normal;
  S* dx;
  S share;
  struct column {
    pack<S, Width> by, sum, sum_normal;
  };
  __device__ column at(int c) const {
    column here{load<Width>(scale + c), load<Width>(sum + c), load<Width>(sum_normal + c)};
    pack<S, Width> const own = load<Width>(inverse + c);
    for (int k = 0; k < Width; ++k) here.by.at[k] *= own.at[k];
    return here;
  }
  __device__ void operator()(column const& here, std::size_t i) const {
    pack<S, Width> value = load<Width>(dy + i);
    pack<S, Width> const kept = load<Width>(normal + i);
    for (int k = 0; k < Width; ++k)
      value.at[k] = here.by.at[k] * (value.at[k] - (kept.at[k] * here.sum_normal.at[k] + here.sum.at[k]) * share);
    store(dx + i, value);
  }
};

/// dx = scale * inverse * (dy - (sum + normal * sum_normal) / rows), as the host has it. dx may be dy.
template <class S>
void normalise_gradient(cudaStream_t stream, int rows, int channels, S const* dy, S const* normal, S const* inverse,
                        S const* scale, S const* sum, S const* sum_normal, S* dx) {
  S const share = S(1) / static_cast<S>(rows);
  auto const run = [&]<int Width>(normalise_gradient_columns<S, Width> f) {
    over_rows("normalise_gradient", stream, rows, channels, f);
  };
  if (packs<S>(channels, dy, normal, inverse, scale, sum, sum_normal, dx))
    run(normalise_gradient_columns<S, full_pack<S>>{dy, normal, inverse, scale, sum, sum_normal, dx, share});
  else
    run(normalise_gradient_columns<S, 1>{dy, normal, inverse, scale, sum, sum_normal, dx, share});
}

/// The values of one group of one sample, which a block has.
struct group_of_channels {
  int group, width, values, channels;
  std::size_t first;
  __device__ group_of_channels(int positions, int all, int groups) : channels(all) {
    width = all / groups;
    group = static_cast<int>(blockIdx.x) % groups;
    values = positions * width;
    first = static_cast<std::size_t>(blockIdx.x / static_cast<unsigned>(groups)) * static_cast<std::size_t>(positions) *
                static_cast<std::size_t>(all) +
            static_cast<std::size_t>(group * width);
  }
  __device__ int channel(int value) const { return group * width + value % width; }
  __device__ std::size_t place(int value) const {
    return first + static_cast<std::size_t>(value / width) * static_cast<std::size_t>(channels) +
           static_cast<std::size_t>(value % width);
  }
};

template <class S>
__global__ void __launch_bounds__(block_threads)
    group_normalise_kernel(int positions, int channels, int groups, double epsilon, S const* x, S const* scale,
                           S const* shift, S* normal, S* inverse, S* y) {
  group_of_channels const here(positions, channels, groups);
  int const lane = static_cast<int>(threadIdx.x), lanes = static_cast<int>(block_threads);
  double const origin = static_cast<double>(x[here.first]);
  double sum = 0, squares = 0;
  for (int i = lane; i < here.values; i += lanes) {
    double const distance = static_cast<double>(x[here.place(i)]) - origin;
    sum += distance;
    squares += distance * distance;
  }
  sum = block_reduce(sum, add{}) / here.values;
  double const spread = block_reduce(squares, add{}) / here.values - sum * sum;
  S const mean = static_cast<S>(origin + sum);
  S const by = static_cast<S>(1 / sqrt((spread < 0 ? 0 : spread) + epsilon));
  if (lane == 0 && inverse != nullptr) inverse[blockIdx.x] = by;
  for (int i = lane; i < here.values; i += lanes) {
    std::size_t const at = here.place(i);
    int const c = here.channel(i);
    S const value = (x[at] - mean) * by;
    if (normal != nullptr) normal[at] = value;
    y[at] = value * scale[c] + shift[c];
  }
}

/// Group norm of x [samples, positions, channels], as the host has it; a block has a group of a sample. normal and inverse
/// [samples, groups] may be null. y may be x.
template <class S>
void group_normalise(cudaStream_t stream, int samples, int positions, int channels, int groups, double epsilon, S const* x,
                     S const* scale, S const* shift, S* normal, S* inverse, S* y) {
  if (samples > 0 && positions > 0 && channels > 0)
    launch("group_normalise", stream, static_cast<unsigned>(samples * groups), group_normalise_kernel<S>, positions,
           channels, groups, epsilon, x, scale, shift, normal, inverse, y);
}

template <class S>
__global__ void __launch_bounds__(block_threads)
    group_normalise_gradient_kernel(int positions, int channels, int groups, S const* dy, S const* normal, S const* inverse,
                                    S const* scale, S* dx) {
  group_of_channels const here(positions, channels, groups);
  int const lane = static_cast<int>(threadIdx.x), lanes = static_cast<int>(block_threads);
  double sum = 0, sum_normal = 0;
  for (int i = lane; i < here.values; i += lanes) {
    std::size_t const at = here.place(i);
    double const slope = static_cast<double>(dy[at]) * static_cast<double>(scale[here.channel(i)]);
    sum += slope;
    sum_normal += slope * static_cast<double>(normal[at]);
  }
  S const a = static_cast<S>(block_reduce(sum, add{}) / here.values);
  S const b = static_cast<S>(block_reduce(sum_normal, add{}) / here.values);
  S const by = inverse[blockIdx.x];
  for (int i = lane; i < here.values; i += lanes) {
    std::size_t const at = here.place(i);
    dx[at] = by * (scale[here.channel(i)] * dy[at] - (a + normal[at] * b));
  }
}

/// Its gradient, as the host has it. dx may be dy.
template <class S>
void group_normalise_gradient(cudaStream_t stream, int samples, int positions, int channels, int groups, S const* dy,
                              S const* normal, S const* inverse, S const* scale, S* dx) {
  if (samples > 0 && positions > 0 && channels > 0)
    launch("group_normalise_gradient", stream, static_cast<unsigned>(samples * groups), group_normalise_gradient_kernel<S>,
           positions, channels, groups, dy, normal, inverse, scale, dx);
}

}  // namespace foal::device::cuda_ops
