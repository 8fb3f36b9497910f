# `make` lists what there is. PYTHON=/path/to/python chooses the interpreter, ARGS=... is handed to the program.

.DEFAULT_GOAL := help
.PHONY: help setup demo up test chaos fuzz bench soak lint generate pictures images k8s release lock clean FORCE

# The environment is installed uncompiled: a Python that may not keep what it compiles would compile all of it at each start.
unexport PYTHONDONTWRITEBYTECODE

RUN := .venv/bin
SOURCES := pyproject.toml shared/pyproject.toml scripts/setup
# A moved checkout or a removed Python leaves an environment whose programs do not start: it is made again.
ifneq ($(shell sh scripts/setup --check),ok)
SOURCES += FORCE
endif

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: .venv/ready-dev ## make .venv with everything, tests and tools included

demo: .venv/ready ## see it work: a broker, the workers and some requests, all on this machine
	@exec $(RUN)/carteiro demo $(ARGS)

up: .venv/ready ## run all workers
	@exec $(RUN)/carteiro up $(ARGS)

# Tests of brokers often wait: four processes keep two processors busy.
test: .venv/ready-dev ## run the tests, in four processes; or some (ARGS='tests/unit -x')
	@exec $(RUN)/python -m pytest $(or $(ARGS),--numprocesses 4 --dist loadfile --no-loadscope-reorder)

chaos: .venv/ready-dev ## kill workers and restart Kafka under load, count the replies (needs Docker)
	@exec $(RUN)/python -m tests.containers.chaos $(ARGS)

fuzz: .venv/ready-dev ## send hostile records to whole workers, see that they harm nobody else (needs Docker)
	@exec $(RUN)/python -m tests.containers.fuzz $(ARGS)

bench: .venv/ready-bench ## measure everything that docs/understand/figures.md shows, 90 minutes (needs Docker); or some (ARGS='--only quota')
	@exec $(RUN)/python -m benchmarks $(ARGS)

soak: .venv/ready-bench ## run all services on Apache Kafka under faults, see what stays flat; 30 minutes (needs Docker)
	@exec $(RUN)/python -m benchmarks.soak $(ARGS)

lint: .venv/ready-dev ## ruff, mypy, the import rules and the rules of prose
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy
	$(RUN)/lint-imports
	$(RUN)/python scripts/check_prose.py

generate: .venv/ready-dev ## write all that follows from the tasks: the client's calls, Compose, Prometheus, k8s/, docs/asyncapi.json
	$(RUN)/python scripts/generate.py
	$(RUN)/python k8s/generate.py
	$(RUN)/python k8s/chart_files.py

pictures: .venv/ready ## run the demo and draw its output, docs/pictures/demo.svg
	@exec $(RUN)/python scripts/demo_picture.py

images: ## build both images, carteiro:cloud and carteiro:local, and print their sizes (needs Docker)
	docker build --target cloud --tag carteiro:cloud $(ARGS) .
	docker build --target local --tag carteiro:local $(ARGS) .
	@docker image ls --format 'table {{.Repository}}:{{.Tag}}\t{{.Size}}' carteiro

k8s: generate .venv/checkov/ready ## render the overlays to build/k8s/, and check them
	@mkdir -p build/k8s
	for each in cloud local-cpu local-gpu; do $(RUN)/kubectl kustomize k8s/overlays/$$each >build/k8s/$$each.yaml || exit; done
	$(RUN)/python -m pytest --quiet tests/unit/k8s tests/unit/test_chart.py

release: .venv/ready-dev ## build all that is published, and print what would publish it (PUBLISH=yes, REGISTRY=HOST/NAME)
	$(RUN)/python scripts/release.py

lock: .venv/lock/ready ## renew the pins of what the images install, and of checkov (needs Python 3.11)
	@PATH="$(CURDIR)/.venv/lock/bin:$$PATH" images/lock

clean: ## remove .venv (if `make` made it) and every cache
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
	@$(RUN)/python -m pip install --quiet --disable-pip-version-check --group bench -e 'shared[llamacpp,openvino]'
	@touch $@

# Tools with requirements that are not to meet ours have environments of their own.
.venv/checkov/ready: k8s/checkov.txt | .venv/ready-dev
	@$(RUN)/python -m venv --clear .venv/checkov
	@.venv/checkov/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes --no-deps -r $<
	@touch $@

.venv/lock/ready: | .venv/ready
	@$(RUN)/python -m venv --clear .venv/lock
	@.venv/lock/bin/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	@touch $@

FORCE:
