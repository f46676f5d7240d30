# Where things go with `cmake --install`, and the Debian package that CPack makes.

if(TARGET segmentd)
	install(TARGETS segmentd RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
endif()
install(DIRECTORY config/schemas/ DESTINATION "${CMAKE_INSTALL_DATADIR}/segmentd/schemas"
	FILES_MATCHING PATTERN "*.avsc")
install(FILES config/segmentd.yaml config/demo.yaml packaging/prometheus-rules.yml packaging/grafana.json
	CHANGELOG.md docs/operations.md docs/configuration.md docs/reference.md DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES packaging/segmentd.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1")
install(FILES packaging/segmentd.bash DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions" RENAME segmentd)
# Not LIBDIR: systemd reads units below lib whatever the architecture's library folder is.
install(FILES packaging/segmentd.service DESTINATION lib/systemd/system)

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
