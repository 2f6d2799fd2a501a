# What only foal's own build does: defaults, the compiler cache, CUDA, and the check that every header compiles alone.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Debug, Release, RelWithDebInfo or MinSizeRel" FORCE)
endif()

find_program(FOAL_CCACHE ccache DOC "Compiler cache, used when found")
mark_as_advanced(FOAL_CCACHE)
if(FOAL_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${FOAL_CCACHE}")
endif()

set(foal_cuda_found OFF)
if(TARGET foal::cuda)
  set(foal_cuda_found ON)
endif()
option(FOAL_BUILD_CUDA "Build the CUDA tests and check the .cuh headers" ${foal_cuda_found})
if(FOAL_BUILD_CUDA)
  include(cmake/cuda.cmake)
endif()

# Targets all_verify_interface_header_sets (by CMake, for foal::foal) and verify_component_headers (ours): not in all.
set_target_properties(foal PROPERTIES VERIFY_INTERFACE_HEADER_SETS ON INTERFACE_HEADER_SETS_TO_VERIFY HEADERS)
include(cmake/verify_headers.cmake)
