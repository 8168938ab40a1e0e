# Every target installs what it needs, and nothing twice.
PYTHON := .venv/bin/python
WORKERS ?= 3
ARGS ?=

.PHONY: setup demo test test-contracts test-python test-full check fuzz bench gas abi
.DEFAULT_GOAL := setup

setup:
	@scripts/setup dev
	@scripts/setup-node

demo:
	@scripts/setup
	@.venv/bin/medfed demo $(ARGS)

# Side by side: the compiler behind forge has one thread, and Python tests wait for chains half of the time.
test: setup
	@$(MAKE) --no-print-directory -j2 test-contracts test-python

test-contracts:
	scripts/forge test

test-python:
	$(PYTHON) -m pytest -n $(WORKERS) $(ARGS)

# With the tests that take minutes each.
test-full:
	@$(MAKE) --no-print-directory test ARGS='-m "" $(ARGS)'

check: setup
	scripts/check

fuzz: setup
	FOUNDRY_PROFILE=deep scripts/forge test --fuzz-seed $$(date +%s) $(ARGS)

bench: setup
	$(PYTHON) -m bench $(ARGS)

gas: setup
	$(PYTHON) -m pytest -q --update-snapshots tests/gas tests/meta/test_abi.py

abi: setup
	$(PYTHON) deploy/compile.py
