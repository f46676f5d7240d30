# Where things go with `cmake --install`, and the Debian package that CPack makes.

if(TARGET segmentd)
	install(TARGETS segmentd RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(DIRECTORY "${CMAKE_SOURCE_DIR}/config/schemas/" DESTINATION "${CMAKE_INSTALL_DATADIR}/segmentd/schemas"
	FILES_MATCHING PATTERN "*.avsc")
foreach(sample segmentd.yaml demo.yaml)
	if(EXISTS "${CMAKE_SOURCE_DIR}/config/${sample}")
		install(FILES "${CMAKE_SOURCE_DIR}/config/${sample}" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
	endif()
endforeach()
if(EXISTS "${CMAKE_SOURCE_DIR}/packaging/segmentd.1")
	install(FILES "${CMAKE_SOURCE_DIR}/packaging/segmentd.1" DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
endif()
# Not LIBDIR: systemd reads units below lib whatever the architecture's library folder is.
install(FILES "${CMAKE_SOURCE_DIR}/packaging/segmentd.service" DESTINATION lib/systemd/system)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME segmentd)
set(CPACK_PACKAGE_CONTACT "The segmentd developers <segmentd@example.org>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Streaming customer segmentation over Kafka")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
include(CPack)
