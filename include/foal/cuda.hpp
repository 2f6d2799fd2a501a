// Opt-in umbrella of the CUDA device, for units that nvcc compiles; docs/cuda.md says how a program of .cpp files has one.
#pragma once

#include <foal/core/config.hpp>

#if !defined(__CUDACC__)
#error \
    "foal cannot be compiled for a GPU in this file, because foal/cuda.hpp has kernels, which nvcc alone compiles; put the \
trainer into a .cu file behind a function of your own that .cpp files call (docs/cuda.md), or give this one to nvcc (-x cu)"
#include "foal cannot be compiled like this: see the error above"
#endif

#include <foal/device/cuda.cuh>
#include <foal/device/cuda/convolution_engines.hpp>
#include <foal/device/cuda/convolution_plan.hpp>
#include <foal/device/cuda/cudnn.hpp>
#include <foal/device/cuda/error.hpp>
#include <foal/device/cuda/graph.hpp>
#include <foal/device/cuda/matmul.hpp>
#include <foal/device/cuda/memory.hpp>
#include <foal/device/cuda/ordinals.hpp>
#include <foal/device/cuda/plans.hpp>
#include <foal/device/cuda/product.hpp>
#include <foal/device/cuda/staging.hpp>
#include <foal/device/cuda/status.hpp>
#include <foal/device/cuda/stream.hpp>
#include <foal/device/cuda/weight_forms.hpp>
#include <foal/device/cuda_bf16.cuh>
