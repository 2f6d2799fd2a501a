# One translation unit per header of a component, as CUDA for a .cuh and as C++ otherwise: CMake's own check skips .cuh files
# silently.

add_custom_target(verify_component_headers)

function(foal_verify_component name)
  if(NOT TARGET foal::${name} OR NOT foal_${name}_headers)
    return()
  endif()
  set(sources)
  foreach(header IN LISTS foal_${name}_headers)
    set(suffix cpp)
    if(header MATCHES "\\.cuh$")
      set(suffix cu)
    endif()
    set(source "${PROJECT_BINARY_DIR}/verify_headers/${header}.${suffix}")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include <${header}>\n#include <${header}>\n")
    list(APPEND sources "${source}")
  endforeach()
  add_library(verify_${name}_headers OBJECT EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(verify_${name}_headers PRIVATE foal::${name})
  add_dependencies(verify_component_headers verify_${name}_headers)
endfunction()

foal_verify_component(ranges)
foal_verify_component(gzip)
if(FOAL_BUILD_CUDA)
  foal_verify_component(cuda)
endif()
