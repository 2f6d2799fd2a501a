# Which tests are compiled together (cmake/one_unit.cmake): one program and one translation unit of each row,
# "<program>: <a folder, or a test> ...". A test is the row's that names it, else its folder's. "<program> 2: ..." are two
# programs, among which the tests are dealt out. The longest to compile come first, so that at the end no processor is long
# without work.
#
# Apart, a program each, are those that need more than foal or change what the whole program does.
set(foal_test_programs
    "trainer: observe predictor sequence_trainer trainer tried"
    "executor 2: device/timed executor plan transport"
    "layer: layer lower model table"
    "zoo: cases recompute sweep zoo"
    "data: checkpoint data"
    "policy: policy"
    "report: report text"
    "schedule 2: schedule"
    "device: device"
    "basics: core delay_lab gpt options t3 tensor utilisation"
)
set(foal_tests_apart
    checkpoint/convert_weights
    checkpoint/faults
    core/type_name
    data/gzip
    data/views
    device/cudnn
    delay_lab/any_optimizer
    delay_lab/methods
    device/onednn
    device/onednn_training
    executor/arena
    foal
    lower/lower
    options/arguments
    program/delay_lab
    program/parity
    program/processes
    program/same_bits
    program/resnet
    program/resume
    program/schedules
    program/translate
    sweep/results
)

# What computes little (foal_little_work() in cmake/programs.cmake): programs of tests, and tests apart.
set(programs_of_little_work
    tests_of_basics
    tests_of_data
    tests_of_executor_1
    tests_of_executor_2
    tests_of_layer
    tests_of_policy
    tests_of_report
    tests_of_schedule_1
    tests_of_schedule_2
    tests_of_trainer
    tests_of_zoo
    arena_test
    lower_test
    onednn_training_test
)

# foal_programs_of_tests(OUT): the programs, in the order of their rows.
function(foal_programs_of_tests out)
  set(all)
  foreach(row IN LISTS foal_test_programs)
    string(REGEX MATCH "^([a-z_]+) ?([0-9]*):" begin "${row}")
    set(name "${CMAKE_MATCH_1}")
    if(CMAKE_MATCH_2)
      foreach(number RANGE 1 ${CMAKE_MATCH_2})
        list(APPEND all ${name}_${number})
      endforeach()
    else()
      list(APPEND all ${name})
    endif()
  endforeach()
  set(${out} "${all}" PARENT_SCOPE)
endfunction()

# foal_test_program(OUT TEST): the program that has it, or nothing for a test apart. To be called once for each test, in order.
function(foal_test_program out test)
  set(${out} "" PARENT_SCOPE)
  if(test IN_LIST foal_tests_apart)
    return()
  endif()
  string(REGEX REPLACE "/.*" "" folder "${test}")
  foreach(wanted IN ITEMS "${test}" "${folder}")
    foreach(row IN LISTS foal_test_programs)
      if(row MATCHES "^([a-z_]+) ?([0-9]*):.* ${wanted}( |$)")
        set(program "${CMAKE_MATCH_1}")
        if(CMAKE_MATCH_2)
          math(EXPR number "(${dealt_to_${program}} + 0) % ${CMAKE_MATCH_2} + 1")
          set(dealt_to_${program} ${number} PARENT_SCOPE)
          string(APPEND program "_${number}")
        endif()
        set(${out} ${program} PARENT_SCOPE)
        return()
      endif()
    endforeach()
  endforeach()
  message(FATAL_ERROR "cannot compile tests/${test}_test.cpp, because no row of cmake/test_programs.cmake has it; "
                      "add its folder to one")
endfunction()
