# `make demo` shows it, `make test` proves it; both do all the set-up first. CONTRIBUTING.md explains the rest.
# Every gate is a target of its own: `make lint`, `make unit`, ...

PYTHON ?= python3
NODES ?= 3
NAME ?= lab
# How many images the registry of `make lab-up` has, and its inventory asks for.
IMAGES ?= 30
# What pytest is given: `make unit PYTEST_ARGS="-k reference -x"`.
PYTEST_ARGS ?=
# These need neither nodes nor quiet; the slowest first, as they run beside one another.
GATES := matrix unit sanity ansible-lint static docs-lint build types security yaml imports lint
NODE_GATES := integration molecule faults-short bench-short

export PYTHONPATH := $(CURDIR)/tests
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

# The tools of the gates, in an environment of their own.
TOOLS := $(shell PYTHONPATH=tests $(PYTHON) -m tooling.venvs path)
export PATH := $(TOOLS):$(PATH)

# Bytecode goes beside the tools, not into the tree that is linted, copied and packed, and it is written
# whatever the environment says: without it, each start of Ansible takes twice its time.
export PYTHONPYCACHEPREFIX := $(abspath $(TOOLS)/../../../pycache)
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup tools lab test demo lab-up lab-down clean format bench faults $(GATES) $(NODE_GATES)

help:
	@sed -n 's/^\([a-z][a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: tools lab ## everything that the gates and the demo need; instant when it is there

# Python environment, and the checkout under its name as a collection.
tools: ## of that, only the tools of the gates, ansible-core among them, and the collection's link
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { apt-get -qq update && apt-get -qq install --yes python3-venv; } >/dev/null
	@$(PYTHON) -m tooling.venvs tools
	@mkdir -p build/collections/ansible_collections/edgefleet
	@ln -sfn ../../../.. build/collections/ansible_collections/edgefleet/crio

lab:
	@$(TOOLS)/python -m lab setup

test: setup ## every gate, all of them also when one fails; a summary at the end
	@$(TOOLS)/python -m tooling.gates $(GATES) --alone $(NODE_GATES)

demo: setup ## three real nodes, pinned; KEEP=1 leaves them up
	@$(TOOLS)/python tests/demo.py

lab-up: setup ## real nodes to work with: make lab-up NODES=3
	@$(TOOLS)/python -m lab up --nodes $(NODES) --images $(IMAGES) --name $(NAME)

lab-down: ## and away with them
	@$(TOOLS)/python -m lab down --name $(NAME)

bench: setup ## the whole bench, in half an hour: a table, and build/bench.json
	@PYTHONPATH=$(PYTHONPATH):build/collections $(TOOLS)/python -m bench

faults: setup ## every fault of the suite on real nodes: make faults PYTEST_ARGS="--seed 7 -k registry"
	@python -m faults $(PYTEST_ARGS)

format: tools ## format Python
	ruff format
	ruff check --fix

lint: tools ## gate: ruff
	ruff format --check
	ruff check

types: tools ## gate: mypy, strict
	mypy

imports: tools ## gate: who may import whom
	PYTHONPATH=build/collections lint-imports --no-logo --no-cache

static: tools ## gate: our own checks of the tree
	pytest tests/static $(PYTEST_ARGS)

yaml: tools ## gate: yamllint
	yamllint --strict .

ansible-lint: tools ## gate: ansible-lint, profile production
	ansible-lint --offline --strict

docs-lint: tools ## gate: documentation of plugins and roles, changelog fragments
	antsibull-docs lint-collection-docs --plugin-docs --disallow-unknown-collection-refs .
	antsibull-changelog lint

security: tools ## gate: bandit over what is shipped
	bandit --quiet --recursive plugins

sanity: tools ## gate: ansible-test sanity, in a clean copy
	python -m tooling.sanity

unit: tools ## gate: unit tests and how much of the code they run
	pytest tests/unit --cov --cov-report= $(PYTEST_ARGS)
	coverage report --fail-under=95
	coverage report --fail-under=100 --include='plugins/module_utils/documents/*,plugins/module_utils/decisions/*'

matrix: tools ## gate: unit tests on the oldest, a middle and the newest ansible-core
	python -m tooling.matrix $(PYTEST_ARGS)

build: tools ## gate: the collection builds, installs into an empty path and is found there
	python -m tooling.build

# Each of the two has nodes of its own; they wait for links and daemons as much as they work.
integration: setup ## gate: modules, roles and playbooks on real nodes
	@python -m tooling.venvs matrix
	pytest tests/integration --numprocesses 2 --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

molecule: setup ## gate: every molecule scenario on real nodes
	python -m tooling.molecule

bench-short: setup ## gate: the bars of the bench, on one seed
	pytest tests/bench $(PYTEST_ARGS)

faults-short: setup ## gate: a few faults of each kind
	@python -m faults --short $(PYTEST_ARGS)

clean: ## what was made in the checkout; of the cache directory, its bytecode
	rm -rf $(PYTHONPYCACHEPREFIX)$(CURDIR) build .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache tests/output
