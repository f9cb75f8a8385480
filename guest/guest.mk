# Build guests in C with make. Only clang, wasi-libc and slight are needed.
#
#     GUEST := hello                  # makes hello.wasm
#     SOURCES := hello.c              # they include "command.h"
#     WORLD := slight:slight/command  # the default
#     STACK := 262144                 # bytes, the default; an overflow traps
#     include guest.mk
#
# SLIGHT is the slight to use, GUEST_CC a clang with the target wasm32-wasi
# (Debian: clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32).

SLIGHT ?= slight
GUEST_CC ?= clang-19
WORLD ?= slight:slight/command
STACK ?= 262144
GUEST_CFLAGS ?= -O2 -Wall -ffunction-sections -fdata-sections
# Function names are kept for the backtraces of traps. The stack is placed before
# the data, so that an overflow traps.
GUEST_LDFLAGS ?= -Wl,--gc-sections -Wl,--strip-debug
guest_stack := -Wl,--stack-first -Wl,-z,stack-size=$(STACK)

guest_world := $(subst -,_,$(notdir $(firstword $(subst @, ,$(WORLD)))))
guest_gen := $(GUEST).bindings
guest_type := $(guest_gen)/$(guest_world)_component_type.o

$(GUEST).wasm: $(GUEST).core.wasm
	$(SLIGHT) componentize $< -o $@

$(GUEST).core.wasm: $(SOURCES) $(guest_type)
	$(GUEST_CC) --target=wasm32-wasi $(GUEST_CFLAGS) $(GUEST_LDFLAGS) $(guest_stack) -nostartfiles -Wl,--no-entry -I$(guest_gen) $(guest_gen)/start.c $(SOURCES) $(guest_gen)/$(guest_world).c $(guest_type) -o $@

$(guest_type):
	$(SLIGHT) bindgen c --world $(WORLD) --out $(guest_gen)

.PHONY: guest-clean
guest-clean:
	rm -rf $(GUEST).wasm $(GUEST).core.wasm $(guest_gen)
