# The tests of the CUDA device without a GPU: their sources compiled as C++ against tests/support/emulation, whose headers
# stand where the toolkit's would. g++ calls the functions of emulation/watch.cpp before each access, as -fsanitize=thread
# has it; no sanitizer is linked. clang's calls are others, so clang's builds leave these tests to g++'s.

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU" OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux" OR CMAKE_CXX_FLAGS MATCHES "-fsanitize"
   OR "device" IN_LIST FOAL_LEFT_OUT_TESTS)
  return()
endif()

set(emulation "${CMAKE_CURRENT_SOURCE_DIR}/support/emulation")
file(GLOB emulation_sources CONFIGURE_DEPENDS "${emulation}/*.cpp")
add_library(emulated_cuda OBJECT ${emulation_sources})
target_link_libraries(emulated_cuda PUBLIC foal_program Catch2::Catch2 ${CMAKE_DL_LIBS})
target_include_directories(emulated_cuda BEFORE PUBLIC "${emulation}/cuda")
set_target_properties(emulated_cuda PROPERTIES CXX_EXTENSIONS OFF)
target_compile_options(emulated_cuda PRIVATE -O2)  # called at each access of each thread

# foal_emulated_program(PROGRAM TEST...)
function(foal_emulated_program program)
  list(LENGTH ARGN count)
  if(count EQUAL 1)  # as it is: reports name kernels with their namespaces
    set(source "${CMAKE_CURRENT_BINARY_DIR}/units/${program}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/${ARGN}_test.cu\"\n")
  else()
    foal_unit_source(source ${program}.cpp cu ${ARGN})
  endif()
  foal_add_test_program(${program} "emulated_cuda;host_apart" "${source}")
  # What nvcc does by itself: its macro, and its header before all.
  target_compile_options(${program} PRIVATE -D__CUDACC__ -include cuda_runtime.h -fsanitize=thread -Wno-tsan -O1)
  set_target_properties(${program} PROPERTIES ENABLE_EXPORTS ON)  # so that reports have the names of kernels
  foreach(test IN LISTS ARGN)
    get_filename_component(stem "${test}" NAME)
    catch_discover_tests(${program} TEST_SPEC "-#" "[#${stem}_test]" TEST_PREFIX "emulated/${test}/" EXTRA_ARGS --warn NoTests
                         PROPERTIES LABELS emulated TIMEOUT 600 COST 2)
  endforeach()
  foal_label_target(emulated ${program})
endfunction()

foreach(program IN LISTS foal_cuda_programs)
  foal_emulated_program(emulated_${program} ${tests_of_${program}})
endforeach()
# What trains over NCCL in one program.
set(over_nccl transport/nccl transport/nccl_replicas)
foal_emulated_program(emulated_nccl_tests ${over_nccl})
foreach(test IN LISTS foal_emulated_tests)
  if(NOT test IN_LIST over_nccl)
    foal_test_target(target ${test})
    foal_emulated_program(emulated_${target} ${test})
  endif()
endforeach()
