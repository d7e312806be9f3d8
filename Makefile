# `make run` serves the quickstart, `make test` proves that everything works. `make` alone lists the rest.
SHELL := /bin/bash
# What set-up fetched comes first: cmake and promtool, where the system has none.
export PATH := $(CURDIR)/.cache/bin:$(PATH)
built := $(or $(CARGO_TARGET_DIR),target)/release
optimised := target/optimised/forebay

.PHONY: help setup setup-tests run test optimised bench fmt lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

setup: ## what building and running needs; done once, by the others too
	@tools/setup.sh

run: setup ## build, then serve mesh-config/examples/quickstart.yaml until Ctrl-C
	@echo '==> Building Forebay (some minutes the first time)'
	@cargo build --release --locked --package forebay
	@tools/serve.sh $(built)/forebay mesh-config/examples/quickstart.yaml

setup-tests: setup ## what tests need besides; done once, by `make test` too
	@tools/setup-tests.sh

test: setup-tests ## every test: Rust's, then those with other people's clients
	@tools/test.sh

optimised: $(optimised) ## build target/optimised/forebay, guided by a profile of its work: a fifth less processor time

$(optimised): $(shell git ls-files '*.rs' '*Cargo.toml' Cargo.lock 2>/dev/null) tools/optimise.sh tools/work.sh benches/peers/forebay.yaml | setup
	@tools/optimise.sh $@

bench: setup-tests optimised ## measure against the targets and against peers (long)
	@cargo build --release --locked --package forebay-load
	@$(built)/forebay-load bench --forebay $(optimised)

fmt: ## format the Rust sources
	@cargo fmt --all

lint: setup ## what CI refuses: formatting and clippy's warnings
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings

clean: ## remove what was built; .cache/ stays
	@cargo clean
