# How foal's own programs are compiled. None of these flags reaches a project that links foal.

add_library(foal_any_processor INTERFACE)
target_link_libraries(foal_any_processor INTERFACE foal::foal)
target_compile_options(foal_any_processor INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion>)

add_library(foal_program INTERFACE)
target_link_libraries(foal_program INTERFACE foal_any_processor)
target_compile_options(foal_program INTERFACE $<$<AND:$<BOOL:${FOAL_NATIVE}>,$<COMPILE_LANGUAGE:CXX>>:-march=native>)

# Programs whose work is done sooner than a compiler is done with their loops: flags for them, for who builds to run them once.
set(FOAL_LITTLE_WORK_FLAGS "" CACHE STRING "Compiler flags of tests and examples that compute little")
function(foal_little_work target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${FOAL_LITTLE_WORK_FLAGS}>)
endfunction()

# Stops with a sentence when a package that programs need is absent.
macro(foal_needs what package debian)
  find_package(${package} QUIET ${ARGN})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "cannot configure foal's ${what}, because ${package} was not found; "
                        "install it (Debian: ${debian}) or switch its FOAL_BUILD_ option off")
  endif()
endmacro()

# A program NAME from NAME.cpp and more sources of its own.
function(foal_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE foal_program)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()

# foal_add_unit_of_programs(TARGET FOLDER PROGRAM...): the files FOLDER/<program>.cpp, each with its main at its end, as one object
# (cmake/programs_together.cmake). Beside it the programs need the sources that foal_main_in_unit() gives.
function(foal_add_unit_of_programs target folder)
  set(sources ${ARGN})
  list(TRANSFORM sources PREPEND "${folder}/")
  list(TRANSFORM sources APPEND .cpp)
  set(unit "${CMAKE_CURRENT_BINARY_DIR}/${target}.cpp")
  add_custom_command(OUTPUT "${unit}" DEPENDS ${sources} "${PROJECT_SOURCE_DIR}/cmake/programs_together.cmake"
    COMMAND "${CMAKE_COMMAND}" "-DFOLDER=${folder}" "-DPROGRAMS=${ARGN}" "-DOUT=${unit}"
            -P "${PROJECT_SOURCE_DIR}/cmake/programs_together.cmake" VERBATIM)
  add_library(${target} OBJECT "${unit}")
  target_link_libraries(${target} PRIVATE foal_program)
  target_include_directories(${target} PRIVATE "${folder}")
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
endfunction()

# foal_main_in_unit(OUT SOURCE UNIT): the sources of the program of the file SOURCE, which is one of the target UNIT's.
function(foal_main_in_unit out source unit)
  get_filename_component(name "${source}" NAME_WE)
  set(takes "")
  set(passes "")
  file(STRINGS "${source}" main REGEX "^int main\\(int argc")
  if(main)
    set(takes "int argc, char** argv")
    set(passes "argc, argv")
  endif()
  set(main "${CMAKE_CURRENT_BINARY_DIR}/main_of_${name}.cpp")
  file(CONFIGURE OUTPUT "${main}" CONTENT "namespace program_of_${name} {\nint main(${takes});\n}\n\n\
int main(${takes}) { return program_of_${name}::main(${passes}); }\n")
  set(${out} "${main};$<TARGET_OBJECTS:${unit}>" PARENT_SCOPE)
endfunction()
