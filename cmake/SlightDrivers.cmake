# Drivers: which of them are built, how one is added, and its conformance tests.
#
#     cmake -B build -DSLIGHT_DRIVERS=kv.sqlite,sql.postgres
#
# builds these alone, and needs the libraries of these alone.

set(SLIGHT_DRIVERS all CACHE STRING
  "The drivers to build: all, embedded, or a list such as kv.sqlite,sql.postgres")

# Whether the driver CAPABILITY.NAME is built, into the variable `result`.
function(slight_is_built driver result)
  string(REGEX MATCHALL "[^,; ]+" chosen "${SLIGHT_DRIVERS}")
  set(${result} FALSE PARENT_SCOPE)
  if("all" IN_LIST chosen OR "${driver}" IN_LIST chosen
      OR ("embedded" IN_LIST chosen AND driver MATCHES "\\.(sqlite|memory)$"))
    set(${result} TRUE PARENT_SCOPE)
  endif()
endfunction()

# slight_drivers(kv [TYPE sl_kv_driver] DRIVERS sqlite redis...): the drivers of a
# capability, the embedded default first, each in the folder of its name. Writes
# drivers.c of the library sl-CAPABILITY: the table of those that are built, and
# the names of the others. TYPE is for drivers that have more than a struct
# sl_driver, which is then their first member, `driver`.
function(slight_drivers capability)
  cmake_parse_arguments(arg "" "TYPE" "DRIVERS" ${ARGN})
  set(type sl_driver)
  set(member "")
  if(arg_TYPE)
    set(type ${arg_TYPE})
    set(member ".driver")
  endif()
  foreach(name ${arg_DRIVERS})
    set_property(GLOBAL APPEND PROPERTY SLIGHT_KNOWN_DRIVERS ${capability}.${name})
    slight_is_built(${capability}.${name} is_built)
    if(is_built)
      add_subdirectory(${name})
      string(APPEND externs "extern const struct ${type} sl_driver_${capability}_${name};\n")
      string(APPEND built "    &sl_driver_${capability}_${name}${member},\n")
    else()
      string(APPEND left_out "    \"${capability}.${name}\",\n")
    endif()
  endforeach()
  set(file "${CMAKE_CURRENT_BINARY_DIR}/drivers.c")
  file(CONFIGURE OUTPUT "${file}" CONTENT "/* Written by cmake/SlightDrivers.cmake. */
#include \"${capability}/driver.h\"

${externs}
const struct sl_driver *const sl_${capability}_drivers[] = {
${built}    NULL,
};
const char *const sl_${capability}_drivers_left_out[] = {
${left_out}    NULL,
};
" @ONLY)
  target_sources(sl-${capability} PRIVATE "${file}")
endfunction()

# A name in SLIGHT_DRIVERS that is no driver is a mistake. Called after all
# drivers were added.
function(slight_check_drivers)
  get_property(known GLOBAL PROPERTY SLIGHT_KNOWN_DRIVERS)
  string(REGEX MATCHALL "[^,; ]+" chosen "${SLIGHT_DRIVERS}")
  foreach(name ${chosen})
    if(NOT name IN_LIST known AND NOT name MATCHES "^(all|embedded)$")
      list(JOIN known ", " text)
      message(FATAL_ERROR "SLIGHT_DRIVERS: there is no driver ${name}. There are: ${text}")
    endif()
  endforeach()
  if(BUILD_TESTING)
    foreach(name ${known})
      slight_is_built(${name} is_built)
      if(NOT is_built)
        message(FATAL_ERROR
          "The tests need every driver: -DBUILD_TESTING=OFF, or -DSLIGHT_DRIVERS=all")
      endif()
    endforeach()
  endif()
endfunction()

# slight_driver(kv redis SOURCES driver.c more.c [LIBS x y] [SERVICE redis...]): the
# driver CAPABILITY.NAME, in the folder of the CMakeLists.txt that calls this.
#
# Makes the library sl-CAPABILITY-NAME, the driver's own test driver_test.c
# (CAPABILITY.NAME), and the conformance suite: conformance.CAPABILITY.NAME, and the
# same through a guest, with the service (tests/services/SERVICE.sh) up.  Of more
# services than one, each that follows has a suite of its own,
# conformance.CAPABILITY.NAME.SERVICE.  conformance.toml and conformance.SERVICE.toml
# beside it have the settings.
function(slight_driver capability name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;SERVICE" ${ARGN})
  slight_library(${capability}-${name} SOURCES ${arg_SOURCES}
    LIBS sl-${capability} ${arg_LIBS})
  target_link_libraries(sl-${capability} PUBLIC sl-${capability}-${name})
  slight_test(${capability}.${name} SOURCES driver_test.c LIBS sl-${capability})
  set_property(GLOBAL APPEND PROPERTY SLIGHT_PROVIDERS_${capability} ${name})
  set_property(GLOBAL PROPERTY SLIGHT_SERVICE_${capability}.${name}
    "${arg_SERVICE}")
endfunction()

# The suite of one driver against one service, or none: with the settings in
# conformance.toml of its folder, or in conformance.SERVICE.toml.
function(slight_conformance_with capability name suite service)
  set(provider ${capability}.${name})
  set(test conformance.${provider}${suite})
  add_test(NAME ${test} COMMAND test.conformance.${capability})
  add_test(NAME ${test}.guest COMMAND
    "${CMAKE_CURRENT_SOURCE_DIR}/guest.sh"
    $<TARGET_FILE:slight> "${CMAKE_BINARY_DIR}/conformance/conformance-${capability}.wasm"
    $<TARGET_FILE:test.conformance.${capability}>)
  set(settings "${CMAKE_SOURCE_DIR}/src/${capability}/${name}/conformance${suite}")
  set(environment "SL_TEST_DRIVER=${provider};SL_TEST_SETTINGS=${settings}.toml;SL_TEST_SERVICES=${SLIGHT_SERVICES_DIR}")
  # What the service needs before a case can have its own place there.
  if(EXISTS "${settings}.sh")
    list(APPEND environment "SL_TEST_PREPARE=${settings}.sh")
  endif()
  # The others wait, for times to live and for each other, more than they compute.
  if(capability STREQUAL sql)
    set(processors 2)
  else()
    set(processors 1)
  endif()
  set_tests_properties(${test} ${test}.guest PROPERTIES
    PROCESSORS ${processors} ENVIRONMENT "${environment}")
  # Another version of a service runs the same code here: once is enough.
  if(suite)
    set_tests_properties(${test} ${test}.guest PROPERTIES LABELS once)
  endif()
  if(service)
    set_tests_properties(${test} ${test}.guest PROPERTIES
      FIXTURES_REQUIRED service.${service})
  endif()
endfunction()

# slight_conformance(kv): the suite's tests of every provider of a
# capability, for tests/conformance/CMakeLists.txt, which has made the program
# test.conformance.CAPABILITY and the component conformance-CAPABILITY.
function(slight_conformance capability)
  get_property(providers GLOBAL PROPERTY SLIGHT_PROVIDERS_${capability})
  foreach(name ${providers})
    get_property(services GLOBAL PROPERTY SLIGHT_SERVICE_${capability}.${name})
    list(POP_FRONT services service)
    slight_conformance_with(${capability} ${name} "" "${service}")
    foreach(service ${services})
      slight_conformance_with(${capability} ${name} .${service} ${service})
    endforeach()
  endforeach()
endfunction()
