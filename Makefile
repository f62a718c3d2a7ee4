# Everything starts here: `make demo` and `make test` set up what they need.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := platform sandbox jobs cluster tests docs
CONFIG ?= jobs/configs/demo.yaml
PYTEST_ARGS ?=
FUZZ_EXAMPLES ?= 5000
SOAK_PROGRAMS ?= 2000

.PHONY: help setup demo test long fuzz hostile soak check docs benchmarks clean

help:
	@echo "make demo        the whole pipeline on a small generated benchmark; ends with a table and a figure"
	@echo "make test        the tests, except the hostile programs"
	@echo "make long        tests that take long: tutorials typed through, kills in every stage, nodes that die (needs root)"
	@echo "make fuzz        random input to readers, parsers and the sandbox: FUZZ_EXAMPLES per property (default 5000)"
	@echo "make hostile     programs that attack the sandbox, in a jail around it (some minutes)"
	@echo "make soak        hostile and honest programs by the thousand on a pool of Ray actors, in the jail; needs root"
	@echo "make check       formatting, lint, types"
	@echo "make docs        these pages and the API reference as a site in site/; fails on any warning"
	@echo "make benchmarks  speed ratios, measured side by side in one run"
	@echo "make setup       only the environment (each of the above sets it up first)"
	@echo "make clean       remove the environment (results in runs/ stay)"

setup: $(VENV)/.ready

# PyTorch is installed first, so that no other package can select another build of it.
$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "codeplan needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) (some minutes the first time) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	@$(BIN)/codeplan run $(CONFIG)

test: setup
	@$(BIN)/python -m pytest -n auto --dist loadfile tests/unit $(PYTEST_ARGS)
	@$(BIN)/python -m pytest -m "not long" tests/on_ray tests/gpu $(PYTEST_ARGS)

long: setup
	@$(BIN)/python -m pytest -m long tests/on_ray $(PYTEST_ARGS)
	@$(BIN)/python -m pytest tests/long $(PYTEST_ARGS)

fuzz: setup
	@HYPOTHESIS_PROFILE=fuzz CODEPLAN_FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) \
	  $(BIN)/python -m pytest -n auto -m fuzz --timeout 0 tests/unit tests/hostile $(PYTEST_ARGS)

hostile: setup
	@$(BIN)/python -m pytest tests/hostile $(PYTEST_ARGS)

soak: setup
	@$(BIN)/python tests/hostile/jail.py soak.py root $(SOAK_PROGRAMS) tests/hostile/programs/*.py

check: setup
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/mypy

docs: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs]'
	@$(BIN)/mkdocs build --strict

benchmarks: setup
	@for script in tests/benchmarks/*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

clean:
	rm -rf $(VENV)
