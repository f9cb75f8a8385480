# slight: the commands for people.  CMake and CTest do the work, in build/.
#
#   make run        build slight and run the first example
#   make test       build everything and run every test, services included
#   make help       the others

BUILD ?= build
PREFIX ?= /usr/local
NAME ?= orders
EXAMPLE_TEXT ?= /usr/share/common-licenses/GPL-3
# Three at a time of those that compute, which count twice; six of those that wait.
CTEST := ctest --output-on-failure -j6

.PHONY: all help build run example test bench check docs asan tsan full install clean \
	deps deps-guest deps-test deps-bench

all: build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

deps: ## install what building needs; asks before it uses sudo, DEPS=no installs nothing
deps-test: ## what the tests need, too
deps deps-guest deps-test deps-bench:
	@scripts/deps.sh build $(filter-out deps,$(subst -, ,$@))

build: deps ## build slight: build/slight
	@test -f $(BUILD)/build.ninja || cmake -S . -B $(BUILD) -G Ninja -DBUILD_TESTING=OFF >&2
	@cmake --build $(BUILD) --target slight >&2 # what is run has standard output

run: build ## count the words of a text into the embedded key-value store
	@scripts/run-example.sh wordcount-c $(EXAMPLE_TEXT)

example: deps-guest build ## build and run one: make example NAME=orders
	@scripts/run-example.sh $(NAME)

test: deps-test ## build everything and run every test
	@cmake -S . -B $(BUILD) -G Ninja -DBUILD_TESTING=ON
	@cmake --build $(BUILD)
	@$(CTEST) --test-dir $(BUILD)

check: deps-test ## format, layers, warnings, clang-tidy, links, generated docs
	@scripts/check.sh $(BUILD)

docs: build ## write what the program tells into docs/
	@scripts/docs.sh $(BUILD)

asan: deps-test ## the tests under AddressSanitizer and UBSan
	@scripts/sanitize.sh address

tsan: deps-test ## the tests under ThreadSanitizer
	@scripts/sanitize.sh thread

full: test check ## everything, and all tests again under both sanitizers
	@scripts/sanitize.sh address all
	@scripts/sanitize.sh thread all

bench: deps-test deps-bench ## measure; a table, and build/bench.json
	@cmake -S . -B $(BUILD) -G Ninja -DBUILD_TESTING=ON
	@cmake --build $(BUILD)
	@bench/bench.sh $(BUILD)

install: build ## install to PREFIX (DESTDIR is put in front)
	@DESTDIR=$(DESTDIR) cmake --install $(BUILD) --prefix $(PREFIX)

clean: ## remove the build directories (not the cache of the bridge)
	@rm -rf $(BUILD) build-asan build-tsan
