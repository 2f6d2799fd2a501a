# Debian has two MPIs, Open MPI and MPICH, and find_package() takes one of them. Where the other is installed, too, the
# programs that train in several processes are built with it once more.

if(NOT TARGET processes)
  return()
endif()
if("${MPI_CXX_INCLUDE_DIRS};${MPI_CXX_LIBRARIES}" MATCHES "openmpi")
  set(other mpich)
else()
  set(other openmpi)
endif()
find_program(FOAL_OTHER_MPICXX mpicxx.${other})
find_program(FOAL_OTHER_MPIRUN mpirun.${other})
mark_as_advanced(FOAL_OTHER_MPICXX FOAL_OTHER_MPIRUN)
if(NOT FOAL_OTHER_MPICXX OR NOT FOAL_OTHER_MPIRUN)
  message(STATUS "Training in several processes is tested with one MPI, because ${other} is not installed beside it")
  return()
endif()

execute_process(COMMAND "${FOAL_OTHER_MPICXX}" -show OUTPUT_VARIABLE shown OUTPUT_STRIP_TRAILING_WHITESPACE
                COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(shown UNIX_COMMAND "${shown}")
set(includes ${shown})
list(FILTER includes INCLUDE REGEX "^-I")
list(TRANSFORM includes REPLACE "^-I" "")
set(links ${shown})
list(FILTER links INCLUDE REGEX "^-[Ll]")

set(programs_of_other examples/processes tests/program/processes_end tests/program/processes_sequences tests/kill/lasts)
foal_add_unit_of_programs(programs_of_${other} "${PROJECT_SOURCE_DIR}" ${programs_of_other})
target_include_directories(programs_of_${other} SYSTEM PRIVATE ${includes})
target_compile_definitions(programs_of_${other} PRIVATE OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)
foal_little_work(programs_of_${other})
foreach(program IN LISTS programs_of_other)
  get_filename_component(name "${program}" NAME)
  foal_main_in_unit(sources "${PROJECT_SOURCE_DIR}/${program}.cpp" programs_of_${other})
  foal_add_program(${name}_${other} ${sources})
  target_link_libraries(${name}_${other} PRIVATE ${links})
endforeach()

# foal_other_mpi_test(NAME COUNT PROGRAM ARGUMENT...): so many processes, which end well.
function(foal_other_mpi_test name count program)
  add_test(NAME program/${name}_${other}
           COMMAND "${FOAL_OTHER_MPIRUN}" -n ${count} "$<TARGET_FILE:${program}_${other}>" ${ARGN})
  set_tests_properties(program/${name}_${other} PROPERTIES LABELS program TIMEOUT 120 PROCESSORS ${count}
    FAIL_REGULAR_EXPRESSION "OTHER BITS;WAITS" ENVIRONMENT "${mpi_environment}")
endfunction()
foreach(count IN ITEMS 1 2 4)
  foal_other_mpi_test(processes_${count} ${count} processes)
endforeach()
foreach(count IN ITEMS 2 4)
  foal_other_mpi_test(processes_sequences_${count} ${count} processes_sequences)
endforeach()
foal_other_mpi_test(processes_evaluate_3 3 processes_end evaluates)
foal_other_mpi_test(processes_tied_3 3 processes_end tied)
foal_other_mpi_test(processes_end_pause 2 processes_end pause)
foal_other_mpi_test(processes_end_metrics 2 processes_end metrics "${CMAKE_CURRENT_BINARY_DIR}/processes_end_${other}.jsonl")

# foal_other_mpi_fails_test(NAME LAUNCHER COUNT EXPECTED CASE): they fail and say what matches the regex.
function(foal_other_mpi_fails_test name launcher count expected case)
  set(command "${launcher}" -n ${count} "$<TARGET_FILE:processes_end_${other}>" ${case})
  add_test(NAME program/processes_end_${name}_${other}
           COMMAND "${CMAKE_COMMAND}" "-DCOMMAND=${command}" "-DEXPECTED=${expected}"
                   -P "${PROJECT_SOURCE_DIR}/cmake/processes_test.cmake")
  set_tests_properties(program/processes_end_${name}_${other} PROPERTIES LABELS program TIMEOUT 60 PROCESSORS ${count}
    ENVIRONMENT "${mpi_environment}")
endfunction()
foal_other_mpi_fails_test(tick "${FOAL_OTHER_MPIRUN}" 2 "the tick of process 0 has thrown" tick)
foreach(case IN ITEMS diverges throws)  # in each of them
  string(REPEAT "process [0-9]: [^\n]*(is not finite|there is no microbatch).*" 3 expected)
  foal_other_mpi_fails_test(${case} "${FOAL_OTHER_MPIRUN}" 3 "${expected}" ${case})
endforeach()
foal_other_mpi_fails_test(refused "${FOAL_OTHER_MPIRUN}" 2 "cannot go on, because process 0 refuses" refused)
foal_other_mpi_fails_test(inputs "${FOAL_OTHER_MPIRUN}" 2 "digest of some inputs is" inputs)
foreach(fault IN ITEMS KILL STOP LOOP)
  foal_ranks_test(${fault}_${other} lasts_${other} "${FOAL_OTHER_MPIRUN}" ${fault})
endforeach()
# A program of the one MPI that the other's mpirun starts comes up as so many processes that are alone.
foal_other_mpi_fails_test(launcher "${MPIEXEC_EXECUTABLE}" 2 "cannot train as process 0 of 1, as .* the environment says" tick)
