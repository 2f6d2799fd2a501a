// The only macros of foal: the version, and the host/device mark that lets one functor serve both.
#pragma once

#define FOAL_VERSION_MAJOR 0
#define FOAL_VERSION_MINOR 1
#define FOAL_VERSION_PATCH 0

#if defined(__CUDACC__)
#define FOAL_HOST_DEVICE __host__ __device__
#else
#define FOAL_HOST_DEVICE
#endif

namespace foal {

/// Every buffer of an arena starts at a multiple of this many bytes, so that results do not depend on addresses.
inline constexpr int alignment = 64;

}  // namespace foal
