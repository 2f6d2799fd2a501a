# Install rules: headers and a package that suits every processor.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(foal_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/foal")

install(TARGETS foal EXPORT foal-targets
  FILE_SET HEADERS DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET ranges_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET gzip_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET onednn_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET mpi_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET cuda_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILE_SET nccl_headers DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT foal-targets NAMESPACE foal:: DESTINATION "${foal_package_dir}")

foreach(component IN ITEMS ranges gzip onednn mpi cuda nccl)
  install(TARGETS foal_${component} EXPORT foal-${component})
  install(EXPORT foal-${component} NAMESPACE foal:: DESTINATION "${foal_package_dir}")
endforeach()

configure_package_config_file(cmake/foal-config.cmake.in "${PROJECT_BINARY_DIR}/foal-config.cmake"
  INSTALL_DESTINATION "${foal_package_dir}" NO_SET_AND_CHECK_MACRO NO_CHECK_REQUIRED_COMPONENTS_MACRO)
write_basic_package_version_file("${PROJECT_BINARY_DIR}/foal-config-version.cmake"
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/foal-config.cmake" "${PROJECT_BINARY_DIR}/foal-config-version.cmake"
  DESTINATION "${foal_package_dir}")
install(FILES cmake/find/FindDNNL.cmake cmake/find/FindNCCL.cmake cmake/find/FindcuDNN.cmake DESTINATION "${foal_package_dir}/find")
