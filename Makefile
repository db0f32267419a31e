# Two commands are all a newcomer needs:  make demo   and   make test
# Nothing here needs more than Python 3.11 or newer (with venv), make and git.

PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
DEMO   ?= demo-output

.PHONY: help demo test test-slow validate lint types contracts check wheel-test system-packages constraints benchmarks clean

help:
	@echo "make demo       compare the sample pairs; the pages are in $(DEMO)/"
	@echo "make test       install what tests need, run them (under 8 minutes on 2 cores)"
	@echo "make test-slow  the long tests: dozens of kills, hundreds of films"
	@echo "make validate   accuracy on simulated pairs with known truth"
	@echo "make check      lint, types and import contracts"
	@echo "make benchmarks speed and memory, as tables"

# One stamp a set of packages: installing again does nothing until pyproject.toml or the constraints change.
$(VENV)/.base: pyproject.toml constraints.txt
	@scripts/install.sh $(PYTHON) $(VENV) base
	@touch $@

$(VENV)/.test: $(VENV)/.base
	@scripts/install.sh $(PYTHON) $(VENV) test
	@touch $@

demo: $(VENV)/.base
	@$(BIN)/python scripts/demo.py $(DEMO)

system-packages:
	@scripts/system-packages.sh

test: $(VENV)/.test system-packages
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
	@scripts/wheel-test.sh $(PYTHON) $(VENV)

test-slow: $(VENV)/.test system-packages
	$(BIN)/python -m pytest -m slow --timeout 3600

validate: $(VENV)/.base
	$(BIN)/calcimeasure validate --pairs 300 --out validation-output --overwrite

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

contracts: $(VENV)/.test
	$(BIN)/lint-imports

check: lint types contracts

benchmarks: $(VENV)/.test
	$(BIN)/python benchmarks/speed.py

# Resolve every extra and group together; the file names versions only.
constraints: $(VENV)/.base
	$(BIN)/uv pip compile pyproject.toml --all-extras --group test --group viewer-test --group quality --group training --universal --python-version 3.11 \
	  --no-header --no-annotate --upgrade --output-file constraints.txt

clean:
	rm -rf $(VENV) $(DEMO) dist build validation-output
