# cmake -P: examples/translate as PROGRAM, in the fresh folder WORK. Weights that it saves translate the same when they are
# loaded; what cannot be loaded or saved is refused with a sentence, before hours of training.

cmake_minimum_required(VERSION 3.24)
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}/corpus")

# Texts of two to five numbers, in words.
set(english one two three four five six seven eight)
set(german eins zwei drei vier fuenf sechs sieben acht)
function(write_corpus split lines)
  foreach(i RANGE 1 ${lines})
    set(from "")
    set(to "")
    math(EXPR last "1 + ${i} % 4")
    foreach(j RANGE ${last})
      math(EXPR number "(${i} * 7 + ${j} * ${j} * (1 + ${i} / 8)) % 8")
      list(GET english ${number} word)
      string(APPEND from "${word} ")
      list(GET german ${number} word)
      string(APPEND to "${word} ")
    endforeach()
    string(STRIP "${from}" from)
    string(STRIP "${to}" to)
    file(APPEND "${WORK}/corpus/${split}.en" "${from}\n")
    file(APPEND "${WORK}/corpus/${split}.de" "${to}\n")
  endforeach()
endfunction()
write_corpus(train 256)
write_corpus(val 32)
write_corpus(test 16)

# Runs it; gives the exit status and all that it printed.
function(translate status_out output_out)
  execute_process(COMMAND "${PROGRAM}" --data corpus:en-de --merges 60 --samples 4 ${ARGN} WORKING_DIRECTORY "${WORK}"
                  RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  set(${status_out} "${status}" PARENT_SCOPE)
  set(${output_out} "${output}" PARENT_SCOPE)
endfunction()

# The lines "translation ..." of what it printed, which must be there.
function(translations_of output lines_out)
  string(REGEX MATCHALL "  translation  [^\n]+" lines "${output}")
  list(LENGTH lines count)
  if(NOT count EQUAL 4)
    message(FATAL_ERROR "${count} translations printed, 4 expected:\n${output}")
  endif()
  set(${lines_out} "${lines}" PARENT_SCOPE)
endfunction()

# A run whose average is its last weights, because it has no memory: the translations printed, of the average, are theirs.
translate(status trained --methods t1t2t3 --epochs 4 --t3-epochs 1 --rate 5e-3 --microbatch-size 4 --microbatches 4 --warmup-updates 10
          --average-decay 0 --save weights.safetensors)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "training ended with ${status}:\n${trained}")
endif()
translations_of("${trained}" of_trained)

translate(status loaded --methods gpipe --seed 2 --load weights.safetensors)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "loading ended with ${status}:\n${loaded}")
endif()
translations_of("${loaded}" of_loaded)
if(NOT of_loaded STREQUAL of_trained)
  message(FATAL_ERROR "the weights translate differently after a file:\n${of_trained}\n${of_loaded}")
endif()

function(expect_refusal sentence)
  translate(status output ${ARGN})
  if(status EQUAL 0 OR NOT output MATCHES "${sentence}")
    message(FATAL_ERROR "${ARGN}: ended with ${status} where a refusal that matches ${sentence} was expected:\n${output}")
  endif()
endfunction()
expect_refusal("cannot read weights.safetensors into .*, because it lacks .*logits" --methods gpipe --net small_untied
               --load weights.safetensors)
expect_refusal("cannot open nowhere.safetensors" --methods gpipe --load nowhere.safetensors)
expect_refusal("cannot save the weights to nowhere/weights.safetensors, because .* is no directory" --methods gpipe
               --save nowhere/weights.safetensors)
expect_refusal("cannot save or load the weights of 2 runs" --methods gpipe,none --save weights.safetensors)
