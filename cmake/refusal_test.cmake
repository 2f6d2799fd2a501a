# cmake -P: runs PROGRAM with ARGUMENTS (a list) in the fresh folder WORK; it must refuse them, status 1, with what matches
# EXPECTED on stderr, before it trains: in a few seconds.

cmake_minimum_required(VERSION 3.24)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")
execute_process(COMMAND "${PROGRAM}" ${ARGUMENTS} WORKING_DIRECTORY "${WORK}"
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT status EQUAL 1)
  message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: ended with ${status} where 1 is expected\n${output}\n${errors}")
endif()
if(NOT errors MATCHES "^[a-z_]+: cannot [^\n]*${EXPECTED}")
  message(FATAL_ERROR "${PROGRAM} ${ARGUMENTS}: gives no sentence that matches ${EXPECTED}:\n${output}\n${errors}")
endif()
