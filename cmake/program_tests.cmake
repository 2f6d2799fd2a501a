# Programs as their users start them, with little work: each must end well and print what it is for. Label "program".
# Those of tests/program have more to show: parity, translate.

# foal_program_test(NAME EXPECTED [ARGUMENT...]): EXPECTED is a regex over what it prints.
function(foal_program_test name expected)
  add_test(NAME program/${name} COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${name}>" "-DARGUMENTS=${ARGN}"
           "-DEXPECTED=${expected}" "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/program/${name}"
           -P "${PROJECT_SOURCE_DIR}/cmake/program_test.cmake")
  set_tests_properties(program/${name} PROPERTIES LABELS program TIMEOUT 600)
endfunction()

# foal_refusal_test(NAME CASE EXPECTED ARGUMENT...): it refuses these arguments with a sentence that matches the regex EXPECTED,
# before it trains.
function(foal_refusal_test name case expected)
  add_test(NAME program/${name}/refuses_${case}
           COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${name}>" "-DARGUMENTS=${ARGN}" "-DEXPECTED=${expected}"
           "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/program/${name}_${case}" -P "${PROJECT_SOURCE_DIR}/cmake/refusal_test.cmake")
  set_tests_properties(program/${name}/refuses_${case} PROPERTIES LABELS program TIMEOUT 60)
endfunction()

set(most_are_right "[89][0-9]\\.[0-9] %")
foal_program_test(quickstart "${most_are_right} of the test digits right")
foal_program_test(own_codec "sent in 12 bits +${most_are_right}.*the wires carry 5376 bytes.*float32 it would be 14336")
foal_program_test(own_delay_policy "weight prediction.*${most_are_right}")
foal_program_test(own_device "sums in double: +${most_are_right}.*differ by at most [0-9]")
foal_program_test(own_layer "swish .*${most_are_right} of the test digits right")
foal_program_test(own_recurrent "gradients right, and ${most_are_right} of the test digits")
foal_program_test(own_schedule "${most_are_right}.*: the same bits")
foal_program_test(compare "GPipe.*PipeMare.*report: report/index.html" --epochs 1 --seeds 1 --jobs 1 --report report)
foal_program_test(gpt "perplexity.*int" --data "${PROJECT_SOURCE_DIR}/examples/gpt.cpp" --epochs 1 --microbatch-size 1
                  --prompt int --characters 20)
foal_program_test(memory "pipedream .*pipemare" --microbatches 2)
foal_program_test(recompute "counted == planned == seen: yes.*saved +[0-9.]+ MiB +[0-9.]+ MiB" --seeds 0)
foal_program_test(resnet "at the end +test loss [0-9]" --net resnet20 --minibatches 1 --microbatches 2 --microbatch-size 2)
foal_program_test(schedules "pipemare +stage 0 saves at most 8 microbatches. its gradients are 7 late")
foal_program_test(stability "discrepancy 10, T2 .*0\\.9" --svg limits.svg)
foal_program_test(sweep "asynchronous, uncorrected +[0-9]" --net mlp --methods none --epochs 1 --seeds 1 --jobs 1)
foal_program_test(utilisation "Time to target" --microbatches 2 --seconds 0.01 --no-equal-memory)
foal_program_test(wires "int8, of both +[0-9]" --epochs 1 --seeds 1)

# Both MPIs of Debian; Open MPI wants to be told where the user is root, and where processes share a core.
if(TARGET processes)
  set(mpi_environment OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1)
  foreach(count IN ITEMS 1 2 4)
    add_test(NAME program/processes_${count}
             COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} ${count} "$<TARGET_FILE:processes>")
    set_tests_properties(program/processes_${count} PROPERTIES LABELS program TIMEOUT 120 PROCESSORS ${count}
      FAIL_REGULAR_EXPRESSION "OTHER BITS"
      ENVIRONMENT "${mpi_environment}")
  endforeach()

  foal_add_program(processes_end "${CMAKE_CURRENT_SOURCE_DIR}/program/processes_end.cpp")
  target_link_libraries(processes_end PRIVATE foal::mpi)
  # What one of two processes throws ends both, and with its sentence: none waits for the other until the time is up.
  function(foal_processes_test case expected)
    add_test(NAME program/processes_end_${case}
             COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} 2 "$<TARGET_FILE:processes_end>" ${case} ${ARGN})
    set_tests_properties(program/processes_end_${case} PROPERTIES LABELS program TIMEOUT 60 PROCESSORS 2
      PASS_REGULAR_EXPRESSION "${expected}" ENVIRONMENT "${mpi_environment}")
  endfunction()
  foal_processes_test(tick "the tick of process 0 has thrown")
  foal_processes_test(watch "who watches stage 0 has thrown")
  foal_processes_test(refused "cannot go on, because process 0 refuses")
  foal_processes_test(norm "cannot clip by the norm of all stages in several processes")
  foal_processes_test(metrics "36 microbatches, 3 lines.*36 microbatches, 3 lines"
                      "${CMAKE_CURRENT_BINARY_DIR}/processes_end.jsonl")
  set_tests_properties(program/processes_end_metrics PROPERTIES FAIL_REGULAR_EXPRESSION "WAITS")
endif()

foal_refusal_test(compare target "use --target nan, because it takes a number above 0 and up to 100" --target nan)
foal_refusal_test(compare t2_decay "use --t2-decay 1, because" --t2-decay 1)
foal_refusal_test(compare json "write nodir/x.json, because" --json nodir/x.json)
foal_refusal_test(compare report "make the directory /proc/nowhere" --report /proc/nowhere)
foal_refusal_test(compare minibatch "train on 4000 samples, because a minibatch is 4 microbatches of 5000 = 20000 samples"
                  --microbatch-size 5000)
foal_refusal_test(compare t3_epochs "give --t3-epochs of at most 0" --epochs 1 --t3-epochs 1)
foal_refusal_test(gpt temperature "use --temperature nan, because" --temperature nan)
foal_refusal_test(gpt seed "use --seed 99999999999999999999, because" --seed 99999999999999999999)
foal_refusal_test(gpt epochs "use --epochs 0, because it takes a whole number from 1 to 1000000; change it" --epochs 0)
foal_refusal_test(gpt prompt "its character number 2 is none of the text" --prompt a~)
foal_refusal_test(gpt data "nowhere.txt" --data nowhere.txt)
foal_refusal_test(gpt minibatch "a minibatch is 5000 microbatches of 8 = 40000 samples" --microbatches 5000)
foal_refusal_test(memory json "write nodir/x.json, because" --json nodir/x.json)
foal_refusal_test(recompute seed "use --seed -1, because" --seeds 0 --seed -1)
foal_refusal_test(resnet momentum "use --momentum nan, because" --momentum nan)
foal_refusal_test(resnet method "use --method foo, because it takes one of gpipe" --method foo)
foal_refusal_test(stability svg "write nodir/x.svg, because" --svg nodir/x.svg)
foal_refusal_test(sweep numbers "use --epochs 1.5, because it takes a whole number" --epochs 1,1.5)
foal_refusal_test(sweep html "write nodir/x.html, because" --html nodir/x.html)
foal_refusal_test(sweep minibatch "a minibatch is 1000 microbatches of 8" --microbatches 1000)
foal_refusal_test(sweep t3_epochs "warm up for 4 epochs, because the run has 4" --epochs 4 --t3-epochs 4)
foal_refusal_test(translate samples "use --samples -1, because" --samples -1)
foal_refusal_test(translate load "nowhere.safetensors" --load nowhere.safetensors)
foal_refusal_test(translate weight_decay "use --weight-decay inf, because" --weight-decay inf)
foal_refusal_test(utilisation seconds "use --seconds nan, because" --seconds nan)
foal_refusal_test(utilisation schedule "use --schedule foo, because it takes one of sequential" --schedule foo)
foal_refusal_test(wires seed "use --seed -1, because it takes a whole number from 0" --seed -1)
