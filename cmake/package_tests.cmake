# Consumers of foal, each configured, built and run as a project of its own: label "package".

set(kinds bare_include find_package add_subdirectory)
set(processes OFF)
if(TARGET foal::cuda AND CUDAToolkit_NVCC_EXECUTABLE)
  list(APPEND kinds cuda)
  if(TARGET foal::nccl AND TARGET foal::mpi)
    set(processes ON)
  endif()
else()
  message(STATUS "Programs of .cpp files and a .cu file are not tested, because nvcc or a library of foal::cuda was not found")
endif()
foreach(kind IN LISTS kinds)
  add_test(NAME package/${kind} COMMAND "${CMAKE_COMMAND}"
           "-DKIND=${kind}" "-DROOT=${PROJECT_SOURCE_DIR}" "-DBUILD=${PROJECT_BINARY_DIR}"
           "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/package/${kind}" "-DGENERATOR=${CMAKE_GENERATOR}"
           "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${fail_flags}" "-DVERSION=${PROJECT_VERSION}"
           "-DNVCC=${CUDAToolkit_NVCC_EXECUTABLE}" "-DPROCESSES=${processes}"
           -P "${PROJECT_SOURCE_DIR}/cmake/package_test.cmake")
  set_tests_properties(package/${kind} PROPERTIES LABELS package TIMEOUT 900)
endforeach()
