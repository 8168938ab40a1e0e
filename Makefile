# Every target installs what it needs, and nothing twice.
PYTHON := .venv/bin/python
WORKERS ?= 2
ARGS ?=

.PHONY: setup demo test check fuzz bench gas abi
.DEFAULT_GOAL := setup

setup:
	@scripts/setup dev
	@scripts/setup-node

demo:
	@scripts/setup
	@.venv/bin/medfed demo $(ARGS)

test: setup
	scripts/forge test
	$(PYTHON) -m pytest -n $(WORKERS) $(ARGS)

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
