# Compile-fail tests: each tests/fail/<name>_fail.cpp must be refused with the sentence that its first line expects, and
# all_good.cpp, the same things put right, must compile with the same flags, so that a broken include cannot fake a refusal.

get_target_property(eigen_dir Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
set(fail_flags -std=c++20 -Wall -Wextra -Wpedantic -Wconversion "-I${foal_include_dir}")
foreach(dir IN LISTS eigen_dir)
  list(APPEND fail_flags -isystem "${dir}")
endforeach()

# foal_judge_refusal(TEST SOURCE [ARGUMENT...]): what the compiler says of SOURCE alone; or its share of what it says of a unit.
function(foal_judge_refusal test source)
  add_test(NAME "${test}" COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${source}" "-DCOMPILER=${CMAKE_CXX_COMPILER}"
           "-DFLAGS=${fail_flags}" ${ARGN} -P "${PROJECT_SOURCE_DIR}/cmake/compile_fail.cmake")
  set_tests_properties("${test}" PROPERTIES LABELS fail)
endfunction()

# foal_fail_unit(UNIT SOURCE...): the test UNIT, which compiles them as one (cmake/fail_unit.cmake).
function(foal_fail_unit unit)
  set(flags ${fail_flags})
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
    list(APPEND flags -ferror-limit=0)
  endif()
  add_test(NAME "${unit}" COMMAND "${CMAKE_COMMAND}" "-DSOURCES=${ARGN}" "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${flags}"
           "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/${unit}" -P "${PROJECT_SOURCE_DIR}/cmake/fail_unit.cmake")
  set_tests_properties("${unit}" PROPERTIES LABELS fail FIXTURES_SETUP "${unit}" COST 3)
endfunction()

# foal_judge_share(TEST SOURCE UNIT)
function(foal_judge_share test source unit)
  get_filename_component(name "${source}" NAME)
  foal_judge_refusal("${test}" "${source}" "-DSHARE=${CMAKE_CURRENT_BINARY_DIR}/${unit}/${name}.txt")
  set_tests_properties("${test}" PROPERTIES FIXTURES_REQUIRED "${unit}")
endfunction()

# Nearly all of the time goes to foal's headers: so the programs are compiled together, but for those with flags or reasons.
set(fail_together)
foreach(name IN LISTS foal_fail_tests)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/fail/${name}_fail.cpp")
  file(STRINGS "${source}" apart REGEX "^// (with-flags|compiled-alone): ")
  if(apart)
    foal_judge_refusal("fail/${name}" "${source}")
  else()
    list(APPEND fail_together "${source}")
    foal_judge_share("fail/${name}" "${source}" fail/unit)
  endif()
endforeach()
foal_fail_unit(fail/unit ${fail_together})

set(all_good "${CMAKE_CURRENT_SOURCE_DIR}/fail/all_good.cpp")
add_test(NAME fail/all_good COMMAND "${CMAKE_CXX_COMPILER}" ${fail_flags} -Werror -fsyntax-only "${all_good}")
set_tests_properties(fail/all_good PROPERTIES LABELS fail COST 3)

# The judge itself: it must not accept a program that compiles, nor one that is refused with other words, alone or among others.
set(judged)
foreach(name IN ITEMS compiles other_words two_errors flag_that_is_taken)
  set(source "${CMAKE_CURRENT_SOURCE_DIR}/fail/judge/${name}.cpp")
  list(APPEND judged "${source}")
  foal_judge_refusal("fail/judge_rejects_${name}" "${source}")
  foal_judge_share("fail/judge_rejects_${name}_of_a_unit" "${source}" fail/judge_unit)
  set_tests_properties("fail/judge_rejects_${name}" "fail/judge_rejects_${name}_of_a_unit" PROPERTIES WILL_FAIL TRUE)
endforeach()
set(source "${CMAKE_CURRENT_SOURCE_DIR}/fail/judge/its_own_words.cpp")
foal_judge_share("fail/judge_accepts_its_share_of_a_unit" "${source}" fail/judge_unit)
foal_fail_unit(fail/judge_unit ${judged} "${source}")
