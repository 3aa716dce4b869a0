# Each target does all the set-up that it needs; `make help` lists them.
# Requirements: Python, make, and access to a package index.

VENV ?= .venv
# The first Python that really runs (a pyenv shim may only exist) and that TensorFlow serves.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
	2>/dev/null && echo $$python && break; done)
ARGS ?=
# Which tests `make test` and `make check` run, as pytest's -m has it.
SELECT ?= not slow and not network

BIN := $(VENV)/bin
PIP := $(BIN)/python -I -m pip --disable-pip-version-check --quiet
PACKAGES := $(VENV)/.packages
PROJECT := $(VENV)/.project

# A checkout that was moved and a Python that is gone leave a .venv that cannot run: install again.
$(shell [ "$$(cat $(PACKAGES) 2>/dev/null)" = "$$(pwd -P)" ] && $(BIN)/python -c '' 2>/dev/null \
	|| rm -f $(PACKAGES) $(PROJECT))

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup sweep test check format lint types ray lock wheel bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

setup: $(PROJECT) ## Install everything into .venv (implied by every target below)

sweep: $(PROJECT) ## Run a real sweep that needs no download; ARGS="KEY=VALUE ..." adds overrides
	$(BIN)/cnn-sweeps -m data=digits $(ARGS)

test: $(PROJECT) ## Run the fast tests; ARGS=tests/test_x.py runs one file
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "$(SELECT)" $(ARGS)

check: lint types ## Format, lint, types and tests with coverage, as .ci/run does
	$(BIN)/python -m pytest -q -n auto --dist worksteal -m "$(SELECT)" --cov --cov-report=term $(ARGS)

format: $(PROJECT) ## Format the code and apply the lint fixes
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: $(PROJECT) ## Check formatting and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(PROJECT) ## Check the types
	$(BIN)/mypy

ray: ## Install Ray into .venv-ray, for the test of its jobs
	@[ -x $(VENV)-ray/bin/ray ] || { "$(PYTHON)" -I -m venv --clear $(VENV)-ray && \
		$(VENV)-ray/bin/python -I -m pip --disable-pip-version-check --quiet \
		install --no-compile "ray[default]"; }

lock: $(PROJECT) ## Resolve requirements.lock again; ARGS=--upgrade updates versions
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --quiet --output-file requirements.lock $(ARGS)

wheel: $(PROJECT) ## Build the wheel and the source distribution into dist/
	$(BIN)/python -m hatchling build

bench: $(PROJECT) ## Compare with other tools (benchmarks/)
	@[ -d benchmarks ] || { echo "This checkout has no benchmarks/." >&2; exit 2; }
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## Remove .venv, builds and caches; mlruns/ is kept
	rm -rf $(VENV) $(VENV)-ray dist htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache
	find cnn_sweeps hydra_plugins tests -name __pycache__ -type d -prune -exec rm -rf {} +

# A half-installed package looks installed to pip, so an install that did not reach its end
# is repeated in an empty folder; pip's cache keeps what was downloaded. Byte code is compiled
# here, on all cores: where PYTHONDONTWRITEBYTECODE is set nothing else ever would, and
# TensorFlow takes 16 s instead of 6 s to import. The lock names everything, so nothing is resolved
# again: pip would stumble over an extra (coverage[toml]) as soon as a newer release is out.
$(PACKAGES): requirements.lock
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found." \
		"Type make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; exit 2; }
	@echo "Installing into $(VENV): about 2 GB and a few minutes the first time ..."
	@[ -f $@ ] || "$(PYTHON)" -I -m venv --clear $(VENV) || { echo "$(PYTHON) cannot make a" \
		"virtual environment. On Debian and Ubuntu: apt install python3-venv" >&2; exit 2; }
	@rm -f $(PACKAGES) $(PROJECT)
	@PIP_USER=0 $(PIP) install --no-compile --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -I -m compileall -qq -j 0 -x 'packages/.*/tests/' $(VENV)/lib \
		|| true # some ship templates, no Python
	@pwd -P > $@

$(PROJECT): $(PACKAGES) pyproject.toml
	@PIP_USER=0 $(PIP) install --no-build-isolation --no-deps --no-index --editable .
	@$(BIN)/python -I -m compileall -qq cnn_sweeps hydra_plugins
	@touch $@
