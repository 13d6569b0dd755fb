# The Debian package: `./dev package`, or `cpack -G DEB` in a build folder that has the binary. Nothing is compiled for it.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

install(TARGETS ongoingai RUNTIME DESTINATION bin)
install(FILES deploy/systemd/ongoingai.service DESTINATION /usr/lib/systemd/system)
install(FILES deploy/debian/ongoingai.yaml DESTINATION /etc/ongoingai PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES deploy/debian/default DESTINATION /etc/default RENAME ongoingai PERMISSIONS OWNER_READ OWNER_WRITE)
install(FILES README.md CHANGELOG.md DESTINATION share/doc/ongoingai)
install(FILES deploy/debian/copyright DESTINATION share/doc/ongoingai)
install(DIRECTORY docs DESTINATION share/doc/ongoingai PATTERN adr EXCLUDE)
install(DIRECTORY deploy/grafana deploy/prometheus deploy/otel-collector DESTINATION share/doc/ongoingai/examples)

# Debian's versions begin with a digit; a build without a release's version sorts before every release.
if(GW_VERSION MATCHES "^v?([0-9].*)$")
  set(CPACK_PACKAGE_VERSION ${CMAKE_MATCH_1})
else()
  string(REPLACE "-" "" GW_DAY "${GW_DATE}")
  set(CPACK_PACKAGE_VERSION "0~${GW_DAY}.${GW_COMMIT}")
endif()
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME ongoingai)
set(CPACK_PACKAGE_VENDOR "OngoingAI")
set(CPACK_PACKAGE_CONTACT "OngoingAI Gateway <gateway@ongoingai.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "reverse proxy for LLM providers that keeps traces")
set(CPACK_PACKAGE_DESCRIPTION
    "Point OpenAI and Anthropic clients at it: answers come back byte for byte and stream\nas they come, and each exchange is kept as a trace with model, tokens, cost and latency.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR OFF)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Certificates to reach providers, time zones for analytics.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, tzdata")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${CMAKE_SOURCE_DIR}/deploy/debian/conffiles;${CMAKE_SOURCE_DIR}/deploy/debian/postinst"
    "${CMAKE_SOURCE_DIR}/deploy/debian/prerm;${CMAKE_SOURCE_DIR}/deploy/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
include(CPack)
