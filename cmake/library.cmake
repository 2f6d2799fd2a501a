# The targets that a project links: foal::foal, and one component for each back end that is there.

set(foal_include_dir "${PROJECT_SOURCE_DIR}/include")

function(foal_full_paths out)
  list(TRANSFORM ARGN PREPEND "${foal_include_dir}/")
  set(${out} "${ARGN}" PARENT_SCOPE)
endfunction()

foal_full_paths(core_files ${foal_headers})
foal_full_paths(ranges_files ${foal_ranges_headers})
foal_full_paths(gzip_files ${foal_gzip_headers})
foal_full_paths(onednn_files ${foal_onednn_headers})
foal_full_paths(mpi_files ${foal_mpi_headers})
foal_full_paths(cuda_files ${foal_cuda_headers})
foal_full_paths(nccl_files ${foal_nccl_headers})

add_library(foal INTERFACE)
add_library(foal::foal ALIAS foal)
target_compile_features(foal INTERFACE cxx_std_20)
target_sources(foal INTERFACE
  FILE_SET HEADERS BASE_DIRS "${foal_include_dir}" FILES ${core_files}
  FILE_SET ranges_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${ranges_files}
  FILE_SET gzip_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${gzip_files}
  FILE_SET onednn_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${onednn_files}
  FILE_SET mpi_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${mpi_files}
  FILE_SET cuda_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${cuda_files}
  FILE_SET nccl_headers TYPE HEADERS BASE_DIRS "${foal_include_dir}" FILES ${nccl_files})

if(NOT TARGET Eigen3::Eigen)
  find_package(Eigen3 3.4 REQUIRED NO_MODULE)
endif()
find_package(Threads REQUIRED)
target_link_libraries(foal INTERFACE Eigen3::Eigen Threads::Threads)

# A component always exists for the install; its public name exists only where its dependency does, so that an absent back
# end is an absent target. It adds no header path of its own: it says what the headers of its name need. In a project of
# somebody else's, packages are looked for only where that project names the component: each leaves its entries in the cache.
set(foal_all_components ranges gzip onednn mpi cuda nccl)
if(PROJECT_IS_TOP_LEVEL)
  set(foal_default_components ${foal_all_components})
endif()
set(FOAL_COMPONENTS "${foal_default_components}" CACHE STRING
    "What foal looks for beside Eigen, a list of: ${foal_all_components}; foal::<component> exists where it is found")
foreach(component IN LISTS FOAL_COMPONENTS)
  if(NOT component IN_LIST foal_all_components)
    message(FATAL_ERROR "cannot configure foal with the component '${component}' of FOAL_COMPONENTS, because foal has only "
                        "${foal_all_components}; leave it out")
  endif()
endforeach()

# packages: all that the component needs.
macro(foal_component name packages)
  add_library(foal_${name} INTERFACE)
  set_target_properties(foal_${name} PROPERTIES EXPORT_NAME ${name})
  target_link_libraries(foal_${name} INTERFACE foal ${ARGN})
  if("${name}" IN_LIST FOAL_COMPONENTS)
    set(foal_${name}_found ON)
    foreach(package IN ITEMS ${packages})
      find_package(${package} QUIET)
      if(NOT ${package}_FOUND)
        set(foal_${name}_found OFF)
      endif()
    endforeach()
    if(foal_${name}_found)
      add_library(foal::${name} ALIAS foal_${name})
    endif()
  endif()
endmacro()

foal_component(ranges range-v3 range-v3::range-v3)
foal_component(gzip ZLIB ZLIB::ZLIB)
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}/find")
foal_component(onednn DNNL DNNL::dnnl ${CMAKE_DL_LIBS})
foal_component(mpi MPI MPI::MPI_CXX)
set(foal_cuda_libraries CUDA::cudart CUDA::cublas CUDA::cublasLt cuDNN::cudnn)
foal_component(cuda "CUDAToolkit;cuDNN" ${foal_cuda_libraries})
foal_component(nccl "CUDAToolkit;cuDNN;NCCL" ${foal_cuda_libraries} NCCL::nccl)
# Without MPI's C++ bindings, long withdrawn.
target_compile_definitions(foal_mpi INTERFACE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
