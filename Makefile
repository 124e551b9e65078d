# make run: the Elec2 demo. make test: every check and test. make test-faults: the long form of the fault tests, for a
# quarter of an hour. make bench: the hot path's figures. All make the environment first.

PYTHON := $(shell for p in python3.13 python3.12 python3.11 python3; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
DATA ?= data

.PHONY: run test check test-faults bench clean

run: .venv/ready
	$(BIN)/watchloop up --demo elec2 --data $(DATA)

test: .venv/ready check
	$(BIN)/pytest

test-faults: .venv/ready
	$(BIN)/pytest -n0 -s -m long

bench: .venv/ready .venv-peers/ready
	$(BIN)/python -m benchmarks.hotpath

check: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

.venv/ready: pyproject.toml build_backend.py embedded/kafka/kafka-jars.lock console/webjars.lock
	@test -n "$(PYTHON)" || { echo "watchloop needs Python 3.11, 3.12 or 3.13 on the PATH" >&2; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[local,dev]'
	$(BIN)/python -m watchloop.processes.kafka_setup jars
	touch $@

.venv-peers/ready: benchmarks/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet -r benchmarks/peers.txt
	touch $@

clean:
	rm -rf .venv .venv-peers .mypy_cache .ruff_cache .pytest_cache build *.egg-info
