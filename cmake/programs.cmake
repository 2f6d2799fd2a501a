# How foal's own programs are compiled. None of these flags reaches a project that links foal.

add_library(foal_any_processor INTERFACE)
target_link_libraries(foal_any_processor INTERFACE foal::foal)
target_compile_options(foal_any_processor INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion>)

add_library(foal_program INTERFACE)
target_link_libraries(foal_program INTERFACE foal_any_processor)
target_compile_options(foal_program INTERFACE $<$<AND:$<BOOL:${FOAL_NATIVE}>,$<COMPILE_LANGUAGE:CXX>>:-march=native>)

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
