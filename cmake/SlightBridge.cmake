# The Rust bridge as the imported target `slight_bridge`.
#
# scripts/bridge.sh builds it, in a cache outside of the checkout; here it is
# only copied, when its sources changed.

set(bridge_archive "${CMAKE_BINARY_DIR}/libslight_bridge.a")
file(GLOB bridge_sources CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/bridge/src/*.rs" "${CMAKE_SOURCE_DIR}/bridge/build.rs"
  "${CMAKE_SOURCE_DIR}/bridge/Cargo.toml" "${CMAKE_SOURCE_DIR}/bridge/Cargo.lock")
add_custom_command(OUTPUT "${bridge_archive}"
  COMMAND "${CMAKE_SOURCE_DIR}/scripts/bridge.sh" "${bridge_archive}"
  DEPENDS ${bridge_sources} "${CMAKE_SOURCE_DIR}/scripts/bridge.sh"
  DEPFILE "${bridge_archive}.d" # the headers
  COMMENT "The Rust bridge (minutes the first time, then from the cache)"
  USES_TERMINAL VERBATIM)
add_custom_target(bridge DEPENDS "${bridge_archive}")

add_library(slight_bridge STATIC IMPORTED GLOBAL)
add_dependencies(slight_bridge bridge)
set_target_properties(slight_bridge PROPERTIES
  IMPORTED_LOCATION "${bridge_archive}")
target_link_libraries(slight_bridge INTERFACE Threads::Threads gcc_s m dl)
