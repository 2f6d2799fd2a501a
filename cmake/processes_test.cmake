# cmake -P: COMMAND (a list) starts several processes; all of them must end, with another status than 0, and say what matches
# EXPECTED.

cmake_minimum_required(VERSION 3.24)
execute_process(COMMAND ${COMMAND} TIMEOUT 50 RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE errors)
if(NOT status MATCHES "^[0-9]+$" OR status EQUAL 0)
  message(FATAL_ERROR "${COMMAND}: ended with '${status}' where another status than 0 is expected\n${output}\n${errors}")
endif()
if(NOT "${output}${errors}" MATCHES "${EXPECTED}")
  message(FATAL_ERROR "${COMMAND}: says nothing that matches ${EXPECTED}:\n${output}\n${errors}")
endif()
