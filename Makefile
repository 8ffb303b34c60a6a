# Everything a developer runs. `make` lists the targets; each one makes what it needs.
# LEVDYN_WHEEL=dist/levdyn-....whl runs a target on that wheel, in an environment of its own, instead of on the checkout.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

LEVDYN_WHEEL ?=
export LEVDYN_WHEEL
VENV ?= $(if $(LEVDYN_WHEEL),build/wheel-venv,.venv)
BIN = $(VENV)/bin
PACKAGES := feeds venues backtest strategies
SOURCES = $(shell find $(PACKAGES) -name '*.pyx' -o -name '*.pxd')
PYTEST_ARGS ?=
DEMO_ARGS ?=
BENCH_ARGS ?=

# The first Python that can do the set-up; the shims of version managers exist without being able to start.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p .ci/preflight.py --quiet 2>/dev/null && { echo $$p; break; }; done; true)

# Without the directory of the command on sys.path: tests import what is installed, never what happens to lie around.
PYTEST = PYTHONSAFEPATH=1 $(BIN)/pytest -n auto --maxprocesses 8

.PHONY: help setup build demo test test-all lint format wheel bench conformance pictures docs trace clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: build  ## virtual environment in .venv, dependencies, compiled modules

$(VENV)/.tools: .ci/preflight.py
	@$(or $(PYTHON),python3) .ci/preflight.py
	$(or $(PYTHON),python3) -m venv $(VENV)
	$(BIN)/pip install -qq "setuptools>=77" "cython>=3.1,<4" "build>=1.2"
	@touch $@

ifdef LEVDYN_WHEEL
$(VENV)/.installed: $(VENV)/.tools $(LEVDYN_WHEEL)
	$(BIN)/pip install -qq --no-compile "$(abspath $(LEVDYN_WHEEL))[test,lint]"
	$(BIN)/pip install -qq --force-reinstall --no-deps "$(abspath $(LEVDYN_WHEEL))"  # a new wheel of the same version
	@touch $@

build: $(VENV)/.installed
else
$(VENV)/.installed: $(VENV)/.tools pyproject.toml setup.py
	@echo "dependencies and a first compilation: two to six minutes without a word"
	$(BIN)/pip install -qq --no-compile --no-build-isolation --editable ".[test,lint]"
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true  # on every core, which pip does not; some are for Python 2
	@touch $@

# --build-lib . puts each module beside its source and recompiles only what changed. Files that are new since the
# installation get their link in the strict editable tree here, so that nothing has to be installed again.
build/.compiled: $(VENV)/.installed $(SOURCES)
	$(BIN)/python -W ignore setup.py --quiet build_ext --build-lib . $(if $(FORCE),--force)
	@touch $@
ifdef FORCE
.PHONY: build/.compiled
endif

build: build/.compiled  ## compile what changed
	@for tree in build/__editable__.levdyn-*; do \
		find $$tree -xtype l -delete; \
		find $(PACKAGES) -type f ! -name '*.pyc' | while read -r file; do \
			[ -e "$$tree/$$file" ] || { mkdir -p "$$tree/$${file%/*}"; ln -sf "$(CURDIR)/$$file" "$$tree/$$file"; }; \
		done; \
	done
endif

demo: build  ## a leveraged strategy on the built-in sample, offline
	$(BIN)/levdyn demo $(DEMO_ARGS)

test: build  ## the fast tests
	$(PYTEST) -m "not slow and not real" $(PYTEST_ARGS)

test-all: build  ## the others: packaging, faults, real data, and the properties in depth
	LEVDYN_PROFILE=$${LEVDYN_PROFILE:-ci} LEVDYN_NO_SKIPS=1 $(PYTEST) -m "slow or real or hypothesis" --dist loadfile $(PYTEST_ARGS)

lint: build  ## ruff, mypy, cython-lint, stubs against the compiled modules
	@export PATH="$(abspath $(BIN)):$$PATH" PYTHONSAFEPATH=1; failed=; \
	for tool in "ruff check ." "ruff format --check ." mypy "cython-lint $(PACKAGES) tests benchmarks" "python .ci/check_stubs.py"; do \
		echo "$$tool"; $$tool || failed+=" $${tool%% *}"; \
	done; \
	[ -z "$$failed" ] || { echo "lint failed:$$failed"; exit 1; }

format: build  ## let ruff format the Python files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

wheel: $(VENV)/.tools  ## sdist, and from it the wheel, in dist/
	rm -rf dist && mkdir -p build
	$(BIN)/python -m build --no-isolation --outdir dist . > build/wheel.log 2>&1 \
		|| { grep -E -A9 'error: |Error compiling' build/wheel.log || cat build/wheel.log; exit 1; }
	@ls dist

bench: build  ## the quick form of the benchmarks
	$(BIN)/python -m benchmarks.run --quick $(BENCH_ARGS)

conformance: build  ## docs/conformance.md: worked cases of the venues, ours beside theirs
	PYTHONPATH=tests $(BIN)/python tests/conformance.py

pictures: build  ## docs/tear_sheet.png: the tear sheet of the demo in a headless Chromium
	PYTHONPATH=tests $(BIN)/python tests/pictures.py

# By name: installing the package once more, for an extra, would compile all of it.
EXTRA = import sys, tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"][sys.argv[1]], sep="\n")
$(VENV)/.docs: $(VENV)/.installed
	$(BIN)/python -c '$(EXTRA)' docs > $@.txt
	$(BIN)/pip install -qq -r $@.txt
	@touch $@

docs: build $(VENV)/.docs  ## the documentation as a site in build/site, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

trace: build  ## recompile with bounds checks, line tracing, debug symbols; back with make build FORCE=1
	LINETRACE=1 $(BIN)/python -W ignore setup.py --quiet build_ext --build-lib . --force

clean:  ## remove everything that was built, .venv included
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PACKAGES) tests -name __pycache__ -prune -exec rm -rf {} +
	find $(PACKAGES) \( -name '*.so' -o -name '*.c' \) -delete
