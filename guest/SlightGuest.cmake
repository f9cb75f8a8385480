# Build guests in C with CMake. Only clang, wasi-libc and slight are needed.
#
#     include(SlightGuest)
#     slight_guest_c(hello SOURCES hello.c WORLD slight:slight/command)
#
# adds the target `hello`, which is part of `all` and builds the component
# hello.wasm in the current binary directory. The bindings are generated into
# hello.bindings/; include "command.h". WIT is a folder with your own packages.
#
# HEADERS are files that the sources include: the guest is rebuilt when one
# changes. OPTIONS are further options for clang. STACK is the size of the stack
# in bytes, by default 262144; an overflow traps.
#
# SLIGHT_PROGRAM is the slight to use (a target's file, or found in the PATH);
# SLIGHT_GUEST_CC the clang, 15 or newer, for the target wasm32-wasi.

if(TARGET slight)
  set(SLIGHT_PROGRAM $<TARGET_FILE:slight>)
else()
  find_program(SLIGHT_PROGRAM slight REQUIRED)
endif()
find_program(SLIGHT_GUEST_CC NAMES clang-19 clang-20 clang-21 clang-22 clang REQUIRED)

function(slight_guest_c name)
  cmake_parse_arguments(arg "" "WORLD;WIT;STACK" "SOURCES;HEADERS;OPTIONS" ${ARGN})
  if(NOT arg_WORLD)
    set(arg_WORLD slight:slight/command)
  endif()
  if(NOT arg_STACK)
    set(arg_STACK 262144)
  endif()
  string(REGEX REPLACE ".*/([^@]*).*" "\\1" world "${arg_WORLD}")
  string(REPLACE "-" "_" world "${world}")
  set(bindings "${CMAKE_CURRENT_BINARY_DIR}/${name}.bindings")
  set(generated "${bindings}/${world}.c" "${bindings}/${world}.h"
    "${bindings}/${world}_component_type.o" "${bindings}/start.c")
  set(component "${CMAKE_CURRENT_BINARY_DIR}/${name}.wasm")
  set(core "${CMAKE_CURRENT_BINARY_DIR}/${name}.core.wasm")
  set(wit_option "")
  set(wit_files "")
  if(arg_WIT)
    cmake_path(ABSOLUTE_PATH arg_WIT BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    set(wit_option --wit "${arg_WIT}")
    file(GLOB_RECURSE wit_files CONFIGURE_DEPENDS "${arg_WIT}/*.wit")
  endif()
  set(sources "")
  foreach(source ${arg_SOURCES})
    cmake_path(ABSOLUTE_PATH source BASE_DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}")
    list(APPEND sources "${source}")
  endforeach()
  set(slight_dependency "")
  if(TARGET slight)
    set(slight_dependency slight)
  endif()

  add_custom_command(OUTPUT ${generated}
    COMMAND "${SLIGHT_PROGRAM}" bindgen c --world "${arg_WORLD}"
      --out "${bindings}" ${wit_option}
    DEPENDS ${slight_dependency} ${wit_files}
    VERBATIM)
  add_custom_command(OUTPUT "${component}"
    COMMAND "${SLIGHT_GUEST_CC}" --target=wasm32-wasi -O2 -Wall
      -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,--strip-debug
      -Wl,--stack-first -Wl,-z,stack-size=${arg_STACK}
      -nostartfiles -Wl,--no-entry "${bindings}/start.c"
      ${arg_OPTIONS} "-I${bindings}" ${sources} "${bindings}/${world}.c"
      "${bindings}/${world}_component_type.o" -o "${core}"
    COMMAND "${SLIGHT_PROGRAM}" componentize "${core}" -o "${component}"
    DEPENDS ${sources} ${arg_HEADERS} ${generated}
    VERBATIM)
  add_custom_target(${name} ALL DEPENDS "${component}")
endfunction()
