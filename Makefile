# `make run` and `make test` do all the set-up themselves; the rest is for who works on it.

PYTHON ?= python3
CONFIG ?= config/beacon.yaml
ARGS ?=

BIN := .venv/bin
INPUTS := pyproject.toml scripts/environment scripts/packages
BENCHMARKS = $(basename $(notdir $(shell grep -l __main__ benchmarks/*.py)))
LOCK_ONE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-strip-extras --no-header --no-annotate
LOCK := $(LOCK_ONE) pyproject.toml
QUICK := $(addprefix tests/,core engine config maildns otp probing replay vendors outputs net/parsing) \
	$(addprefix --ignore=tests/,core/test_stateful.py core/test_properties.py core/test_reachable.py \
	core/test_worlds.py core/endpoint/latency/test_baseline.py config/test_tls.py config/yaml/test_reader.py \
	outputs/history outputs/web) \
	$(addprefix --deselect=tests/core/account/test_budget.py::,test_no_account_is_ever_locked test_a_day_of_one_fault)
SLOW = $(notdir $(wildcard scripts/slow/*))
APPLICATIONS = $(basename $(notdir $(wildcard lock/applications/*.in)))

# The tests start beacons by the dozen: where nothing compiled may be kept, each compiles all of it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run demo test quick slow check lint format coverage lock lock-check bench mutation picture annunciator alarm-performance architecture clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/demo.done  ## the beacon on its sandbox; CONFIG=config/public.yaml: on the real world
	@scripts/run $(CONFIG)

demo: .venv/demo.done  ## the story of 19 November 2018 in 90 seconds
	@$(BIN)/beacon demo

test: .venv/dev.done  ## the whole suite, against real servers; ARGS="-k sandbox": a part of it
	@scripts/test $(ARGS)

quick: .venv/dev.done  ## what only computes, in less than a minute: no servers, no real time, no long properties
	@$(BIN)/pytest --quiet --numprocesses=auto -m "not integration and not realtime and not slow" $(QUICK)

slow: .venv/dev.done  ## what takes hours, step by step; ARGS=locks: one of scripts/slow
	@status=0; for name in $(or $(ARGS),$(SLOW)); do echo "== $$name"; \
		scripts/slow/$$name || { echo "== $$name failed" >&2; status=1; }; done; exit $$status

check: lint coverage lock-check  ## everything a change must pass, beside the tests

lint: .venv/dev.done  ## style, types, imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: .venv/dev.done  ## put the source in shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

coverage: .venv/dev.done  ## branches the tests reached, with the gate
	@test -f .coverage || $(MAKE) test
	$(BIN)/coverage report --fail-under=96

lock: .venv/dev.done  ## bring lock/ up to pyproject.toml; ARGS=--upgrade: newer versions
	$(BIN)/$(LOCK) $(ARGS) -o lock/beacon.txt
	$(BIN)/$(LOCK) $(ARGS) --extra demo -o lock/demo.txt
	$(BIN)/$(LOCK) $(ARGS) --extra dev -o lock/dev.txt
	for name in $(APPLICATIONS); do $(BIN)/$(LOCK_ONE) $(ARGS) lock/applications/$$name.in \
		-o lock/applications/$$name.txt || exit 1; done

lock-check: .venv/dev.done  ## whether lock/ still answers pyproject.toml
	@rm -rf .state/lock && mkdir -p .state && cp -r lock .state/lock
	@$(BIN)/$(LOCK) -o .state/lock/beacon.txt
	@$(BIN)/$(LOCK) --extra demo -o .state/lock/demo.txt
	@$(BIN)/$(LOCK) --extra dev -o .state/lock/dev.txt
	@for name in $(APPLICATIONS); do $(BIN)/$(LOCK_ONE) lock/applications/$$name.in \
		-o .state/lock/applications/$$name.txt || exit 1; done
	@diff -r lock .state/lock && echo "lock/ is current" || \
		{ echo "lock/ does not answer pyproject.toml: run \`make lock\`" >&2; exit 1; }

bench: .venv/dev.done  ## the budgets, measured beside the peers; ARGS=core_replay: one of them
	@scripts/packages prometheus prometheus-alertmanager prometheus-blackbox-exporter nginx mosquitto || true
	@status=0; for name in $(or $(ARGS),$(BENCHMARKS)); do \
		$(BIN)/python -m benchmarks.$$name || status=1; done; exit $$status

mutation: .venv/dev.done  ## whether the core's tests notice a mistake; ARGS="beacon.core.trust.network.*": a part
	$(BIN)/mutmut run --max-children 2 $(ARGS)
	$(BIN)/mutmut export-cicd-stats && cat mutants/mutmut-cicd-stats.json

picture: .venv/dev.done  ## docs/demo.svg, from a real run
	$(BIN)/python scripts/picture.py docs/demo.svg

annunciator: .venv/dev.done  ## docs/annunciator.md, from the tables of the core
	PYTHONPATH=. $(BIN)/python scripts/annunciator.py docs/annunciator.md

alarm-performance: .venv/dev.done  ## docs/alarm-performance.md and .svg, from docs/alarm-performance.json
	PYTHONPATH=. $(BIN)/python scripts/alarm_performance.py docs/alarm-performance.md

architecture: .venv/dev.done  ## docs/architecture.svg, from the imports
	PYTHONPATH=. $(BIN)/python scripts/architecture.py docs/architecture.svg

clean:  ## the environment and what tests leave behind
	rm -rf .venv .state .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis mutants

.venv/%.done: lock/%.txt $(INPUTS)
	@scripts/environment $(PYTHON) $*

-include install.mk
