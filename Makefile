# Everything here runs in .venv, which is made on first use from pyproject.toml and constraints.txt.
# Needed beforehand: make, and Python 3.11 or newer with venv and pip. Another Python: make PYTHON=python3.12 test

PYTHON ?= python3
DEMO ?= gapscope-demo
# Two folders of images; without, the demo's: make bench IMAGES="PHOTOS RENDERS"
IMAGES ?=

BIN := .venv/bin
READY := .venv/.ready
# Tools that check dependencies have an environment of their own.
TOOLS := .venv-tools/bin
TOOLS_READY := .venv-tools/.ready
# MLflow's client and server fit into no environment with the versions that constraints.txt pins.
MLFLOW := .venv-mlflow
MLFLOW_READY := $(MLFLOW)/.ready
LOCKED := requirements/locked.txt
# The page's sources are TypeScript; what a browser runs is built from them and kept in the repository.
PAGE := engine/page
PAGE_READY := $(PAGE)/node_modules/.ready
# Node and npm come from .venv too.
NPM := PATH="$(CURDIR)/.venv/bin:$$PATH" npm --prefix $(PAGE)

.DEFAULT_GOAL := help
.PHONY: help demo bench page test test-slow test-exports test-tracking lint format wheel lock audit licenses sbom clean

help:
	@echo "make demo    compare photographs with rendered images, into $(DEMO)/, and say where the report is"
	@echo "make test    make lint, and the tests but those that take long"
	@echo "make test-slow  the tests that take long, and the examples in docstrings"
	@echo "make test-exports  the tools that exports are for read them, each in an environment of its own (11 GB)"
	@echo "make test-tracking  the tests of gapscope track with MLflow's own server, in an environment of its own (1 GB)"
	@echo "make lint    ruff, import-linter, mypy, and for the page eslint, tsc and its unit tests"
	@echo "make page    build the report's page from $(PAGE) into engine/gapscope/report/assets"
	@echo "make format  let ruff mend and format the code"
	@echo "make bench   gapscope against its peers on the same images, into benchmarks/results/peers.json and .html"
	@echo "make wheel   build the source distribution, and from it the wheel, into dist/"
	@echo "make lock    write $(LOCKED): every dependency of a user's install, with hashes, from constraints.txt"
	@echo "make audit   look the dependencies up in the advisory database (needs the network)"
	@echo "make licenses write requirements/licenses.md from what .venv holds"
	@echo "make sbom    write dist/gapscope.cdx.json, the CycloneDX bill of materials of a release"
	@echo "make clean   remove .venv, dist, $(DEMO) and caches"

demo: $(READY)
	$(BIN)/gapscope demo --out $(DEMO)

bench: $(READY)
	$(BIN)/python benchmarks/peers/run.py $(IMAGES) --out benchmarks/results/peers.json

# Two at a time, since most tests wait for processes to start more than they compute; those that wait the most begin.
test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

test-slow: $(READY)
	$(BIN)/python -m pytest -n 2 -m slow
	$(BIN)/python -m pytest -p doctest_runs --doctest-modules engine/gapscope

test-exports: $(READY)
	$(BIN)/python tests/exports/round_trips.py --envs .venv-exports

test-tracking: $(READY) $(MLFLOW_READY)
	GAPSCOPE_MLFLOW_SERVER=$(CURDIR)/$(MLFLOW)/bin/mlflow $(BIN)/python -m pytest -n 2 --dist loadfile tests/unit/track

page: $(PAGE_READY)
	$(NPM) run build

lint: $(READY) $(PAGE_READY)
	$(NPM) run --silent check
	$(NPM) run --silent lint
	$(NPM) run --silent fresh
	$(NPM) run --silent test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

wheel: $(READY)
	$(BIN)/python -m build

lock: $(TOOLS_READY)
	$(TOOLS)/uv pip compile pyproject.toml --extra cloud --extra dashboard --extra demo --extra mlflow --extra stills \
		--constraints constraints.txt --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --quiet --output-file $(LOCKED)

# Strict: a package that could not be looked up is no clean one.
audit: $(TOOLS_READY)
	$(TOOLS)/pip-audit --strict --require-hashes --disable-pip --requirement $(LOCKED)

licenses: $(TOOLS_READY) $(READY)
	$(TOOLS)/pip-licenses --python $(BIN)/python --format markdown --order name \
		--packages $$(sed -n 's/^\([A-Za-z0-9._-]*\)==.*/\1/p' $(LOCKED)) --output-file requirements/licenses.md

sbom: $(TOOLS_READY)
	mkdir -p dist
	$(TOOLS)/cyclonedx-py requirements $(LOCKED) --pyproject pyproject.toml --output-reproducible \
		--output-file dist/gapscope.cdx.json

clean:
	rm -rf .venv .venv-tools .venv-exports $(MLFLOW) $(PAGE)/node_modules $(PAGE)/build dist $(DEMO) .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find engine cli tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) > /dev/null \
		|| { echo "$(PYTHON) is not there: install Python 3.11 or newer, or name one: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$$($(PYTHON) --version) is too old: gapscope needs 3.11 or newer. Name one: make PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2> /dev/null \
		|| { echo "$(PYTHON) has no venv: install it (Debian and Ubuntu: apt install python3-venv)"; exit 1; }
	@echo "Setting up .venv, once: some minutes, and 7 GB of disk, mostly for torch and the CUDA libraries that it brings."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[dev,demo]"
	@touch $@

# Its server wants an older pyarrow than gapscope is tested with.
$(MLFLOW_READY):
	$(PYTHON) -m venv $(MLFLOW)
	$(MLFLOW)/bin/python -m pip install --disable-pip-version-check --quiet mlflow==3.17.2
	@touch $@

$(PAGE_READY): $(PAGE)/package-lock.json $(READY)
	$(NPM) ci --silent
	@touch $@

$(TOOLS_READY): requirements/tools.txt
	$(PYTHON) -m venv .venv-tools
	$(TOOLS)/python -m pip install --disable-pip-version-check --quiet -r requirements/tools.txt
	@touch $@
