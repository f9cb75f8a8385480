# How everything of slight's own is compiled, and the two functions that the
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

find_package(Threads REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET GLOBAL hiredis)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET GLOBAL libcurl>=7.85)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET GLOBAL jansson)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET GLOBAL libpq)
pkg_check_modules(MARIADB REQUIRED IMPORTED_TARGET GLOBAL libmariadb)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET GLOBAL libseccomp>=2.5)
pkg_check_modules(ZSTD REQUIRED IMPORTED_TARGET GLOBAL libzstd)
find_package(ZLIB REQUIRED)

# librdkafka, newer than Debian's: in a cache outside of the checkout.
execute_process(COMMAND "${CMAKE_SOURCE_DIR}/scripts/librdkafka.sh"
  OUTPUT_VARIABLE rdkafka_folder OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/scripts/librdkafka.sh")
file(STRINGS "${rdkafka_folder}/include/librdkafka/rdkafka.h" rdkafka_version
  REGEX "^#define RD_KAFKA_VERSION ")
string(REGEX MATCH "0x(..)(..)(..)" rdkafka_version "${rdkafka_version}")
math(EXPR major "0x${CMAKE_MATCH_1}")
math(EXPR minor "0x${CMAKE_MATCH_2}")
math(EXPR patch "0x${CMAKE_MATCH_3}")
set(RDKAFKA_VERSION "${major}.${minor}.${patch}")
add_library(rdkafka STATIC IMPORTED GLOBAL)
set_target_properties(rdkafka PROPERTIES
  IMPORTED_LOCATION "${rdkafka_folder}/lib/librdkafka.a")
target_include_directories(rdkafka SYSTEM INTERFACE "${rdkafka_folder}/include")
target_compile_definitions(rdkafka INTERFACE LIBRDKAFKA_STATICLIB)
target_link_libraries(rdkafka INTERFACE OpenSSL::SSL OpenSSL::Crypto ZLIB::ZLIB
  PkgConfig::ZSTD Threads::Threads m dl)

# What a whole program is linked with. A call to a service is memory that one
# thread takes and another gives back, over which the threads of glibc's
# allocator meet at locks. The sanitizers bring allocators of their own.
pkg_check_modules(JEMALLOC REQUIRED IMPORTED_TARGET GLOBAL jemalloc)
add_library(slight_malloc INTERFACE)
if(NOT sanitizers)
  target_link_libraries(slight_malloc INTERFACE PkgConfig::JEMALLOC)
endif()
if(BUILD_TESTING)
  pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET GLOBAL cmocka)
endif()

# slight_library(NAME SOURCES a.c b.c LIBS x y): the static library sl-NAME.
function(slight_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS" ${ARGN})
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
  set_tests_properties(${name} PROPERTIES
    TIMEOUT 120 ENVIRONMENT "${arg_ENV}")
endfunction()
