# cmake -P: compiles the programs SOURCES as one translation unit, and writes WORK/<file name>.txt, what the compiler says of
# each of which it says something. For compile_fail.cmake.
#
# All their includes come first; then each program stands in a namespace of its own, so that no type of one is another's. What
# is no program's own, or two programs' at once, is a fault of the unit. Compilers say once for neighbours where files are
# included from, so for all but the first of a run the limit of lines in compile_fail.cmake is a few lines wider.

cmake_minimum_required(VERSION 3.24)
file(REMOVE_RECURSE "${WORK}")
set(includes)
set(bodies "")
foreach(source IN LISTS SOURCES)
  get_filename_component(folder "${source}" DIRECTORY)
  get_filename_component(name "${source}" NAME_WE)
  file(STRINGS "${source}" lines REGEX "^#include [<\"]")
  list(TRANSFORM lines REPLACE "\"(.*)\"" "\"${folder}/\\1\"")
  list(APPEND includes ${lines})
  string(APPEND bodies "namespace program_of_${name} {\n#include \"${source}\"\n}\n")
endforeach()
list(REMOVE_DUPLICATES includes)
list(JOIN includes "\n" includes)
file(WRITE "${WORK}/unit.cpp" "${includes}\n\n${bodies}")

# main is a function as others are here, where it need not return.
execute_process(COMMAND ${COMPILER} ${FLAGS} -Wno-return-type -fsyntax-only "${WORK}/unit.cpp"
                RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)

# A piece is an error or a warning with the lines before it that say where it comes from, and all that follows.
set(strangers "")
function(keep piece)
  set(owners)
  foreach(source IN LISTS SOURCES)
    string(FIND "${piece}" "${source}:" place)
    if(NOT place EQUAL -1)
      list(APPEND owners "${source}")
    endif()
  endforeach()
  list(LENGTH owners count)
  if(count EQUAL 1)
    get_filename_component(name "${owners}" NAME)
    file(APPEND "${WORK}/${name}.txt" "${piece}")
  elseif(piece MATCHES "(error|warning): ")
    set(strangers "${strangers}${piece}" PARENT_SCOPE)
  endif()
endfunction()

set(piece "")
set(origin "")
string(FIND "${output}" "\n" end)
while(NOT end EQUAL -1)
  math(EXPR end "${end} + 1")
  string(SUBSTRING "${output}" 0 ${end} line)
  string(SUBSTRING "${output}" ${end} -1 output)
  if(line MATCHES ": (fatal error|error|warning): ")
    keep("${piece}")
    set(piece "${origin}${line}")
    set(origin "")
  elseif(line MATCHES "^In file included from |^ +from |: (In|At) [a-z]|:  +(recursively )?required (from|by) ")
    string(APPEND origin "${line}")
  else()
    string(APPEND piece "${origin}${line}")
    set(origin "")
  endif()
  string(FIND "${output}" "\n" end)
endwhile()
keep("${piece}")

if(status EQUAL 0 OR strangers)
  message(FATAL_ERROR "cannot judge ${WORK}/unit.cpp, because it compiles, or this is not of one of its programs; give a program "
                      "whose refusal is another's too the line '// compiled-alone: <why>':\n${strangers}")
endif()
