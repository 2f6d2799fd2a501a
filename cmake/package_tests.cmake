# Consumers of foal, each configured, built and run as a project of its own: label "package".

foreach(kind IN ITEMS bare_include find_package add_subdirectory)
  add_test(NAME package/${kind} COMMAND "${CMAKE_COMMAND}"
           "-DKIND=${kind}" "-DROOT=${PROJECT_SOURCE_DIR}" "-DBUILD=${PROJECT_BINARY_DIR}"
           "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/package/${kind}" "-DGENERATOR=${CMAKE_GENERATOR}"
           "-DCOMPILER=${CMAKE_CXX_COMPILER}" "-DFLAGS=${fail_flags}" "-DVERSION=${PROJECT_VERSION}"
           -P "${PROJECT_SOURCE_DIR}/cmake/package_test.cmake")
  set_tests_properties(package/${kind} PROPERTIES LABELS package TIMEOUT 600)
endforeach()
