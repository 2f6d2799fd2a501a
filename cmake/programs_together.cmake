# cmake -P: writes OUT, one translation unit of the programs PROGRAMS (files in FOLDER, each with its main at its end), so that
# foal's own code, most of what each compiles, is compiled once for all of them. "..." is looked for in FOLDER.
#
# All their includes come first; then each program stands in a namespace of its own, program_of_<name>, where its main is a
# function as others are: one that must end with a return.

cmake_minimum_required(VERSION 3.24)

set(includes)
set(bodies "")
foreach(program IN LISTS PROGRAMS)
  set(source "${FOLDER}/${program}.cpp")
  get_filename_component(name "${program}" NAME)
  file(STRINGS "${source}" lines REGEX "^#include [<\"]")
  list(APPEND includes ${lines})
  file(READ "${source}" body)
  string(REGEX REPLACE "}\n$" "return 0; }\n" body "${body}")
  string(APPEND bodies "\nnamespace program_of_${name} {\n#line 1 \"${source}\"\n${body}}\n")
endforeach()
list(REMOVE_DUPLICATES includes)
list(JOIN includes "\n" includes)
file(WRITE "${OUT}" "${includes}\n${bodies}")
