# semlink: `make` alone lists what can be made.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.setup-done
ORACLE := .venv-tensorflow

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-slow torture check claims crosscheck weights docs clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything semlink needs (again only when the lists change)

$(STAMP): requirements.txt constraints.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { \
	  echo "semlink needs Python 3.11 or newer, and there is no $(PYTHON) here;" \
	    "name one: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "semlink needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1);" \
	    "name another: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "setting up $(VENV), which takes some minutes the first time"
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "$(PYTHON) cannot make environments; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt -r requirements.txt
	@$(RUN) -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## send the digits over simulated channels, draw accuracy versus SNR (results/runs/demo)
	@$(VENV)/bin/semlink sweep digits --weights results/reference/digits/weights \
	  --out results/runs/demo

test: setup ## run the fast tests, a process for each of up to four cores
	@$(RUN) -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-slow: setup ## run the tests that train
	@$(RUN) -m pytest -m slow

torture: setup ## kill a sweep of the digits 20 times, compare with an uninterrupted one
	@$(RUN) -m benchmarks.studies.torture --kills 20

check: setup ## check format, lint, types and the numbers in texts
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/mypy
	@$(RUN) -m benchmarks.tools.claims --quiet

claims: setup ## print each number of the texts with the table that it comes from
	@$(RUN) -m benchmarks.tools.claims

$(ORACLE)/.setup-done: requirements-tensorflow.txt
	@echo "setting up $(ORACLE), which takes some minutes the first time"
	@$(PYTHON) -m venv $(ORACLE)
	@$(ORACLE)/bin/python -m pip install -q --disable-pip-version-check -r $<
	@touch $@

crosscheck: setup $(ORACLE)/.setup-done ## compare with Sionna on TensorFlow (results/reference/crosscheck)
	@$(RUN) -m benchmarks.studies.crosscheck --python $(ORACLE)/bin/python

weights: setup ## train the digits weights anew (results/reference/digits)
	@$(VENV)/bin/semlink train digits --fresh --out results/reference/digits
	@cd results/reference/digits/weights && $(CURDIR)/$(RUN) -m benchmarks.tools.halve --every 10 \
	  deep_jscc_image_k64.safetensors deep_jscc_k4.safetensors deep_jscc_q_*.safetensors \
	  adjscc_*.safetensors dt_jscc_*.safetensors
	@$(VENV)/bin/semlink train digits --fresh --stage rebuilt --out results/reference/digits
	@$(RUN) -m benchmarks.tools.halve results/reference/digits/weights/rebuilt_student_k64.safetensors

docs: setup ## build the documentation and its gallery (docs/_build/html)
	@$(RUN) -m pip install -q --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[docs]'
	@$(RUN) -m sphinx -q -W --keep-going -b html docs docs/_build/html
	@echo "documentation: $(CURDIR)/docs/_build/html/index.html"

clean: ## remove .venv, .venv-tensorflow, caches and build output, never results
	rm -rf $(VENV) $(ORACLE) build docs/_build docs/_generated docs/auto_examples *.egg-info .pytest_cache .ruff_cache .mypy_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
