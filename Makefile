# `make` alone lists the targets. Everything runs in .venv, which `make setup` builds.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
TORCH  ?= torch==2.13.0

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types wheel parity properties mutants fuzz bench docs format clean

help: ## List the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/ready: pyproject.toml setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

setup: $(VENV)/ready ## Create .venv with netc and what its tests need

demo: setup ## Train the digits spec and score the exported model with numpy + onnxruntime alone
	$(BIN)/netc run models/digits.net
	$(BIN)/python docs/examples/score.py runs/digits/latest/export/model.onnx models/data/digits.csv.gz

test: setup ## Run the tests
	$(BIN)/python -m pytest -n auto -m 'not parity'

lint: setup ## Check style and imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## Check types (strict), on a tree of links that shows the installed layout
	$(BIN)/python tests/link_types.py
	MYPYPATH=.types $(BIN)/mypy --config-file pyproject.toml -p netc

wheel: setup ## Build the wheel, install it in a fresh environment, and smoke-test it
	bash tests/wheel.sh $(BIN)/python

$(VENV)/parity: $(VENV)/ready
	$(BIN)/pip install --quiet --disable-pip-version-check '$(TORCH)'
	touch $@

parity: $(VENV)/parity ## Compare training steps with PyTorch (installs its CPU build)
	$(BIN)/python -c 'import torch'  # without it the tests would be skipped, and nothing compared
	$(BIN)/python -m pytest -n auto -m parity tests/parity

properties: setup ## Try what holds of every spec on thousands of random ones (NETC_SPECS=first:count chooses)
	NETC_SPECS=$${NETC_SPECS:-0:500} $(BIN)/python -m pytest -n auto tests/properties

mutants: setup ## Change the code a little, many times over, and count the changes that no test notices
	$(BIN)/python -m tests.mutants

CASES ?= 1000000
FIRST ?= 0
fuzz: setup ## Feed mutants of good inputs to readers, checker, trainer and importer: CASES in all, from case FIRST on
	$(BIN)/python -m tests.fuzz --cases $(CASES) --first $(FIRST)

bench: $(VENV)/parity ## Measure the compiler, and step times beside PyTorch, each in its own process
	$(BIN)/python bench/compile.py
	$(BIN)/python bench/steps.py

docs: setup ## Write the generated tables of docs/
	$(BIN)/python docs/generate.py

format: setup ## Format the code and the specs
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/netc fmt models/*.net

clean: ## Remove what was built
	rm -rf $(VENV) .types .mutants build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
