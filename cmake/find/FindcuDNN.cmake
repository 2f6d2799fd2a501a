# Finds cuDNN 9 for the CUDA toolkit that is there: cuDNN_FOUND, cuDNN_VERSION and the target cuDNN::cudnn. Hints: cuDNN_ROOT;
# the toolkit's folders are looked in, too.

find_package(CUDAToolkit QUIET)
find_path(cuDNN_INCLUDE_DIR cudnn_backend.h HINTS ${CUDAToolkit_INCLUDE_DIRS})
find_library(cuDNN_LIBRARY cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
mark_as_advanced(cuDNN_INCLUDE_DIR cuDNN_LIBRARY)

set(cuDNN_VERSION)
if(cuDNN_INCLUDE_DIR AND EXISTS "${cuDNN_INCLUDE_DIR}/cudnn_version.h")
  file(STRINGS "${cuDNN_INCLUDE_DIR}/cudnn_version.h" cuDNN_VERSION REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) [0-9]+")
  list(TRANSFORM cuDNN_VERSION REPLACE ".* ([0-9]+)$" "\\1")
  list(JOIN cuDNN_VERSION "." cuDNN_VERSION)
endif()
# Before 9.8 graphs could not be looked at without a GPU.
set(cuDNN_IS_NEW_ENOUGH OFF)
if(cuDNN_VERSION VERSION_GREATER_EQUAL 9.8)
  set(cuDNN_IS_NEW_ENOUGH ON)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(cuDNN REQUIRED_VARS cuDNN_LIBRARY cuDNN_INCLUDE_DIR cuDNN_IS_NEW_ENOUGH CUDAToolkit_FOUND
                                  VERSION_VAR cuDNN_VERSION
                                  REASON_FAILURE_MESSAGE "foal::cuda needs cuDNN 9.8 or later beside the CUDA toolkit: install it or set cuDNN_ROOT")

if(cuDNN_FOUND AND NOT TARGET cuDNN::cudnn)
  add_library(cuDNN::cudnn UNKNOWN IMPORTED)
  set_target_properties(cuDNN::cudnn PROPERTIES
    IMPORTED_LOCATION "${cuDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${cuDNN_INCLUDE_DIR}"
    INTERFACE_LINK_LIBRARIES CUDA::cudart)
endif()
