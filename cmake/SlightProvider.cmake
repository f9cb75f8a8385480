# slight_provider(kv redis [SOURCES more.c] [LIBS x y] [SERVICE redis...]): the
# driver CAPABILITY.NAME, in NAME.c beside the CMakeLists.txt that calls this.
#
# Adds the source and SL_WITH_NAME to sl-CAPABILITY, the driver's own test
# NAME_test.c, and the conformance suite: conformance.CAPABILITY.NAME, and the
# same through a guest, with the service (tests/services/SERVICE.sh) up.  Of more
# services than one, each that follows has a suite of its own,
# conformance.CAPABILITY.NAME.SERVICE, with settings of that name.
function(slight_provider capability name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBS;SERVICE" ${ARGN})
  string(TOUPPER ${name} upper)
  target_sources(sl-${capability} PRIVATE ${name}.c ${arg_SOURCES})
  target_compile_definitions(sl-${capability} PRIVATE SL_WITH_${upper})
  target_link_libraries(sl-${capability} PUBLIC ${arg_LIBS})
  slight_test(${capability}.${name} SOURCES ${name}_test.c
    LIBS sl-${capability})
  set_property(GLOBAL APPEND PROPERTY SLIGHT_PROVIDERS_${capability} ${name})
  set_property(GLOBAL PROPERTY SLIGHT_SERVICE_${capability}.${name}
    "${arg_SERVICE}")
endfunction()

# The suite of one provider against one service, or none.
function(slight_conformance_with capability provider suite service)
  set(test conformance.${suite})
  add_test(NAME ${test} COMMAND test.conformance.${capability})
  add_test(NAME ${test}.guest COMMAND
    "${CMAKE_CURRENT_SOURCE_DIR}/guest.sh"
    $<TARGET_FILE:slight> "${CMAKE_CURRENT_BINARY_DIR}/conformance-${capability}-guest.wasm"
    $<TARGET_FILE:test.conformance.${capability}>)
  set(settings "${CMAKE_CURRENT_SOURCE_DIR}/settings/${suite}")
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
    TIMEOUT 600 PROCESSORS ${processors} ENVIRONMENT "${environment}")
  if(service)
    set_tests_properties(${test} ${test}.guest PROPERTIES
      FIXTURES_REQUIRED service.${service})
  endif()
endfunction()

# slight_conformance(kv): the suite's tests of every provider of a
# capability, for tests/conformance/CMakeLists.txt, which has made the program
# test.conformance.CAPABILITY and the component conformance-CAPABILITY-guest.
function(slight_conformance capability)
  get_property(providers GLOBAL PROPERTY SLIGHT_PROVIDERS_${capability})
  foreach(name ${providers})
    set(provider ${capability}.${name})
    get_property(services GLOBAL PROPERTY SLIGHT_SERVICE_${provider})
    list(POP_FRONT services service)
    slight_conformance_with(${capability} ${provider} ${provider} "${service}")
    foreach(service ${services})
      slight_conformance_with(
        ${capability} ${provider} ${provider}.${service} ${service})
    endforeach()
  endforeach()
endfunction()
