# Recipes only; the work is in scripts/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup install demo test prove package test-package arm64 bookcrossing movielens peers serving month kernels fmt lint clean

help: ## list the commands
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1|/p' Makefile | awk -F'|' '{ printf "make %-14s%s\n", $$1, $$2 }'

setup: ## install what is missing (packages, CMake, cargo-pgrx, a private PostgreSQL prefix)
	@scripts/setup

install: setup ## build the extension and install it into the private prefix
	@scripts/install

demo: install ## train and recommend on a generated library, in a temporary cluster
	@scripts/with-cluster -- scripts/demo

test: setup ## format, lints and every test, on PostgreSQL 15 to 18 (RECO_PG=15: on one)
	@scripts/setup browser
	@scripts/test

prove: install ## the long proofs: faults, random calls, damaged bytes (half an hour)
	@scripts/prove

package: setup ## make a Debian package for each version of PostgreSQL
	@scripts/package

test-package: setup ## install the packages on a clean Debian 12, upgrade, remove (needs root and debootstrap)
	@scripts/test-package

arm64: setup ## cross-compile the models' tests for 64-bit ARM and run them under qemu (installs a compiler once)
	@scripts/test-arm64

bookcrossing: install ## train and evaluate on a million real ratings (downloads 27 MB once)
	@scripts/with-cluster -- tests/bookcrossing/run

movielens: install ## cross-validate predicted stars on MovieLens 100k (downloads 2 MB once)
	@scripts/with-cluster -- tests/movielens/run

peers: setup ## compare quality and speed with implicit, LensKit, Surprise, LightGBM (takes long)
	@tests/peers/compare

serving: install ## measure response times, compared with a Python service and under load (takes half an hour)
	@tests/serving/compare

month: install ## play a month of a site with three seeds: readers, nights, experiments, dashboard (five to ten minutes)
	@tests/month/play

kernels: setup ## measure each kernel on each instruction set that the processor has (a minute)
	@. scripts/env && cargo run --release --quiet -p kernels

fmt: ## format the Rust code
	@cargo fmt --all

lint: setup ## format, layout and dependency checks, and clippy
	@scripts/lint

clean: ## remove build output; tools and downloads stay
	@. scripts/env && rm -rf "$$CARGO_TARGET_DIR"
