# `make demo` shows VetBridge at work, `make test` proves it. Both make what they need: a virtual environment
# in .venv, filled with pip. On Windows see README.md for the same commands without make.

# The first Python that is new enough; name another one with: make PYTHON=... demo
PYTHON ?= $(shell for python in python3 python3.11 python3.12 python3.13 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Many tests wait for processes of their own: three at a time keep two cores busy.
WORKERS := 3
# Tests start hundreds of processes, and each would compile every module anew where a machine sets this.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo demos test test-all test-postgresql check fuzz bench bench-matching mutants torture soak clean

demo: $(READY)
	$(BIN)/vetbridge demo

test: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal

# The whole suite with every ledger on a real PostgreSQL; its server comes from PyPI, too.
test-postgresql: $(READY)
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --ledger postgresql

# A short morning of every practice system, by every way that its simulator can; `make test` has three of them.
demos: $(READY)
	$(BIN)/pytest tests/system/test_demo.py --every-demo

# All there is, then what opens a ledger once more on PostgreSQL. The pages' tests need Chromium, those of databases ODBC:
# apt-get install chromium unixodbc libsqliteodbc odbc-postgresql
test-all: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[browser]"
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --with-browser --with-odbc
	$(BIN)/pytest -n $(WORKERS) --dist worksteal --ledger postgresql --with-ledger

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# 10,000 inputs for each door, ten minutes, with a table of what came of them; `make test` has 1,000.
fuzz: $(READY)
	$(BIN)/python -m tests.fuzz

bench: $(READY)
	$(BIN)/python -m bench.ledger
	$(BIN)/python -m bench.status
	$(BIN)/python -m bench.attachments

# The matcher beside its peers, an hour: makes bench/matching/RESULTS.md. The peers weigh 640 MB.
bench-matching: $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[bench]"
	$(BIN)/python -m bench.matching

# Breaks the code on purpose, a patch at a time, and looks whether a test notices.
mutants: $(READY)
	$(BIN)/python -m tests.mutants.run

# The laws over long histories, and 200 kills of real processes on either ledger: takes its time.
torture: $(READY)
	HYPOTHESIS_PROFILE=torture $(BIN)/pytest tests/properties/test_laws.py
	$(BIN)/python -m tests.crash.torture --kills 200 --ledger sqlite
	$(BIN)/python -m tests.crash.torture --kills 200 --ledger postgresql

# Thirty played days with troubles, then one real hour: each alert once, both sides agree, memory stays.
soak: $(READY)
	$(BIN)/python -m tests.soak
	$(BIN)/python -m tests.soak.hour

$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "VetBridge needs Python 3.11 or newer; name one with: make PYTHON=... demo"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
