# Every target sets up what it needs; the second time that takes no time. Needs Python 3.11 or later and a package index.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MEMBERS := libs/contracts libs/servicekit libs/gatewaykit services/router services/chat-gateway services/email-gateway \
	services/voice-gateway services/crm cli
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PINS := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --quiet
# Our own packages are never looked up in an index.
OWN := $(foreach name,centralino chat-gateway contracts crm email-gateway gatewaykit router servicekit voice-gateway,--no-emit-package $(name))
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check faults soak fix bench compose-test k8s-test model docs pins clean

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*  ## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name does; do printf '  make %-13s %s\n' "$$name" "$$does"; done

run: $(VENV)/.run  ## start the whole stack here; ARGS=--fresh empties its data first
	@$(BIN)/centralino up $(ARGS)

test: $(VENV)/.dev  ## run every test; ARGS="-k words" chooses some
	@$(BIN)/python -m pytest $(ARGS)

k8s-test: $(VENV)/.dev  ## play the story on the Kubernetes of KUBECONFIG; deploy/k8s/README.md says how
	@[ -n "$$KUBECONFIG" ] || { echo "KUBECONFIG names no cluster to test on: deploy/k8s/README.md says what it needs." >&2; exit 2; }
	@$(BIN)/python -m pytest -s deploy/k8s/tests $(ARGS)

check: $(VENV)/.dev  ## lint, types, import rules, house rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-logo
	@for folder in $(MEMBERS:=/src) $(MEMBERS:=/tests) tests benchmarks deploy; do \
		[ -z "$$(find $$folder -name '*.py' 2>/dev/null | head -n 1)" ] || { echo "mypy $$folder"; $(BIN)/mypy $$folder || exit 1; }; \
	done
	@$(BIN)/python -m pytest -q tests/test_house_rules.py

# PART="crm kafka" and KIND="kill freeze" choose; KAFKA=real, FIRST=seed, CHATS=, STORIES= (on one stack), JOBS=, PATIENCE=.
faults: $(VENV)/.dev  ## break parts in the middle of a story: SEEDS=20 PART=router-engine KIND=kill JOBS=2
	@$(BIN)/python -m centralino.proof.trials $(foreach part,$(PART),--part $(part)) $(foreach kind,$(KIND),--kind $(kind)) \
		$(foreach name,SEEDS FIRST KAFKA CHATS STORIES JOBS PATIENCE,$(if $($(name)),--$(shell echo $(name) | tr A-Z a-z) $($(name))))

soak: $(VENV)/.dev  ## a steady load, and whether memory stays flat: MINUTES=20 PER_SECOND=1 KAFKA=real
	@$(BIN)/python -m centralino.proof.soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(PER_SECOND),--per-second $(PER_SECOND)) \
		$(if $(KAFKA),--kafka $(KAFKA))

fix: $(VENV)/.dev  ## format and repair what can be repaired by itself
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.bench  ## measure (docs/benchmarks.md); one JSON line per figure goes to build/bench/
	@$(BIN)/python -m benchmarks $(ARGS)

model: $(VENV)/.dev  ## search the model of the commit protocol; ARGS="redis --faults 3" a larger world
	@$(BIN)/python -m router.testing.model $(ARGS)

compose-test: $(VENV)/.dev  ## docker-compose.yml under the big story, on a Docker engine (minutes)
	@$(BIN)/python deploy/docker/local_images.py
	@$(BIN)/python -m pytest -s deploy/docker/tests $(ARGS)

docs: $(VENV)/.dev  ## renew docs/events.md, docs/metrics-formulas.md and the JSON Schemas from the models
	@$(BIN)/python -m contracts.docs --write
	@$(BIN)/python -m contracts.schema --write

pins: $(VENV)/.dev  ## renew the pinned requirements; ARGS=--upgrade takes newer releases
	@$(PINS) $(ARGS) --extra embedded $(OWN) cli/pyproject.toml requirements/run.in -o requirements.txt
	@$(PINS) $(ARGS) -c requirements.txt --extra embedded $(OWN) cli/pyproject.toml requirements/run.in requirements/dev.in -o requirements-dev.txt
	@$(PINS) $(ARGS) -c requirements-dev.txt requirements/bench.in -o requirements-bench.txt
	@$(PINS) $(ARGS) -c requirements.txt $(OWN) cli/pyproject.toml -o deploy/docker/requirements.txt
	@$(PINS) $(ARGS) -c requirements.txt requirements/run.in -o deploy/docker/requirements-build.txt

clean:  ## remove the environment and everything that was built
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@echo "clean; the data of 'make run' stay, and 'make run ARGS=--fresh' empties them"

$(VENV)/bin/pip:
	@echo "creating $(VENV)"
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or later is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }

# Editable installs need no network: the build backend is among the pins.
$(VENV)/.run: requirements.txt $(MEMBERS:=/pyproject.toml) | $(VENV)/bin/pip
	@echo "installing what the services need (once, under a minute)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements.txt
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(PIP) install --no-deps --no-build-isolation $(foreach member,$(MEMBERS),-e $(member))
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@echo "installing what tests and checks need (once, under a minute)"
	@# dkimpy, by which tests verify signatures, is published as source alone: pure Python, pinned by its hash.
	@$(PIP) install --require-hashes --only-binary :all: --no-binary dkimpy -r requirements-dev.txt
	@touch $@

$(VENV)/.bench: requirements-bench.txt $(VENV)/.dev
	@echo "installing what benchmarks compare with (once)"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-bench.txt
	@touch $@
