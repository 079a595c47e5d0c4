# Two commands: `make demo` builds everything and shows a tour; `make test` runs every test there is.
# What they need beyond git, a C compiler, rustup and Go they install or build themselves.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
CARGO := cargo
export LANDFALL_CORPUS ?= $(abspath $(CURDIR)/../shared/corpus)

.PHONY: all demo build test tools lint tidy unit testbed e2e specs fuzz conformance clean

all: build

build:
	$(CARGO) build --locked --package landfall

demo: build
	./target/debug/landfall up --demo

test: tools lint unit testbed e2e specs fuzz
	@echo "everything passed"

# Programs that tests start as real servers. Each is named in one line when it cannot be had.
tools:
	@./dev/tools.sh

lint: tidy
	$(CARGO) fmt --all --check

tidy:
	$(CARGO) xtask tidy
	$(CARGO) xtask manifests --check

unit:
	@test -d "$(LANDFALL_CORPUS)" || { echo "left out: other people's charts and kustomizations; they are not at $(LANDFALL_CORPUS), LANDFALL_CORPUS names their folder"; test "$$CI" != true; }
	$(CARGO) test --locked --workspace --exclude landfall-e2e --no-fail-fast

testbed:
	$(CARGO) xtask testbed build

# With --workspace what the unit tests built is used again. The API's tests run the program that stands beside them.
e2e:
	$(CARGO) build --locked --workspace --bin landfall
	$(CARGO) test --locked --workspace --test e2e --test helm_programs --test workloads -- --test-threads 1
	$(CARGO) test --locked --workspace --test api -- --test-threads 3

# Kubernetes' own end-to-end specs against the sandbox: those that take up to five seconds on a real cluster. All: make conformance
specs:
	$(CARGO) xtask testbed conformance --on sandbox --seconds-max 5

# Half a minute per target over the committed seeds; longer by hand: make fuzz FUZZ_SECONDS=3600
FUZZ_SECONDS ?= 30
fuzz:
	$(CARGO) run --locked --quiet --bin landfall-fuzz -- all --seconds $(FUZZ_SECONDS)

conformance:
	for suite in yaml semver strvals gotemplate helm kustomize; do $(CARGO) xtask conformance $$suite; done
	$(CARGO) xtask testbed conformance --on sandbox

clean:
	$(CARGO) clean
