# Every target works from a clean clone: it makes .venv first. `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# the first that runs (a version manager's shim may be there and not run)
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do $$p -c \
	'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# other tools to compare with, apart: what they need does not bind what runs
BENCH := .venv-bench
# what the image of docker-compose.yaml has
SERVER := .venv-server
# a client of DuckDB 1.x, as analysts have it
CLIENT := .venv-client
# uv trusts the certificates that the system trusts, as pip does: many networks inspect TLS
export UV_SYSTEM_CERTS := 1
# what is imported is compiled once, not in each process: half a short step's time
unexport PYTHONDONTWRITEBYTECODE

AGENCY ?= simulated
DATA ?=
CALL ?=
# which simulated force is meant: a scenario's name or folder, 1-24 months, a seed; an empty one takes
# its default from src/cdi/paths.py
SCENARIO ?=
MONTHS ?=
SEED ?=
export SCENARIO MONTHS SEED

.PHONY: help run ui simulate calibration scorecard coverage audit-rehearsal nowcast attack corruptions explain shell test test-slow test-browser check \
	bench docs walkthrough lock clean

help:  ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: $(VENV)/run.stamp  ## Run an agency through Airflow: make run [AGENCY=nopd DATA=<folder>] [MONTHS=12]
	@$(if $(DATA),,$(if $(filter simulated,$(AGENCY)),$(BIN)/python -m cdi_force --before-run))
	@$(BIN)/cdi run --agency $(AGENCY) $(if $(DATA),--data $(DATA))

ui: $(VENV)/run.stamp  ## Start Airflow and leave it up; prints URL and log-in
	@$(if $(DATA),,$(BIN)/python -m cdi_force --before-run)
	@$(BIN)/cdi ui $(if $(DATA),--data $(DATA))

simulate: $(VENV)/run.stamp  ## Make the simulated force: make simulate [SCENARIO=..] [MONTHS=1..24] [SEED=..]
	@$(BIN)/python -m cdi_force

calibration: $(VENV)/run.stamp  ## Simulated figures of twelve months against the published ones
	@$(BIN)/python -m cdi_proofs calibration

scorecard: $(VENV)/run.stamp $(BENCH)/bench.stamp  ## What the pipeline finds of the simulated truth; <state>/scorecard.json
	@$(BIN)/python -m cdi_proofs scorecard

coverage: $(VENV)/run.stamp  ## Proof that the audit's intervals hold; <state>/coverage.json; about 10 minutes
	@$(BIN)/python -m cdi_proofs coverage

nowcast: $(VENV)/run.stamp  ## Proof that the nowcast of recent weeks holds; <state>/nowcast.json; about a minute
	@$(BIN)/python -m cdi_proofs nowcast

corruptions: $(VENV)/run.stamp  ## Proof that spoiled files are noticed; <state>/corruptions.json; a few minutes
	@$(BIN)/python -m cdi_proofs corruptions

audit-rehearsal: $(VENV)/run.stamp  ## The audit loop on a simulated year, in two rounds; <state>/audit_rehearsal.json
	@$(BIN)/python -m cdi_proofs audit-rehearsal

hidden-keys: $(VENV)/run.stamp  ## New Orleans with hidden report numbers: make hidden-keys DATA=<folder>
	@CDI_DATA="$(DATA)" $(BIN)/python bench/hidden_keys.py

attack: $(VENV)/run.stamp  ## Try to find out what the open extract withholds; <state>/attack.json; minutes
	@$(BIN)/python -m cdi_proofs attack

explain: $(VENV)/run.stamp  ## How one call was judged: make explain CALL=<reference> [AGENCY=nopd]
	@test -n "$(CALL)" || { echo "Which call? make explain AGENCY=$(AGENCY) CALL=<reference>"; exit 1; }
	@$(BIN)/cdi explain $(AGENCY) "$(CALL)"

shell: $(VENV)/run.stamp $(CLIENT)/client.stamp  ## A read-only SQL prompt on the published version: make shell [AGENCY=nopd]
	@$(BIN)/cdi shell --agency $(AGENCY)

test: $(VENV)/dev.stamp  ## Unit, dbt and pipeline tests; needs only Python
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

test-slow: $(VENV)/dev.stamp $(SERVER)/server.stamp $(CLIENT)/client.stamp  ## Real scheduler, PostgreSQL, kill -9, compose (needs PostgreSQL, docker-compose)
	$(BIN)/python -m pytest tests/slow --numprocesses auto --dist loadfile

test-browser: $(VENV)/dev.stamp  ## The Airflow UI, report and validation page in Chromium
	$(BIN)/python -m pytest tests/browser

check: $(VENV)/dev.stamp  ## ruff, mypy, sqlfluff, yamllint, dbt-bouncer
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/macros
	$(BIN)/sqlfluff lint --processes 2 --templater placeholder src
	$(BIN)/yamllint --strict .
	cd dbt_project && CDI_BUILD_FILE=recording.duckdb ../$(BIN)/python -m dbt.cli.main --quiet parse --profiles-dir .
	$(BIN)/dbt-bouncer run --config-file dbt_project/dbt-bouncer.yml

bench: $(VENV)/dev.stamp $(BENCH)/bench.stamp  ## Measure (docs/performance.md); hours, a step at a time
	$(BIN)/python bench/force_build.py
	$(BIN)/python bench/cookbook.py
	$(BIN)/python bench/link_job.py
	$(BIN)/python bench/airflow_overhead.py
	$(BIN)/python bench/simulation.py
	$(BIN)/python bench/national_year.py

docs: $(VENV)/run.stamp  ## Generate docs/rules.md, recording-decisions.md and dictionary.md
	@$(BIN)/cdi docs

walkthrough: $(VENV)/run.stamp  ## Generate docs/walkthrough.md: three simulated logs through every model
	@$(BIN)/python -m cdi_proofs walkthrough

lock: $(VENV)/bin/uv  ## Resolve requirements/*.txt anew
	$(BIN)/uv pip compile requirements/bootstrap.in $(LOCK_OPTIONS) -o requirements/bootstrap.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) -o requirements/run.txt
	$(BIN)/uv pip compile pyproject.toml --group server $(LOCK_OPTIONS) -o requirements/server.txt
	$(BIN)/uv pip compile pyproject.toml --group dev --group browser $(LOCK_OPTIONS) -o requirements/dev.txt
	$(BIN)/uv pip compile --group bench $(LOCK_OPTIONS) -o requirements/bench.txt
	$(BIN)/uv pip compile --group client $(LOCK_OPTIONS) -o requirements/client.txt

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" --quiet

clean:  ## Remove the environment and caches (not var/: that is your data)
	rm -rf $(VENV) $(BENCH) $(SERVER) $(CLIENT) .pytest_cache .mypy_cache .ruff_cache dbt_project/target dbt_project/logs

# --no-deps: the lock is complete, and dbt-core's experimental parser must stay out (pyproject.toml).
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes
# the project itself, where it stands: gives `cdi`; built by what bootstrap.txt locks, nothing is fetched
INSTALL_CDI := $(BIN)/uv pip install --quiet --no-index --no-deps --no-build-isolation --editable .

# The programs in an environment name its folder: after the checkout has moved all is made anew.
MOVED := $(shell test "$$(cat $(VENV)/checkout.txt 2>/dev/null)" = "$(CURDIR)" || echo moved)
.PHONY: moved

$(VENV)/bin/uv: requirements/bootstrap.txt $(MOVED)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed: make PYTHON=<path>"; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		-r requirements/bootstrap.txt
	@echo "$(CURDIR)" > $(VENV)/checkout.txt
	@touch $@

$(VENV)/run.stamp: $(VENV)/bin/uv requirements/run.txt pyproject.toml
	@echo "Installing requirements/run.txt"
	@$(INSTALL) -r requirements/run.txt
	@$(INSTALL_CDI) --python $(BIN)/python
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp requirements/dev.txt
	@echo "Installing requirements/dev.txt"
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

$(SERVER)/server.stamp: pyproject.toml

# environments of their own, made in the same way: .venv-bench/bench.stamp and so on
.SECONDEXPANSION:
$(BENCH)/bench.stamp $(CLIENT)/client.stamp $(SERVER)/server.stamp: $(VENV)/bin/uv requirements/$$(basename $$(@F)).txt
	@echo "Installing requirements/$(basename $(@F)).txt into $(@D)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --no-deps --require-hashes \
		-r requirements/$(basename $(@F)).txt
	@$(if $(filter $(SERVER),$(@D)),$(INSTALL_CDI) --python $(@D)/bin/python)
	@touch $@
