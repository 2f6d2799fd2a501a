# Programs as their users start them, with little work: each must end well and print what it is for. Label "program".
# Those of tests/program have more to show: parity, translate.

# foal_program_test(NAME EXPECTED [ARGUMENT...]): EXPECTED is a regex over what it prints.
function(foal_program_test name expected)
  add_test(NAME program/${name} COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${name}>" "-DARGUMENTS=${ARGN}"
           "-DEXPECTED=${expected}" "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/program/${name}"
           -P "${PROJECT_SOURCE_DIR}/cmake/program_test.cmake")
  set_tests_properties(program/${name} PROPERTIES LABELS program TIMEOUT 600)
endfunction()

set(most_are_right "[89][0-9]\\.[0-9] %")
foal_program_test(quickstart "${most_are_right} of the test digits right")
foal_program_test(own_delay_policy "weight prediction.*${most_are_right}")
foal_program_test(own_layer "swish .*${most_are_right} of the test digits right")
foal_program_test(own_recurrent "gradients right, and ${most_are_right} of the test digits")
foal_program_test(own_schedule "${most_are_right}.*: the same bits")
foal_program_test(compare "GPipe.*PipeMare.*report: report/index.html" --epochs 1 --seeds 1 --jobs 1 --report report)
foal_program_test(gpt "perplexity.*int" --data "${PROJECT_SOURCE_DIR}/examples/gpt.cpp" --epochs 1 --microbatch-size 1
                  --prompt int --characters 20)
foal_program_test(memory "pipedream .*pipemare" --microbatches 2)
foal_program_test(recompute "counted == planned == seen: yes.*saved +[0-9.]+ MiB +[0-9.]+ MiB" --seeds 0)
foal_program_test(resnet "at the end +test loss [0-9]" --net resnet20 --minibatches 1 --microbatches 2 --microbatch-size 2)
foal_program_test(stability "discrepancy 10, T2 .*0\\.9" --svg limits.svg)
foal_program_test(sweep "asynchronous, uncorrected +[0-9]" --net mlp --methods none --epochs 1 --seeds 1 --jobs 1)
foal_program_test(utilisation "Time to target" --microbatches 2 --seconds 0.01 --no-equal-memory)
foal_program_test(wires "int8, of both +[0-9]" --epochs 1 --seeds 1)
