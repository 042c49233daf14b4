# `make demo` and `make test` need Python >= 3.11 with venv, and nothing else: they set themselves up.
#
# PYTHON=3.12                     the Python to set up with (default: the newest found)
# VENV=.venv                      where to
# DEPENDENCIES=lowest             runtime dependencies at their lower bounds instead of the locked versions
# HEIJUNKA_TEST_SERVER=/path      the server binary the tests run on (default: the bundled Valkey)
# SOAK=10m                        how long `make soak` goes on
# ARGS="-k settle -x"             passed on to pytest, or to the benchmarks

VENV ?= .venv
ARGS ?=
export VENV PYTHON DEPENDENCIES HEIJUNKA_TEST_SERVER

BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
FIGURES := build/fault-figures.jsonl
# Faults mostly wait for what they do to show; two at a time fill two cores.
BREAK := tests/faults -n 2 --timeout 180
SOAK ?= 10m
# One process a core, each with a server of its own.
PARALLEL := -n auto --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help setup demo test slow docker lint types format bench lock ci clean
.PHONY: lint-python lint-layers lint-lua types-mypy types-pyright

help: ## show this
	@echo "make TARGET [PYTHON=3.12] [VENV=.venv] [ARGS=...]"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-10s %s\n", $$1, $$2 }'

setup: ## set up everything development needs
	@.ci/setup dev

demo: ## see real work done, on a private server
	@.ci/setup demo
	@$(BIN)/heijunka demo

test: ## run the suite
	@.ci/setup test
	@$(PYTEST) $(PARALLEL) $(ARGS)

slow: ## run the tests that are left out of the suite for their length
	@.ci/setup test
	@$(PYTEST) -m "slow and not docker" $(ARGS)

docker: ## run the suite on the current images of Redis and Valkey (needs a Docker daemon)
	@.ci/setup test
	@$(PYTEST) -m docker $(ARGS)

faults: ## break it under load in every way there is, and write docs/fault-results.md
	@.ci/setup test
	@mkdir -p build && rm -f $(FIGURES)
	@status=0; HEIJUNKA_TEST_FIGURES=$(FIGURES) $(PYTEST) $(BREAK) -m matrix $(ARGS) || status=$$?; \
		$(BIN)/python -m tests.faults.page $(FIGURES) docs/fault-results.md && exit $$status

quickfaults: ## those of the faults that continuous integration has time for
	@.ci/setup test
	@$(PYTEST) $(BREAK) -m "matrix and not long" $(ARGS)

soak: ## random faults for SOAK at 200 jobs/s: nothing lost, everything flat
	@.ci/setup test
	@HEIJUNKA_TEST_SOAK=$(SOAK) $(PYTEST) tests/faults -m soak -s $(ARGS)

lint: lint-python lint-layers lint-lua ## ruff, the layers' contracts, luacheck and StyLua

lint-python: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

lint-layers: setup
	@$(BIN)/lint-imports --no-logo

lint-lua: setup
	@$(BIN)/python .ci/lua.py check

types: types-mypy types-pyright ## mypy over everything, pyright as users of the library see it

types-mypy: setup
	@$(BIN)/mypy

types-pyright: setup
	@$(BIN)/pyright --pythonpath $(BIN)/python

format: setup ## let ruff and StyLua rewrite what they can
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format
	@$(BIN)/python .ci/lua.py format

bench: ## measure, and print the figures
	@.ci/setup demo
	@$(BIN)/python -m benchmarks $(ARGS)

lock: ## resolve the dependencies anew into uv.lock (needs uv)
	@uv lock --no-config --default-index https://pypi.org/simple $(ARGS)

ci: ## everything continuous integration checks
	@.ci/checks

clean: ## remove what set-up, builds and checks made
	@rm -rf .venv .venvs .tools build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find benchmarks cli heijunka tests -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || :
