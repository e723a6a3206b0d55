# make help prints what there is.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.installed
TESTS_READY := $(VENV)/.installed-for-tests
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports format check docs bench clean

help: ## print this
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

install: $(READY) ## make a virtual environment in .venv and install Kunstkammer into it

demo: $(READY) ## go the whole way on drawn comic and manga pages: check, train, measure, explain, report
	rm -rf demo
	$(BIN)/kunstkammer demo --out demo

# Two processes share the cores; each with threads of its own, they would wait for one another.
test: $(TESTS_READY) ## install what the tests need and run them all
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadscope --durations 15

lint: $(TESTS_READY) ## ruff: lint and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(TESTS_READY) ## mypy
	$(BIN)/mypy

imports: $(TESTS_READY) ## the rooms import downward only
	$(BIN)/lint-imports

check: lint types imports test ## all of the above

format: $(TESTS_READY) ## let ruff format the code
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(TESTS_READY) ## make the reference of commands again
	$(BIN)/python -m typer kunstkammer.cli.app utils docs --name kunstkammer --output docs/commands.md

bench: $(TESTS_READY) ## run the benchmarks (needs a collection: DATA=path)
	$(BIN)/python -m benchmarks.run $(DATA)

clean: ## remove what make made
	rm -rf $(VENV) demo runs dist build

$(BIN)/python:
	$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "Kunstkammer needs Python 3.11 to 3.13; this is %d.%d. Name another: make PYTHON=python3.12 ..." % v)'
	$(PYTHON) -m venv $(VENV)

$(READY): $(BIN)/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

# Chromium is what the tests look at pages with, PostgreSQL what the web's store is tested on beside SQLite; where they
# cannot be installed those tests are skipped, and say so.
$(TESTS_READY): $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,tensorboard,postgres]'
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium >/dev/null; then \
	  echo "installing chromium for the tests of the report"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null \
	  || echo "chromium could not be installed; the tests that need it are skipped"; fi
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then \
	  echo "installing postgresql for the tests of the web's store"; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null \
	  || echo "postgresql could not be installed; the tests that need it are skipped"; fi
	touch $@
