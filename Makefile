# The front door: what people and CI run, the same for both. `make` alone lists it.
#
# Every target installs what it needs into .venv (from requirements/*.txt, which hold versions and hashes) and
# remembers it, so a second run is fast. Another Python than the first in PATH: `make clean && make PYTHON=... test`.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

# The Python that is there is used, and the certificates that the machine trusts.
export UV_PYTHON_DOWNLOADS := never
export UV_SYSTEM_CERTS ?= true
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Those who gave pip an index of their own mean it for uv as well.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z.][a-zA-Z_.-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---------------------------------------------------------------- environment

.PHONY: .venv
.venv: $(VENV)/.ready ## the environment for everything below

$(VENV)/bin/uv: requirements/uv.txt
	@$(PYTHON) tools/check_python.py
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/.ready: $(VENV)/bin/uv requirements/dev.txt pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# ---------------------------------------------------------------- look at it work

.PHONY: demo
demo: $(VENV)/.ready ## a worker and the embedded engine, live (under 20 s)
	@$(BIN)/python examples/demo.py

.PHONY: engine
engine: $(VENV)/.ready ## the real Flowable on 127.0.0.1:8090 until Ctrl-C (a JDK >= 17, Maven); PORT=, RELEASE=, DATABASE=
	@$(BIN)/python engine/launch.py $(if $(PORT),--port $(PORT)) $(if $(RELEASE),--release $(RELEASE)) \
		$(if $(DATABASE),--database "$(DATABASE)")

# ---------------------------------------------------------------- check it

# What packaging tests install. Fetched here, never inside a test: tests talk to this machine only.
.cache/wheels/.ready: requirements/packaging.txt | $(VENV)/.ready
	@rm -rf .cache/wheels
	@$(BIN)/python -m pip download --quiet --require-hashes --only-binary :all: --dest .cache/wheels \
		-r requirements/packaging.txt
	@touch $@

.PHONY: test
test: $(VENV)/.ready .cache/wheels/.ready ## all tests; ENGINE=URL uses a real engine that is already running
	@$(BIN)/python tools/run_tests.py $(if $(ENGINE),--engine "$(ENGINE)")

.PHONY: test-releases
test-releases: $(VENV)/.ready ## the tests on the real Flowable again, on 7.0.1 and 6.8.0
	@$(BIN)/python tools/run_tests.py --releases

.PHONY: faults
faults: $(VENV)/.ready ## 2,000 jobs in each storm on the real Flowable: workers and engine killed, connections cut; JOBS=, SEED=
	@$(BIN)/python -m pytest -p no:randomly tests/storms --storm-jobs=$(or $(JOBS),2000) $(if $(SEED),--storm-seed=$(SEED))

.PHONY: soak
soak: $(VENV)/.ready ## a worker at full speed for ten minutes, with faults: memory, threads, sockets, handles flat; SECONDS=
	@$(BIN)/python benchmarks/soak.py $(SECONDS)

# What draws the plots, and nothing else needs.
$(VENV)/.bench: requirements/bench.txt | $(VENV)/.ready
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

# With PART, nothing but that: a part is measured again because something was changed, and waits for nothing else.
.PHONY: bench
bench: PARTS = $(foreach part,$(PART),--part $(part))
bench: $(VENV)/.ready $(VENV)/.bench ## what things cost, as ratios in one run; an hour beside 1.0.2 and JavaScript on the real engine; PART=
ifeq ($(strip $(PART)),)
	@$(BIN)/python benchmarks/embedded.py
	@$(BIN)/python benchmarks/journal.py
	@$(BIN)/python benchmarks/handlers.py
	@$(BIN)/python benchmarks/coroutines.py
endif
	@$(BIN)/python benchmarks/side_by_side/run.py $(PARTS)
	@$(BIN)/python benchmarks/side_by_side/report.py $(PARTS)

.PHONY: coverage
coverage: $(VENV)/.ready .cache/wheels/.ready ## which branches the tests without the real engine reach
	@$(BIN)/python -m pytest --numprocesses=2 -m "not real_engine" --cov --cov-report=term --cov-report=html tests

TYPED_PROGRAMS := benchmarks docs/conf.py engine examples tests tools

.PHONY: lint
lint: $(VENV)/.ready ## ruff, mypy (also as on Windows), basedpyright, import-linter
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy src
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32 src
	$(BIN)/mypy $(TYPED_PROGRAMS)
	$(BIN)/basedpyright
	$(BIN)/lint-imports --no-logo

.PHONY: format
format: $(VENV)/.ready ## ruff's formatter and its safe corrections
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

.PHONY: docs
docs: $(VENV)/.ready ## the documentation, into docs/_build/html; a warning is an error
	$(BIN)/sphinx-build --fail-on-warning --nitpicky --keep-going --quiet docs docs/_build/html

# ---------------------------------------------------------------- keep it

# No index and no address gets into a lock: it must serve on every network. `UPGRADE=1` takes the newest versions.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header $(if $(UPGRADE),--upgrade)

.PHONY: lock
lock: $(VENV)/bin/uv ## the locks in requirements/ again, from pyproject.toml and *.in; UPGRADE=1: newest versions
	$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) pyproject.toml --extra dask --extra fast --extra testing --group dev --constraint requirements/uv.txt \
		--output-file requirements/dev.txt
	$(COMPILE) requirements/packaging.in --constraint requirements/dev.txt --output-file requirements/packaging.txt
	$(COMPILE) --group bench --constraint requirements/dev.txt --output-file requirements/bench.txt

.PHONY: clean
clean: ## away with everything that is made, environments included
	rm -rf .venv .venvs .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
	rm -rf build dist htmlcov docs/_build engine/target engine/.run
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
