# slight_lua(lockd redis.lua sl_lockd_redis_lua): the text of a script in the
# library sl-lockd, as `const char sl_lockd_redis_lua[]`.
#
# As a script of CMake it writes OUT: FILE as the array NAME.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ "${FILE}" text HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," text "${text}")
  string(REGEX REPLACE "(............................................................)"
    "\\1\n" text "${text}")
  file(WRITE "${OUT}" "/* Generated from a script by cmake/EmbedLua.cmake. */
extern const char ${NAME}[];
const char ${NAME}[] = {
${text}0};
")
  return()
endif()

function(slight_lua library file name)
  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${name}.c")
  add_custom_command(OUTPUT "${generated}"
    COMMAND "${CMAKE_COMMAND}" "-DFILE=${CMAKE_CURRENT_SOURCE_DIR}/${file}"
      "-DNAME=${name}" "-DOUT=${generated}"
      -P "${CMAKE_SOURCE_DIR}/cmake/EmbedLua.cmake"
    DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${file}"
      "${CMAKE_SOURCE_DIR}/cmake/EmbedLua.cmake"
    VERBATIM)
  target_sources(sl-${library} PRIVATE "${generated}")
endfunction()
