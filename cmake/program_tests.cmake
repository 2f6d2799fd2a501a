# Programs as their users start them, with little work: each must end well and print what it is for. Label "program".
# Those of tests/program have more to show: parity, translate.

# foal_program_test(NAME EXPECTED [ARGUMENT...]): EXPECTED is a regex over what it prints.
function(foal_program_test name expected)
  add_test(NAME program/${name} COMMAND "${CMAKE_COMMAND}" "-DPROGRAM=$<TARGET_FILE:${name}>" "-DARGUMENTS=${ARGN}"
           "-DEXPECTED=${expected}" "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/program/${name}"
           -P "${PROJECT_SOURCE_DIR}/cmake/program_test.cmake")
  set_tests_properties(program/${name} PROPERTIES LABELS program TIMEOUT 600 COST 1)  # the longest are begun first
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
# The programs of these tests alone: one object, because most of it is foal itself.
set(programs_of_tests tests/kill/trains)
if(TARGET processes)
  list(APPEND programs_of_tests tests/kill/lasts tests/program/processes_end tests/program/processes_sequences)
endif()
foal_add_unit_of_programs(programs_of_tests "${PROJECT_SOURCE_DIR}" ${programs_of_tests})
target_link_libraries(programs_of_tests PRIVATE $<TARGET_NAME_IF_EXISTS:foal::mpi>)
foreach(program IN LISTS programs_of_tests)
  get_filename_component(name "${program}" NAME)
  foal_main_in_unit(sources "${PROJECT_SOURCE_DIR}/${program}.cpp" programs_of_tests)
  foal_add_program(${name} ${sources})
  target_link_libraries(${name} PRIVATE example_processes)
endforeach()

# Killed at random moments, and told to end, it goes on to the same weights.
foreach(signal IN ITEMS KILL TERM)
  add_test(NAME program/kill_${signal} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/kill/kill.sh" "$<TARGET_FILE:trains>"
           --trials 3 --signal ${signal} --every 100)
  set_tests_properties(program/kill_${signal} PROPERTIES LABELS program TIMEOUT 300
                       PASS_REGULAR_EXPRESSION "3 trials, [0-9]+ kills: the same weights each time")
endforeach()

foal_program_test(quickstart "${most_are_right} of the test digits right")
foal_program_test(own_codec "sent in 12 bits +${most_are_right}.*the wires carry 5376 bytes.*float32 it would be 14336")
foal_program_test(own_delay_policy "weight prediction.*${most_are_right}")
foal_program_test(own_device "sums in double: +${most_are_right}.*differ by at most [0-9]")
foal_program_test(own_layer "swish .*${most_are_right} of the test digits right")
foal_program_test(own_recurrent "gradients right, and ${most_are_right} of the test digits")
foal_program_test(own_schedule "${most_are_right}.*: the same bits")
foal_program_test(own_transport "[1-9][0-9]+ messages between two processes: the bits of one thread")
foal_program_test(compare "GPipe.*PipeMare.*report: report/index.html" --epochs 1 --seeds 1 --jobs 1 --report report)
foal_program_test(gpt "perplexity.*int" --data "${PROJECT_SOURCE_DIR}/examples/gpt.cpp" --epochs 1 --microbatch-size 1
                  --prompt int --characters 20 --checkpoint saved --checkpoint-every 20 --resume)
foal_program_test(memory "pipedream .*pipemare" --microbatches 8 --workers 4)
foal_program_test(recompute "counted == planned == seen: yes.*saved +[0-9.]+ MiB +[0-9.]+ MiB" --seeds 0)
foal_program_test(replicas "averaged +2 .*local +2 " --epochs 1 --seeds 1)
foal_program_test(resnet "at the end +test loss [0-9]" --net resnet20 --minibatches 1 --microbatches 2 --microbatch-size 2)
foal_program_test(schedules "pipemare +stage 0 saves at most 8 microbatches. its gradients are 7 late")
foal_program_test(stability "discrepancy 10, T2 .*0\\.9" --svg limits.svg)
foal_program_test(sweep "asynchronous, uncorrected +[0-9]" --net mlp --methods none --epochs 1 --seeds 1 --jobs 1)
foal_program_test(utilisation "Time to target" --microbatches 2 --seconds 0.01 --forward-ms 0.3 --backward-ms 0.6
                  --no-equal-memory)
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

  foreach(count IN ITEMS 2 4)
    add_test(NAME program/processes_sequences_${count}
             COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} ${count} "$<TARGET_FILE:processes_sequences>")
    set_tests_properties(program/processes_sequences_${count} PROPERTIES LABELS program TIMEOUT 120 PROCESSORS ${count}
      FAIL_REGULAR_EXPRESSION "OTHER BITS" ENVIRONMENT "${mpi_environment}")
  endforeach()

  # The signal goes to one process, to all and the launcher, or to the launcher.
  foreach(row IN ITEMS "KILL rank" "KILL all" "TERM rank" "TERM launcher")
    string(REPLACE " " ";" row "${row}")
    list(GET row 0 signal)
    list(GET row 1 victim)
    add_test(NAME program/kill_${signal}_${victim}
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/kill/kill.sh" "$<TARGET_FILE:trains>" --trials 2 --signal ${signal}
                     --every 100 --memory 50 --launcher "${MPIEXEC_EXECUTABLE}" --processes 2 --victim ${victim})
    set_tests_properties(program/kill_${signal}_${victim} PROPERTIES LABELS program TIMEOUT 600 PROCESSORS 2
      PASS_REGULAR_EXPRESSION "2 trials, [0-9]+ kills: the same weights each time" ENVIRONMENT "${mpi_environment}")
  endforeach()

  # foal_processes_test(CASE COUNT EXPECTED): so many processes fail, and say what matches the regex EXPECTED. None
  # waits for the others until the time is up.
  function(foal_processes_test case count expected)
    set(command "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} ${count} "$<TARGET_FILE:processes_end>" ${case})
    add_test(NAME program/processes_end_${case}
             COMMAND "${CMAKE_COMMAND}" "-DCOMMAND=${command}" "-DEXPECTED=${expected}"
                     -P "${PROJECT_SOURCE_DIR}/cmake/processes_test.cmake")
    set_tests_properties(program/processes_end_${case} PROPERTIES LABELS program TIMEOUT 60 PROCESSORS ${count}
      ENVIRONMENT "${mpi_environment}")
  endfunction()
  # foal_each_refuses_test(CASE COUNT SENTENCE): each of them refuses with it.
  function(foal_each_refuses_test case count sentence)
    string(REPEAT "process [0-9]: cannot [^\n]*${sentence}.*" ${count} expected)
    foal_processes_test(${case} ${count} "${expected}")
  endfunction()

  # foal_each_throws_test(CASE COUNT SENTENCE): it comes out of each of them.
  function(foal_each_throws_test case count sentence)
    string(REPEAT "process [0-9]: ${sentence}.*" ${count} expected)
    foal_processes_test(${case} ${count} "${expected}")
  endfunction()

  foal_each_throws_test(tick 2 "the tick of process 0 has thrown")
  foal_each_throws_test(watch 2 "who watches stage 0 has thrown")
  foal_each_throws_test(disturb 2 "who disturbs process 1 has thrown")
  foal_each_throws_test(throws 3 "there is no microbatch 8")
  foal_each_throws_test(diverges 3 "cannot go on after update [0-9], because the [^\n]* is not finite")
  foal_processes_test(refused 2 "cannot go on, because process 0 refuses")
  foal_processes_test(made 3 "cannot make a run of 0 microbatches of 4 samples")
  foal_processes_test(leaves 2 "what comes next is run.. in process 0 and the end of MPI in process 1")
  foal_each_refuses_test(fresh 2 "compute fresh gradients in this process")
  foal_each_refuses_test(pin 2 "pin the workers of processes")
  foal_each_refuses_test(seed 2 "the runs are not the same: seed is 1 in process 0 and 2 in process 1")
  foal_each_refuses_test(rate 3 "the runs are not the same: learning rate.rate is 0.05 in process 0 and 0.1 in process 2")
  foal_each_refuses_test(microbatches 2 "the runs are not the same: microbatches is 3 in process 0 and 4 in process 1")
  foal_each_refuses_test(minibatches 2 "the runs are not the same: minibatches is 4 in process 0 and 5 in process 1")
  foal_each_refuses_test(size 2 "minibatches of an epoch is 4 in process 0 and 5 in process 1")
  foal_each_refuses_test(inputs 2 "digest of some inputs is [0-9a-f]+ in process 0 and [0-9a-f]+ in process 1")
  foal_each_refuses_test(targets 3 "digest of some targets is [0-9a-f]+ in process 0 and [0-9a-f]+ in process 2")

  foreach(how IN ITEMS evaluates tied)
    foreach(count IN ITEMS 2 3)
      add_test(NAME program/processes_${how}_${count}
               COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} ${count} "$<TARGET_FILE:processes_end>" ${how})
      set_tests_properties(program/processes_${how}_${count} PROPERTIES LABELS program TIMEOUT 60 PROCESSORS ${count}
        FAIL_REGULAR_EXPRESSION "OTHER BITS" ENVIRONMENT "${mpi_environment}")
    endforeach()
  endforeach()

  foreach(count IN ITEMS 2 3)
    add_test(NAME program/processes_end_pause_${count}
             COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} ${count} "$<TARGET_FILE:processes_end>" pause)
    string(REPEAT "process [0-9]: has paused and gone on to the same bits.*" ${count} expected)
    set_tests_properties(program/processes_end_pause_${count} PROPERTIES LABELS program TIMEOUT 60 PROCESSORS ${count}
      PASS_REGULAR_EXPRESSION "${expected}" FAIL_REGULAR_EXPRESSION "OTHER BITS"
      ENVIRONMENT "${mpi_environment}")
  endforeach()

  # One of them is killed, stopped, or does not come back from an op: all end. One trial each; ranks.sh takes more.
  function(foal_ranks_test name program launcher fault)
    add_test(NAME program/ranks_${name}
             COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/kill/ranks.sh" "$<TARGET_FILE:${program}>" --launcher "${launcher}"
                     --fault ${fault} --trials 1 --stall 1)
    set_tests_properties(program/ranks_${name} PROPERTIES LABELS program TIMEOUT 120 PROCESSORS 2
      PASS_REGULAR_EXPRESSION "1 trials of ${fault}: all processes gone each time")
  endfunction()
  foreach(fault IN ITEMS KILL STOP LOOP)
    foal_ranks_test(${fault} lasts "${MPIEXEC_EXECUTABLE}" ${fault})
  endforeach()

  add_test(NAME program/processes_end_metrics
           COMMAND "${MPIEXEC_EXECUTABLE}" ${MPIEXEC_NUMPROC_FLAG} 2 "$<TARGET_FILE:processes_end>" metrics
                   "${CMAKE_CURRENT_BINARY_DIR}/processes_end.jsonl")
  set_tests_properties(program/processes_end_metrics PROPERTIES LABELS program TIMEOUT 60 PROCESSORS 2
    PASS_REGULAR_EXPRESSION "36 microbatches, 3 lines.*36 microbatches, 3 lines" FAIL_REGULAR_EXPRESSION "WAITS"
    ENVIRONMENT "${mpi_environment}")
endif()

include("${PROJECT_SOURCE_DIR}/cmake/other_mpi.cmake")

foal_refusal_test(compare resume "use --resume, because no folder of checkpoints is named" --resume)
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
foal_refusal_test(gpt segments "train in 4 segments with --method gpipe" --method gpipe --segments 4)
foal_refusal_test(gpt data "nowhere.txt" --data nowhere.txt)
foal_refusal_test(gpt minibatch "a minibatch is 5000 microbatches of 8 = 40000 samples" --microbatches 5000)
foal_refusal_test(memory json "write nodir/x.json, because" --json nodir/x.json)
foal_refusal_test(recompute seed "use --seed -1, because" --seeds 0 --seed -1)
foal_refusal_test(resnet momentum "use --momentum nan, because" --momentum nan)
foal_refusal_test(resnet method "use --method foo, because it takes one of gpipe" --method foo)
foal_refusal_test(delay_lab profile "use the profile '1f1b', because it is no schedule on a number of ranks" --profiles 1f1b)
foal_refusal_test(delay_lab method "try the method 'mon', because there is none of that name; use one of momentum, "
                  --methods mon)
foal_refusal_test(delay_lab variant "vary the method 'muon' by 'horizn=1', because that is none of its numbers; write "
                  --methods muon:horizn=1)
foal_refusal_test(delay_lab other "vary the method 'adamw' by 'momentum=0.9', because it has no such number; leave it out"
                  --methods adamw:momentum=0.9)
foal_refusal_test(delay_lab number "vary the method 'muon-ahead' by 'horizon=x', because that is no number of 0 to 2; give "
                  --methods muon-ahead:horizon=x)
foal_refusal_test(schedules name "use schedule nothing, because it takes one of gpipe" nothing)
foal_refusal_test(schedules costs "take 2 costs, because an op is F, B or W" gpipe --costs 1,2)
foal_refusal_test(schedules chunks "run gpipe in 3 chunks a rank, because it has 1" gpipe --chunks 3)
foal_refusal_test(schedules items "plan 3 items with 2 factors, because each has one" --plan --items 3 --stage-costs 1,2)
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
