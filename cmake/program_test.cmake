# cmake -P: runs PROGRAM with ARGUMENTS (a list) in the fresh folder WORK; it must succeed, and print what matches
# EXPECTED.

cmake_minimum_required(VERSION 3.24)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
execute_process(COMMAND "${PROGRAM}" ${ARGUMENTS} WORKING_DIRECTORY "${WORK}"
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: ended with ${status}\n${output}\n${errors}")
endif()
if(NOT output MATCHES "${EXPECTED}")
  message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: prints nothing that matches ${EXPECTED}:\n${output}\n${errors}")
endif()
