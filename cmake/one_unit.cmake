# cmake -P: writes OUT, one translation unit of all TESTS (names as in cmake/program_list.cmake, of files <name>_test.SUFFIX),
# so that foal's own code, most of what a test program compiles, is compiled once for all of them.
#
# All their includes come first; then each file stands in a namespace of its own, where its includes do nothing any more. So
# two files may use one name for different things, as they may in two programs.

cmake_minimum_required(VERSION 3.24)

set(includes)
set(bodies "")
foreach(test IN LISTS TESTS)
  set(source "${ROOT}/tests/${test}_test.${SUFFIX}")
  get_filename_component(folder "${source}" DIRECTORY)
  file(STRINGS "${source}" lines REGEX "^[ \t]*#[ \t]*include[ \t]+[<\"]")
  foreach(line IN LISTS lines)
    string(REGEX REPLACE "^[ \t]*#[ \t]*include[ \t]+([<\"][^>\"]+[>\"]).*" "\\1" include "${line}")
    string(REGEX REPLACE "^\"(.*)\"$" "\\1" quoted "${include}")
    if(NOT quoted STREQUAL include)
      set(include "\"${ROOT}/${quoted}\"")
      if(EXISTS "${folder}/${quoted}")
        get_filename_component(quoted "${folder}/${quoted}" ABSOLUTE)
        set(include "\"${quoted}\"")
      endif()
    endif()
    list(APPEND includes "${include}")
  endforeach()
  string(MAKE_C_IDENTIFIER "test_of_${test}" name)
  string(APPEND bodies "namespace ${name} {\n#include \"${source}\"\n}\n")
endforeach()
list(REMOVE_DUPLICATES includes)
list(SORT includes ORDER DESCENDING)  # <...> before "..."
list(TRANSFORM includes PREPEND "#include ")
list(JOIN includes "\n" includes)
file(WRITE "${OUT}" "${includes}\n\n${bodies}")
