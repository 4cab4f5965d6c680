# The chain on a laptop. `make` alone lists the targets; it needs Python 3.11 and make, nothing else.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python$(shell cat .python-version)
VENV ?= $(CURDIR)/.venv
READY := $(VENV)/.ready-$(shell cksum < requirements.txt | tr -d ' ')
COMPILED := $(subst .ready-,.compiled-,$(READY))
HEAVY := alembic fairlearn great_expectations jinja2 matplotlib mlflow numpy onnx pandas pandera pyarrow scipy skl2onnx sklearn sqlalchemy
MODEL_VERSION ?= $(shell sed -n 's/^model-version=//p' build/fit.txt 2>/dev/null)
VERSION = --model-version "$(MODEL_VERSION)"
UI_PORT ?= 5000
ENVIRONMENT ?= local
IMAGE ?=
export REASON ?= # as the shell has it: quotes in a sentence are no code
TESTS ?=
BENCH ?= store
ARGUMENTS ?=

export PATH := $(VENV)/bin:$(PATH)
export OMP_NUM_THREADS ?= 2

GATES := performance fairness behaviour parity
CHAIN := schema dataset fit gates record export image deploy smoke promote
TARGETS := help setup pipeline $(CHAIN) $(GATES) report measure release rollback stop rehearse doctor reproduce freeze calibrate ui test test-cluster mutants bench lint format lock clean

.PHONY: $(TARGETS)

# Runs one stage, its wall time added to build/times.txt
stage = @mkdir -p build; TIMEFORMAT='%1R $@'; { time { $(1); } 2>&3; } 3>&2 2>>build/times.txt

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 # \2/p' Makefile | column -t -s '#'

setup: $(READY) ## make .venv from the lock

$(READY): # named by the lock's checksum: times of files mean nothing after a clone
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not on this machine; install it, or set PYTHON=" >&2; exit 2; }
	@rm -f $(VENV)/.ready-* $(VENV)/.compiled-*
	@$(PYTHON) -m venv --clear $(VENV)
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.txt > $(VENV)/uv.txt
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@$(VENV)/bin/uv pip sync --quiet --python $(VENV)/bin/python --require-hashes requirements.txt
	@touch $@

# On every core at once; else the first run compiles these one module after the other, or, where Python is told to
# write no bytecode, every run does
$(COMPILED): | $(READY)
	@cd $(VENV)/lib/python*/site-packages && $(VENV)/bin/python -m compileall -q -j 0 $(HEAVY)
	@touch $@

pipeline: setup $(COMPILED) ## the whole chain on the data that config.py names, ends with a running service
	@mkdir -p build; rm -f build/times.txt
	@for stage in $(CHAIN); do $(MAKE) --no-print-directory $$stage || exit $$?; done
	@echo; echo "wall time, seconds"; awk '{ printf "  %-12s %6s\n", $$2, $$1; all += $$1 } END { printf "  %-12s %6.1f\n", "all", all }' build/times.txt
	@echo; echo "service   $$(sed -n 's/.*\"url\": \"\(.*\)\".*/\1/p' build/local/deployment.json)/docs"; echo "report    build/report/index.html"; echo "stop it   make stop"

schema: setup ## stage 1: every row keeps the contract
	$(call stage,python -m validation.schema)

dataset: setup ## stage 1: the whole table keeps its promises
	$(call stage,python -m validation.dataset)

fit: setup ## stage 2: train, prove, register
	$(call stage,mkdir -p build && python -m train.fit > build/fit.txt && cat build/fit.txt)

gates: setup ## stage 3: all four gates, then the report
	@$(MAKE) --no-print-directory -k $(GATES); status=$$?; $(MAKE) --no-print-directory report && exit $$status

performance: setup ## stage 3: good enough, and no worse than the champion
	$(call stage,python -m validation.performance $(VERSION))

fairness: setup ## stage 3: alike for every group
	$(call stage,python -m validation.fairness $(VERSION))

behaviour: setup ## stage 3: sane, whatever the figures
	$(call stage,python -m validation.behaviour $(VERSION))

parity: setup ## stage 3: the service computes what training computed
	$(call stage,python -m validation.parity $(VERSION))

report: setup ## stage 3: one report of all verdicts
	$(call stage,python -m validation.report $(VERSION) > build/report.md && sed -n 1p build/report.md)

record: setup ## after stage 3: the verdicts into registry and ledger
	$(call stage,python -m train.record $(VERSION))

export: setup ## stage 4: the bundle, build/model
	$(call stage,python -m serve.export $(VERSION) --to build/model)

image: setup ## stage 4: the image of the bundle, where a container engine answers
	$(call stage,mkdir -p build && python -m infra.image --bundle build/model > build/image.txt && cat build/image.txt)

measure: setup ## stage 4: megabytes and cold start of that image, against their bounds
	$(call stage,python -m infra.measure --image "$$(sed -n 's/^image=//p' build/image.txt)")

deploy: setup ## stage 5: serve the bundle on this machine
	$(call stage,python -m infra.deploy --environment local --bundle build/model $(VERSION))

smoke: setup ## stage 5: golden rows over HTTP
	$(call stage,python -m serve.smoke --bundle build/model)

promote: setup ## stage 5: the version becomes the champion
	$(call stage,python -m train.promote $(VERSION))

release: setup ## write the release that a pull request proposes, where production has no reviewers
	@python -m infra.release --write

rollback: setup ## back to what was live before, REASON="why"
	@python -m infra.rollback --environment "$(ENVIRONMENT)" --reason "$$REASON"

stop: setup ## stop the local service
	@python -m infra.deploy --environment local --remove

rehearse: setup ## stage 5 for real on a throw-away Kubernetes (KUBECONFIG, else kind), with a rollback drill; IMAGE=name@sha256:…
	@python -m infra.rehearse --bundle build/model $(VERSION) --image "$(IMAGE)"

doctor: setup ## what this repository, its plan and this machine lack, each with the fix
	@python -m infra.doctor

reproduce: setup ## train the last version, or MODEL_VERSION, again from its commit and data; the same bytes?
	@python -m train.fit --reproduce "$(or $(MODEL_VERSION),champion)"

freeze: setup ## record the test part and the reference of new data
	@python -m train.init freeze

calibrate: setup ## measure how often the gates err on the present data; takes minutes
	@python -m validation.calibrate

ui: setup ## MLflow's pages on the embedded store
	@MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false mlflow ui --backend-store-uri sqlite:///$(CURDIR)/.mlflow/mlflow.db --host 127.0.0.1 --port $(UI_PORT)

test: setup $(COMPILED) ## the tests; TESTS= narrows them, PART=2/4 is the second of four parts of them
	@OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(TESTS)

test-cluster: setup ## deployments to a real Kubernetes under load, on one that is built here (root, apt; ten minutes once)
	@OMP_NUM_THREADS=1 .ci/cluster $(TESTS)

mutants: setup ## break the gates' code bit by bit; each break has to be noticed by a test
	@python -m tests.mutants

bench: setup ## measure BENCH=store, what the registry's branch costs (ten minutes), serving, the service's speed, workers, what another one brings, soak, the service's memory, or bake, how often the bake errs
	@python -m tests.bench.$(BENCH) $(ARGUMENTS)

lint: setup ## style, types, workflows, Dockerfiles, compose
	@ruff format --check .
	@ruff check .
	@mypy
	@actionlint
	@zizmor --quiet --offline --strict-collection --persona pedantic .
	@check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml
	@check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	@check-jsonschema --builtin-schema vendor.compose-spec infra/compose.yaml
	@shellcheck .ci/run .ci/cluster
	@hadolint serve/Dockerfile infra/mlflow/Dockerfile

format: setup ## put the code in form
	@ruff format .
	@ruff check --fix .

lock: setup ## compile the locks from their .in files
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header requirements.in -o requirements.txt
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header serve/requirements.in -c requirements.txt -o serve/requirements.txt
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header serve/remembered/requirements.in -c requirements.txt -o serve/remembered/requirements.txt
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header serve/bulk/spark/requirements.in -c requirements.txt -o serve/bulk/spark/requirements.txt
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header serve/skops/requirements.in -c requirements.txt -o serve/skops/requirements.txt
	@uv pip compile --quiet --universal --python-version "$$(cat .python-version)" --generate-hashes --no-emit-index-url --no-header infra/mlflow/requirements.in -c requirements.txt -o infra/mlflow/requirements.txt

clean: stop ## stop the service, remove what can be made again; the registry in .mlflow stays
	@rm -rf build
