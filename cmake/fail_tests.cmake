# Compile-fail tests: each tests/fail/<name>_fail.cpp must be refused with the sentence that its first line expects, and
# all_good.cpp, the same things put right, must compile with the same flags, so that a broken include cannot fake a refusal.

get_target_property(eigen_dir Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
set(fail_flags -std=c++20 -Wall -Wextra -Wpedantic -Wconversion "-I${foal_include_dir}")
foreach(dir IN LISTS eigen_dir)
  list(APPEND fail_flags -isystem "${dir}")
endforeach()

# Most of them begin with one header, net.hpp, which is most of their time: compiled once, before them. Both compilers take a
# compiled header that lies beside a header of -include.
set(fail_header "${CMAKE_CURRENT_BINARY_DIR}/fail_net.hpp")
file(CONFIGURE OUTPUT "${fail_header}" CONTENT "#include \"${CMAKE_CURRENT_SOURCE_DIR}/fail/net.hpp\"\n")
add_custom_command(OUTPUT fail_net.stamp
                   COMMAND "${CMAKE_CXX_COMPILER}" ${fail_flags} -MD -MF fail_net.d -MT fail_net.stamp -x c++-header
                           "${fail_header}" -o "${fail_header}.gch"
                   COMMAND "${CMAKE_COMMAND}" -E touch fail_net.stamp
                   DEPFILE fail_net.d DEPENDS "${fail_header}" COMMENT "Compiling the header of tests/fail" VERBATIM)
add_custom_target(fail_header ALL DEPENDS fail_net.stamp)

function(foal_judge_refusal test source)
  set(flags ${fail_flags})
  file(STRINGS "${source}" begins REGEX "^#include \"net.hpp\"|^// with-flags: ")
  if(begins STREQUAL "#include \"net.hpp\"")
    list(APPEND flags -Winvalid-pch -include "${fail_header}")
  endif()
  add_test(NAME "${test}" COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${source}" "-DCOMPILER=${CMAKE_CXX_COMPILER}"
           "-DFLAGS=${flags}" -P "${PROJECT_SOURCE_DIR}/cmake/compile_fail.cmake")
  set_tests_properties("${test}" PROPERTIES LABELS fail)
endfunction()

foreach(name IN LISTS foal_fail_tests)
  foal_judge_refusal("fail/${name}" "${CMAKE_CURRENT_SOURCE_DIR}/fail/${name}_fail.cpp")
endforeach()

set(all_good "${CMAKE_CURRENT_SOURCE_DIR}/fail/all_good.cpp")
add_test(NAME fail/all_good COMMAND "${CMAKE_CXX_COMPILER}" ${fail_flags} -Werror -fsyntax-only "${all_good}")
set_tests_properties(fail/all_good PROPERTIES LABELS fail)

# The judge itself: it must not accept a program that compiles, nor one that is refused with other words.
foreach(name IN ITEMS compiles other_words two_errors flag_that_is_taken)
  foal_judge_refusal("fail/judge_rejects_${name}" "${CMAKE_CURRENT_SOURCE_DIR}/fail/judge/${name}.cpp")
  set_tests_properties("fail/judge_rejects_${name}" PROPERTIES WILL_FAIL TRUE)
endforeach()
