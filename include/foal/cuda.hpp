// Opt-in umbrella of the CUDA device: all of it in a .cu file; in a .cpp file the parts that need no kernel.
#pragma once

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

#if defined(__CUDACC__)
#include <foal/device/cuda.cuh>
#include <foal/device/cuda_bf16.cuh>
#endif
