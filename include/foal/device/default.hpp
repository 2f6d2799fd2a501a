// The device of a trainer that names none: the host.
#pragma once

// nvcc takes ten seconds longer over the host's matrix library, with warnings, and a .cu file nearly always names another
// device. One that trains on the host all the same includes foal/device/host.hpp itself.
#if defined(__CUDACC__)
namespace foal::device {
class host;
}
#else
#include <foal/device/host.hpp>
#endif
