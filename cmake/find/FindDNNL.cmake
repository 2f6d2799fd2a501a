# Finds oneDNN 2 (formerly DNNL): DNNL_FOUND, DNNL_VERSION and the target DNNL::dnnl. Hints: DNNL_ROOT.
#
# oneDNN's own package is not used, because Debian's refuses to be found without OpenCL's headers, which foal does not need.

find_path(DNNL_INCLUDE_DIR oneapi/dnnl/dnnl.hpp)
find_library(DNNL_LIBRARY dnnl)
mark_as_advanced(DNNL_INCLUDE_DIR DNNL_LIBRARY)

set(DNNL_VERSION)
if(DNNL_INCLUDE_DIR)
  file(STRINGS "${DNNL_INCLUDE_DIR}/oneapi/dnnl/dnnl_version.h" DNNL_VERSION
       REGEX "^#define DNNL_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  list(TRANSFORM DNNL_VERSION REPLACE ".* ([0-9]+)$" "\\1")
  list(JOIN DNNL_VERSION "." DNNL_VERSION)
endif()
# The third major version describes primitives in another way.
set(DNNL_IS_VERSION_2 OFF)
if(DNNL_VERSION VERSION_GREATER_EQUAL 2.4 AND DNNL_VERSION VERSION_LESS 3)
  set(DNNL_IS_VERSION_2 ON)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(DNNL REQUIRED_VARS DNNL_LIBRARY DNNL_INCLUDE_DIR DNNL_IS_VERSION_2
                                  VERSION_VAR DNNL_VERSION)

if(DNNL_FOUND AND NOT TARGET DNNL::dnnl)
  add_library(DNNL::dnnl UNKNOWN IMPORTED)
  set_target_properties(DNNL::dnnl PROPERTIES
    IMPORTED_LOCATION "${DNNL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${DNNL_INCLUDE_DIR}")
endif()
