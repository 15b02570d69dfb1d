# On a fresh machine with python3 (3.11 or newer, with venv) and make:
#   make demo   the starting problem, solved and drawn      make test   the whole test suite
#   make docs   the website, into build/website             make check  ruff, import rules, types, documentation
PYTHON ?= python3
TEST_EXTRAS ?= test
TESTS ?=
PARALLEL ?= -n auto --dist worksteal
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test check docs bench clean

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp for each set of extras: installing again is skipped until pyproject.toml changes.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

demo: $(VENV)/.installed-cli
	$(BIN)/emkit demo

test: $(VENV)/.installed-$(TEST_EXTRAS)
	$(BIN)/python -m pytest $(PARALLEL) $(TESTS)

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/python -m pytest $(PARALLEL) tests/docs

docs: $(VENV)/.installed-docs
	$(BIN)/python docs/website/build.py

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks mixture

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
