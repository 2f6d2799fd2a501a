# Finds NCCL 2 for the CUDA toolkit that is there: NCCL_FOUND, NCCL_VERSION and the target NCCL::nccl. Hints: NCCL_ROOT; the
# toolkit's folders are looked in, too.

find_package(CUDAToolkit QUIET)
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(NCCL_LIBRARY nccl HINTS ${CUDAToolkit_LIBRARY_DIR})
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)

set(NCCL_VERSION)
if(NCCL_INCLUDE_DIR)
  file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" NCCL_VERSION REGEX "^#define NCCL_(MAJOR|MINOR|PATCH) [0-9]+")
  list(TRANSFORM NCCL_VERSION REPLACE ".* ([0-9]+)$" "\\1")
  list(JOIN NCCL_VERSION "." NCCL_VERSION)
endif()
# Communicators that do not block came with 2.14, that can be made with a configuration.
set(NCCL_IS_NEW_ENOUGH OFF)
if(NCCL_VERSION VERSION_GREATER_EQUAL 2.14)
  set(NCCL_IS_NEW_ENOUGH ON)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR NCCL_IS_NEW_ENOUGH CUDAToolkit_FOUND
                                  VERSION_VAR NCCL_VERSION
                                  REASON_FAILURE_MESSAGE "foal::nccl needs NCCL 2.14 or later beside the CUDA toolkit: install it or set NCCL_ROOT")

if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl UNKNOWN IMPORTED)
  set_target_properties(NCCL::nccl PROPERTIES
    IMPORTED_LOCATION "${NCCL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${NCCL_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES CUDA::cudart)
endif()
