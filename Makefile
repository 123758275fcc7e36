# `make demo` shows VetBridge at work, `make test` proves it. Both make what they need: a virtual environment
# in .venv, filled with pip. On Windows see README.md for the same commands without make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all check bench clean

demo: $(READY)
	$(BIN)/vetbridge demo

test: $(READY)
	$(BIN)/pytest -n 2

# The same as `test` until something needs a Debian package.
test-all: test

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m bench.ledger

$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "VetBridge needs Python 3.11 or newer; name one with: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
