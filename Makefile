# Everything a developer or CI runs. `make run` and `make test` set up what they need by themselves.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FRAMEWORKS := $(VENV)/.frameworks
export PATH := $(abspath $(BIN)):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help run test lint format bench docs web browser tex clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12

run: $(READY) ## Measure a real program: scikit-learn on handwritten digits
	@carbonwatch run --project digits -- python examples/train_digits.py

test: $(FRAMEWORKS) browser tex web/node_modules ## Run the tests; ARGS='-k store -x' goes to pytest
	@python -m pytest $(ARGS)

lint: $(READY) ## Check style and types
	@ruff check .
	@ruff format --check .
	@mypy

format: $(READY) ## Put the code into the project's format
	@ruff check --fix .
	@ruff format .

bench: $(READY) ## Start-up, sample and memory beside CodeCarbon's (installs it into .cache/codecarbon)
	@python benchmarks/overhead.py
	@python benchmarks/sampling.py --codecarbon .cache/codecarbon/bin/python

docs: $(READY) ## Write again the pages of docs/ that are made from the code
	@for script in tools/write_*.py; do python $$script || exit 1; done

web: web/node_modules ## Build the pages of web/ into the package
	@rm -f src/carbonwatch/web/*
	@cd web && node build.mjs

# what the tests of pages drive and build with; on other systems: put chromium and npm into the PATH
browser: ## Install Chromium and npm from Debian's packages where they are missing
	@command -v chromium >/dev/null && command -v npm >/dev/null || { \
	  apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends chromium npm; }

# what compiles the reports for papers
tex: ## Install LaTeX from Debian's packages where it is missing
	@command -v pdflatex >/dev/null || { \
	  apt-get update --quiet && apt-get install --quiet --yes --no-install-recommends texlive-latex-base; }

web/node_modules: web/package-lock.json | browser
	@cd web && npm ci --no-audit --no-fund
	@touch $@

clean: ## Remove the environment and all caches
	rm -rf $(VENV) web/node_modules .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

# pip reads dependency groups from 25.1 on. Tests compile a library in C: where there is no compiler, zig is one.
$(READY): pyproject.toml
	@echo "Setting up $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --editable '.[examples]' --group dev
	@command -v cc >/dev/null || command -v gcc >/dev/null || $(BIN)/python -m pip install --quiet ziglang
	@touch $@

# what integrations are tested with: torch and others, far more than the rest
$(FRAMEWORKS): $(READY)
	@echo "Setting up the frameworks that are tested with ..."
	@$(BIN)/python -m pip install --quiet --group frameworks
	@touch $@
