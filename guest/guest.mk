# Guests in C by make: with clang, wasi-libc and slight, and nothing else.
#
#     GUEST := hello                  # makes hello.wasm
#     SOURCES := hello.c              # which include "command.h"
#     WORLD := slight:slight/command  # the default
#     REACTOR := 1                    # it has no main: it is called
#     include guest.mk
#
# SLIGHT is the slight to use, GUEST_CC a clang for the target wasm32-wasi
# (Debian: clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32).

SLIGHT ?= slight
GUEST_CC ?= clang-19
WORLD ?= slight:slight/command
comma := ,
GUEST_CFLAGS ?= -O2 -s -Wall -ffunction-sections -fdata-sections -Wl,--gc-sections

guest_folder := $(dir $(lastword $(MAKEFILE_LIST)))
guest_start := $(guest_folder)$(if $(REACTOR),reactor.c,start.c)
guest_entry := $(if $(REACTOR),-Wl$(comma)--no-entry)

guest_world := $(subst -,_,$(notdir $(firstword $(subst @, ,$(WORLD)))))
guest_gen := $(GUEST).bindings
guest_type := $(guest_gen)/$(guest_world)_component_type.o

$(GUEST).wasm: $(GUEST).core.wasm
	$(SLIGHT) componentize $< -o $@

$(GUEST).core.wasm: $(SOURCES) $(guest_type)
	$(GUEST_CC) --target=wasm32-wasi $(GUEST_CFLAGS) -nostartfiles $(guest_entry) -I$(guest_gen) -I$(guest_folder) $(guest_start) $(SOURCES) $(guest_gen)/$(guest_world).c $(guest_type) -o $@

$(guest_type):
	$(SLIGHT) bindgen c --world $(WORLD) --out $(guest_gen)

.PHONY: guest-clean
guest-clean:
	rm -rf $(GUEST).wasm $(GUEST).core.wasm $(guest_gen)
