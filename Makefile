# The commands people need. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := $(if $(GPU),.venv-gpu,.venv)/bin
KIND := $(if $(GPU),gpu,$(if $(CLUSTER),cluster,runtime))

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

setup: ## make .venv, build the Rust core, get the models (GPU=1 for CUDA, CLUSTER=1 for Milvus)
	@scripts/setup.sh $(KIND)

run: setup ## start the server with the sample portraits (PORT=8000)
	@$(BIN)/python scripts/demo.py

dev: ## what `make test` needs, too
	@scripts/setup.sh dev

test: dev ## lint, types, cargo tests, Python tests
	@scripts/test.sh

console-test: dev ## the operator console alone, in headless Chromium (PICTURES=folder keeps what was seen)
	@$(if $(PICTURES),mkdir -p "$(PICTURES)" &&) CONSOLE_SCREENSHOTS="$(PICTURES)" $(BIN)/python -m pytest tests/console

lfw: setup ## accuracy on LFW (DATA=folder)
	@$(BIN)/python -m lfw_eval $(if $(DATA),--data "$(DATA)")

load: dev ## 30 s of load by 8 users (HOST=http://... for a running server, SCENARIO=verify, RATE=per second)
	@$(BIN)/python -m benchmarks.load $(if $(HOST),--host "$(HOST)") $(if $(SCENARIO),--scenario $(SCENARIO)) \
		$(if $(RATE),--rate $(RATE))

load-report: dev ## latency by rate of arrival beyond the capacity, as load-report.html (SCENARIO=verify)
	@$(BIN)/python -m benchmarks.load_report $(if $(SCENARIO),--scenario $(SCENARIO))

soak: dev ## memory and latency under mixed and hostile requests; fails on growth (MINUTES=30)
	@$(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),30)

container-test: ## build the image and run it confined, by podman (IMAGE=one that is there, PORT=18000)
	@IMAGE="$(IMAGE)" PORT="$(or $(PORT),18000)" scripts/container_test.sh

restore-test: dev ## back up under load, kill, restore, compare all answers (SECONDS=30)
	@RESTORE_SECONDS=$(or $(SECONDS),30) $(BIN)/pytest -q tests/faults/test_restore.py

fuzz: dev ## every parser with coverage as its guide, then the OpenAPI document (MINUTES=1 each, PARSER=photo, EXAMPLES=100)
	@$(BIN)/python -m tests.fuzz $(PARSER) --minutes $(or $(MINUTES),1)
	@$(if $(PARSER),,$(BIN)/python -m tests.fuzz.contract --examples $(or $(EXAMPLES),100))

attack: dev ## every abuse of tests/attacks with its answer (HOST=http://... and KEY in the environment for a running server)
	@$(BIN)/python -m tests.attacks $(if $(HOST),--host "$(HOST)")

bench: ## every performance claim beside its peers (DATA=folder of LFW, QUICK=1)
	@scripts/setup.sh bench
	@.venv/bin/python -m benchmarks $(if $(QUICK),--quick) $(if $(DATA),--data "$(DATA)")

bench-core: dev ## the core's kernels, a row per instruction set
	@cargo bench --manifest-path core/Cargo.toml

# bfloat16 needs a CPU that multiplies it: where it does not, what was measured before stays.
calibrations: dev ## measure the shipped score-to-FMR tables anew (DATA=folder of LFW)
	@for kind in fast:float32 high_assurance:float32 fast:int8 high_assurance:int8 \
		$$($(BIN)/python -c 'from govid.precision import has_bfloat16 as has; \
		print(*["fast:bfloat16", "high_assurance:bfloat16"] * has())'); do \
		GOVID_PROFILE=$${kind%:*} GOVID_PRECISION=$${kind#*:} $(BIN)/govid calibrate --cache --data "$(DATA)" \
		--name lfw-deepfunneled --out python/govid/calibrations || exit 1; done

guards: dev ## measure what int8 and bfloat16 lose on LFW View 1 anew; fails if it is too much (DATA=folder of LFW)
	@for kind in fast:int8 high_assurance:int8 \
		$$($(BIN)/python -c 'from govid.precision import has_bfloat16 as has; \
		print(*["fast:bfloat16", "high_assurance:bfloat16"] * has())'); do \
		GOVID_PROFILE=$${kind%:*} GOVID_PRECISION=$${kind#*:} $(BIN)/python -m lfw_eval.guard --cache --data "$(DATA)" \
		--out python/govid/calibrations || exit 1; done

ranges: dev ## measure the activation ranges of int8 anew, on LFW View 1 (DATA=folder of LFW)
	@$(BIN)/python scripts/quantise.py --data "$(DATA)"

openapi: setup ## write openapi.json from the live routes
	@$(BIN)/python scripts/openapi.py > openapi.json

client: dev ## write the generated half of govid.client, and the tables in docs/
	@$(BIN)/python scripts/client.py
	@$(BIN)/python -m scripts.tables

tables: dev ## write the tables in docs/ alone: problems, addresses, words of the audit, settings
	@$(BIN)/python -m scripts.tables

api-record: openapi ## at a release: what openapi.json says is what callers were promised
	@$(BIN)/python scripts/api_changes.py record

lock: dev ## pin all dependencies anew
	@PATH="$(CURDIR)/$(BIN):$$PATH" scripts/lock.sh

clean: ## remove what was built; keeps var/ with models and records
	@rm -rf .venv .venv-gpu target dist .mypy_cache .ruff_cache .pytest_cache

.PHONY: help setup run dev test console-test lfw load load-report soak container-test restore-test fuzz attack bench bench-core calibrations guards ranges openapi \
	client tables api-record lock clean
