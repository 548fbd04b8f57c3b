# make demo             install, serve the page with a scripted night, replay the real recording, print its summary
# make demo SERVE=0     the recording and its summary alone
# make test             install what tests need, run them all, three processes for every two cores, at most 8
# make check            format, lint, types, import contracts, doctests
# make screenshots      pictures of the demonstration for the README, by a real browser: docs/pictures
# make soak             live cameras with faults at random for hours (SOAK_HOURS=2), and what was found
# make venv             only the virtual environment
#
# PYTHON=python3.12     another Python, at least 3.11
# TEST_PROCESSES=4      another number of processes that test; 0 tests in one, where a debugger works
# TORCH_INDEX=URL       a wheel index to take torch from besides the usual one. PyTorch's public index of CPU builds is
#                       https://download.pytorch.org/whl/cpu: the default build for Linux brings gigabytes of CUDA

PYTHON ?= python3
VENV ?= .venv
SERVE ?= 1
TORCH_INDEX ?=
# tests of live cameras wait more than they compute: with a process a core every third core would rest
TEST_PROCESSES ?= $(shell $(PYTHON) -c 'import os; print((3 * len(os.sched_getaffinity(0)) + 1) // 2)')
SOAK_HOURS ?= 2

BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))

# the processes that test, and those that they start, would each compile every module anew
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check screenshots soak venv clean

demo: $(VENV)/.run
	$(BIN)/crowdwatch doctor
	$(BIN)/crowdwatch demo $(if $(filter 0 no false,$(SERVE)),--no-serve,--serve)

# worksteal: who has no tests left takes some of another's, so that all end together
test: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(TEST_PROCESSES) --maxprocesses 8 --dist worksteal

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q --doctest-modules crowdwatch pipelines --ignore=crowdwatch/store/migrations

screenshots: $(VENV)/.dev
	$(BIN)/python -m pipelines.screenshots

soak: $(VENV)/.dev
	CROWDWATCH_SOAK_HOURS=$(SOAK_HOURS) $(BIN)/python -m pytest -s tests/live/test_chaos.py

venv: $(VENV)/.run

# An installation is repeated when pyproject.toml changes, not before.
$(VENV)/.run: pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --editable ".[dev]"
	@touch $@ $(VENV)/.run

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed: sudo apt-get install -y python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python >= 3.11 is needed: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "The venv module is missing: sudo apt-get install -y python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
