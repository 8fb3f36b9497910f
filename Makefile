# `make` lists what there is. PYTHON=/path/to/python chooses the interpreter, ARGS=... is handed to the program.

.DEFAULT_GOAL := help
.PHONY: help setup demo up test chaos bench lint asyncapi clean FORCE

RUN := .venv/bin
SOURCES := pyproject.toml shared/pyproject.toml scripts/setup
# A moved checkout or a removed Python leaves an environment whose programs do not start: it is made anew.
ifneq ($(shell sh scripts/setup --check),ok)
SOURCES += FORCE
endif

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready-dev ## make .venv with everything, tests and tools included

demo: .venv/ready ## see it work: a broker, the workers and some requests, all on this machine
	@exec $(RUN)/carteiro demo $(ARGS)

up: .venv/ready ## run all six workers
	@exec $(RUN)/carteiro up $(ARGS)

test: .venv/ready-dev ## run the tests (ARGS='tests/unit -x')
	@exec $(RUN)/python -m pytest $(ARGS)

chaos: .venv/ready-dev ## kill workers and restart Kafka under load, count the replies (needs Docker)
	@exec $(RUN)/python -m tests.containers.chaos $(ARGS)

bench: .venv/ready-bench ## measure Carteiro beside FastStream and plain aiokafka on Apache Kafka (needs Docker)
	@exec $(RUN)/python -m benchmarks $(ARGS)

lint: .venv/ready-dev ## ruff, mypy and the import rules
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/lint-imports

asyncapi: .venv/ready ## write docs/asyncapi.json anew
	$(RUN)/carteiro asyncapi > .venv/asyncapi.json
	mv .venv/asyncapi.json docs/asyncapi.json

clean: ## remove .venv (where `make` made it) and every cache
	@if [ -e .venv/made-by-setup ]; then rm -rf .venv.removing && mv .venv .venv.removing; fi
	rm -rf .venv.removing .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf build dist shared/build shared/dist *.egg-info shared/*.egg-info
	find services shared tests benchmarks examples -name __pycache__ -prune -exec rm -rf {} +

# What demo and up need does not wait for the test tools, hence two stamps.
.venv/ready: $(SOURCES)
	@sh scripts/setup

.venv/ready-dev: $(SOURCES)
	@sh scripts/setup --dev

.venv/ready-bench: .venv/ready-dev
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --group bench
	@touch $@

FORCE:
