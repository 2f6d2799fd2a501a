# cmake -P: the tests of the CUDA device as two translation units, OUT/cuda_op_tests.cu and OUT/cuda_training_tests.cu.
#
# Needs -DROOT=<top of the tree> and -DOUT=<an absolute folder>.

cmake_minimum_required(VERSION 3.24)
include("${ROOT}/cmake/program_list.cmake")

set(units "${OUT}")  # one_unit.cmake has names of its own
set(SUFFIX cu)
set(op_tests ${foal_cuda_tests})
list(REMOVE_ITEM op_tests ${foal_cuda_tests_that_train})
foreach(unit IN ITEMS op training)
  set(TESTS ${op_tests})
  if(unit STREQUAL "training")
    set(TESTS ${foal_cuda_tests_that_train})
  endif()
  set(OUT "${units}/cuda_${unit}_tests.cu")
  include("${ROOT}/cmake/one_unit.cmake")
endforeach()
