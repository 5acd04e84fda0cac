# Every target sets up .venv by itself: a fresh copy needs make, Python 3.11 and a network, no more.

PYTHON ?= python3.11
PROFILE ?= quick
TORCH := $(shell grep '^torch==' constraints.txt)
# Address of an index of torch builds for a certain CUDA version, or for the CPU only (see README).
TORCH_INDEX ?=

BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup study test lab

help: ## Say what the targets do
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s  %s\n", $$1, $$2 }' Makefile

setup: $(STAMP) ## Make .venv and install everything in it, at the versions of constraints.txt

study: $(STAMP) ## Set up, then run the whole series (PROFILE=smoke, quick or full; quick if not said)
	$(BIN)/mtlkit study --profile $(PROFILE)

test: $(STAMP) ## Set up, then pass every check: style, types, tests, and the series on profile smoke
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto
	$(BIN)/mtlkit study --profile smoke --fresh

lab: $(STAMP) ## Set up, then open the lessons in JupyterLab
	$(BIN)/jupyter lab notebooks

# torch comes first and alone, so that no other package's wishes choose its build.
$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null || { \
	  echo "mtlkit needs Python 3.11, and '$(PYTHON)' is not on the PATH." >&2; \
	  echo "Install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "mtlkit needs Python 3.11, and '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) $(TORCH)
	$(PIP) -e ".[weights,test]"
	@touch $@
