# cmake -P: compiles SOURCE and judges the refusal. Its first line says what to expect: // expected-error: <regex>
#
# Where no static assertion can be asked before the compiler's own error, a line "// expected-kind: <words>" has words of that
# error instead; the regex is then met by the lines of source that the compiler shows beside it.
#
# Needs SOURCE, COMPILER, and FLAGS (a list); or SHARE, the file with what the compiler says of SOURCE in a unit of more
# programs (cmake/fail_unit.cmake). The compiler must fail with exactly one error, a static assertion whose output
# matches the regex (over line ends too), with no warning, in at most 30 lines, or as many as a line "// expected-lines: <n>"
# allows. A line "// with-flags: <flags>" adds flags, for a program that is refused because of them: then the error is an
# #error of foal's, and a file that cannot be included ends the output. A line "// compiled-alone: <why>": in no unit of more.

cmake_minimum_required(VERSION 3.24)
file(STRINGS "${SOURCE}" head LIMIT_COUNT 5)
list(GET head 0 first)
if(NOT first MATCHES "^// expected-error: (.+)$")
  message(FATAL_ERROR "cannot judge ${SOURCE}, because its first line is not '// expected-error: <regex>'; write it there")
endif()
set(expected "${CMAKE_MATCH_1}")
set(most_lines 30)
if(head MATCHES "// expected-lines: ([0-9]+)")
  set(most_lines ${CMAKE_MATCH_1})
endif()
set(kind "static assertion")
set(more_flags)
if(head MATCHES "// with-flags: ([^;]+)")
  separate_arguments(more_flags UNIX_COMMAND "${CMAKE_MATCH_1}")
  set(kind "foal cannot be compiled ")  # clang's word for an #error is no other than error
endif()

if(head MATCHES "// expected-kind: ([a-z ]+)")
  set(kind "${CMAKE_MATCH_1}")
endif()

if(DEFINED SHARE)
  set(status 0)
  if(EXISTS "${SHARE}")
    set(status 1)
    file(READ "${SHARE}" output)
  endif()
else()
  execute_process(COMMAND ${COMPILER} ${FLAGS} ${more_flags} -fsyntax-only "${SOURCE}"
                  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
endif()
if(status EQUAL 0)
  message(FATAL_ERROR "${SOURCE} compiles, but it should be refused with: ${expected}")
endif()

# A semicolon would cut a line into two list entries.
string(REPLACE ";" "," list_output "${output}")
string(REGEX MATCHALL "[^\n]*error: [^\n]*" errors "${list_output}")
if(more_flags)
  list(FILTER errors EXCLUDE REGEX "fatal error: .*foal cannot be compiled like this: see the error above")
endif()
list(LENGTH errors error_count)
string(REGEX REPLACE "[^\n]" "" newlines "${output}")
string(LENGTH "${newlines}" lines)

set(complaints)
if(NOT output MATCHES "${expected}")
  string(APPEND complaints "\n  the output does not match: ${expected}")
endif()
if(NOT error_count EQUAL 1)
  string(APPEND complaints "\n  ${error_count} errors instead of one")
endif()
if(NOT errors MATCHES "${kind}")
  string(APPEND complaints "\n  the error is not of the kind '${kind}'")
endif()
if(output MATCHES "warning: ")
  string(APPEND complaints "\n  there are warnings beside the error")
endif()
if(lines GREATER most_lines)
  string(APPEND complaints "\n  ${lines} lines of output, more than ${most_lines}")
endif()
if(complaints)
  message(NOTICE "${output}")
  message(FATAL_ERROR "${SOURCE} is refused, but not as it should be:${complaints}")
endif()
message(STATUS "refused in ${lines} lines: ${SOURCE}")
