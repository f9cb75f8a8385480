# How everything of slight's own is compiled, and the functions that the
# CMakeLists.txt of each directory use: slight_library and slight_test.

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON) # POSIX and GNU functions
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

option(SLIGHT_WERROR "Treat warnings as errors" OFF)
set(SLIGHT_SANITIZE "" CACHE STRING "address (with undefined) or thread")
set_property(CACHE SLIGHT_SANITIZE PROPERTY STRINGS "" address thread)

add_library(slight_flags INTERFACE)
target_include_directories(slight_flags INTERFACE
  "${CMAKE_SOURCE_DIR}/src" "${CMAKE_SOURCE_DIR}/bridge")
target_compile_definitions(slight_flags INTERFACE
  _GNU_SOURCE SL_VERSION="${PROJECT_VERSION}")
target_compile_options(slight_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes
  -Wmissing-prototypes -Wformat=2 -Wvla -Wundef -Wcast-qual -Wwrite-strings
  -Wnull-dereference -Wimplicit-fallthrough -fstack-protector-strong
  -fcf-protection -fno-strict-aliasing
  $<$<BOOL:${SLIGHT_WERROR}>:-Werror>)
target_link_options(slight_flags INTERFACE
  -pie -Wl,-z,relro,-z,now,-z,noexecstack)

if(SLIGHT_SANITIZE STREQUAL "address")
  set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=all)
elseif(SLIGHT_SANITIZE STREQUAL "thread")
  set(sanitizers -fsanitize=thread)
elseif(NOT SLIGHT_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SLIGHT_SANITIZE is address, thread or empty")
endif()
if(sanitizers)
  list(APPEND sanitizers -fno-omit-frame-pointer -g)
  target_compile_options(slight_flags INTERFACE ${sanitizers})
  target_link_options(slight_flags INTERFACE ${sanitizers})
else()
  target_compile_options(slight_flags INTERFACE
    $<$<CONFIG:Release>:-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2>)
  target_link_options(slight_flags INTERFACE
    $<$<CONFIG:Release>:-s -Wl,--gc-sections>)
endif()

# slight_links(sqlite 3.40.1): a library of others that the program is linked with,
# for `slight version`.
function(slight_links name version)
  set_property(GLOBAL APPEND PROPERTY SLIGHT_LINKS "${name} ${version}")
endfunction()

# slight_notice(librdkafka 2.12.1 BSD-2-Clause FILE): a C library that is linked
# statically, and the file of its license, for `slight version --licenses`.
function(slight_notice name version license file)
  set_property(GLOBAL APPEND PROPERTY SLIGHT_NOTICES
    "${name}" "${version}" "${license}" "${file}")
endfunction()

# What a folder looks for is for those that link its library, too.
set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
slight_links(openssl ${OPENSSL_VERSION})
find_package(PkgConfig REQUIRED)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET GLOBAL libseccomp>=2.5)
slight_links(libseccomp ${SECCOMP_VERSION})

# What a whole program is linked with. A call to a service is memory that one
# thread takes and another gives back, over which the threads of glibc's
# allocator meet at locks. The sanitizers bring allocators of their own.
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET GLOBAL jemalloc)
string(REGEX REPLACE "_.*" "" jemalloc_version "${JEMALLOC_VERSION}")
slight_links(jemalloc ${jemalloc_version})
add_library(slight_malloc INTERFACE)
if(NOT sanitizers)
  target_link_libraries(slight_malloc INTERFACE PkgConfig::JEMALLOC)
endif()
if(BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET GLOBAL cmocka)
endif()

# slight_library(NAME SOURCES a.c b.c LIBS x y): the static library sl-NAME.
#
# What drivers share is built where a driver needs it: sl-net is src/net,
# sl-client-redis is src/client/redis.
function(slight_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
  foreach(lib ${arg_LIBS})
    if(NOT TARGET ${lib} AND lib MATCHES "^sl-(net|client|driverkit)")
      string(REGEX REPLACE "^sl-" "" folder ${lib})
      string(REPLACE "-" "/" folder ${folder})
      add_subdirectory("${CMAKE_SOURCE_DIR}/src/${folder}"
        "${CMAKE_BINARY_DIR}/src/${folder}")
    endif()
  endforeach()
  add_library(sl-${name} STATIC ${arg_SOURCES})
  target_link_libraries(sl-${name} PUBLIC slight_flags ${arg_LIBS})
endfunction()

# slight_test(base.queue SOURCES queue_test.c LIBS sl-base [ENV A=b ...]):
# a cmocka program, run by CTest under that name.
function(slight_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;ENV" ${ARGN})
  if(NOT BUILD_TESTING)
    return()
  endif()
  add_executable(test.${name} ${arg_SOURCES})
  target_link_libraries(test.${name} PRIVATE ${arg_LIBS} PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND test.${name})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${arg_ENV}")
endfunction()
