# Every target works in a clean clone: it makes .venv first. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
# The first Python that runs: the shim of a version manager may be there and not run.
PYTHON ?= $(shell for p in python3.12 python3.13 python3.11 python3; do $$p -c \
	'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
VENV := .venv
BIN := $(VENV)/bin
# Environments of their own: other tools to compare with, whose needs must not bind ours;
BENCH := .venv-bench
# what the image of docker-compose.yaml has;
SERVER := .venv-server
# and a client of DuckDB 1.x, as analysts have it.
CLIENT := .venv-client
# and an OpenID provider, which a force has and the tests of the desk need.
OIDC := .venv-oidc
# and what analysts work with: a notebook, and a server for SQL from another machine.
NOTEBOOK := .venv-notebook
# uv trusts the certificates that the system trusts, as pip does, since many networks inspect TLS.
export UV_SYSTEM_CERTS := 1
# Modules are compiled once and not in each process, which halves the time of a short step.
unexport PYTHONDONTWRITEBYTECODE

AGENCY ?= simulated
DATA ?=
CALL ?=
OPTIONS ?=
# which simulated force is meant: a scenario's name or folder, 1-24 months, a seed; an empty one takes
# its default from src/cdi/paths.py
SCENARIO ?=
MONTHS ?=
SEED ?=
export SCENARIO MONTHS SEED

.PHONY: help run ui explain shell notebook sql-server audit-rehearsal coverage simulate calibration scorecard benchmark ranges nowcast drills registrar attack corruptions durability hidden-keys \
	check test test-long test-slow test-browser bench docs docs-site sample-site pictures walkthrough lock weaknesses clean

# A line `##@` begins a group of targets; the text behind `##` on a target's line says what it does.
help:
	@awk -F ':.*## ' '/^##@ / { print (shown++ ? "\n" : "") substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-16s%s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

##@ Daily

run: $(VENV)/run.stamp  ## Run an agency through Airflow: make run [AGENCY=nopd DATA=<folder>] [MONTHS=12]
	@$(if $(DATA),,$(if $(filter simulated simulated_sql,$(AGENCY)),$(BIN)/python -m cdi_force --before-run))
	@$(if $(filter simulated_sql,$(AGENCY)),$(BIN)/python -m cdi_force.database )$(BIN)/cdi run --agency $(AGENCY) $(if $(DATA),--data "$(DATA)")
	@$(if $(DATA),,$(if $(filter simulated,$(AGENCY)),$(BIN)/python -m cdi_proofs demonstrate))

ui: $(VENV)/run.stamp  ## Start Airflow, print its URL and log-in, and leave it up until Ctrl-C
	@$(if $(DATA),,$(BIN)/python -m cdi_force --before-run)
	@$(BIN)/cdi ui $(if $(DATA),--data "$(DATA)")

explain: $(VENV)/run.stamp  ## Explain how one call was judged: make explain CALL=<reference> [AGENCY=nopd REASON="..."]
	@test -n "$(CALL)" || { echo "Which call? make explain AGENCY=$(AGENCY) CALL=<reference>"; exit 1; }
	@$(BIN)/cdi explain $(AGENCY) "$(CALL)"

shell: $(VENV)/run.stamp $(CLIENT)/client.stamp  ## Open a read-only SQL prompt on the published version: make shell [AGENCY=nopd]
	@$(BIN)/cdi shell --agency $(AGENCY)

# Your copy is yours: it is made once, and a newer one of this repository never replaces it.
STATE = $(or $(CDI_HOME),var)
notebook: $(NOTEBOOK)/notebook.stamp  ## Open a notebook on the published version in the browser: make notebook [AGENCY=nopd]
	@mkdir -p "$(STATE)/notebooks" && { test -e "$(STATE)/notebooks/first_look.py" || cp analysts/notebook.py "$(STATE)/notebooks/first_look.py"; }
	@# marimo runs no cell of a notebook that was opened, unless it is told to
	@_MARIMO_CONFIG_OVERLOAD_RUNTIME_AUTO_INSTANTIATE=true AGENCY=$(AGENCY) $(NOTEBOOK)/bin/marimo --yes edit --skip-update-check "$(STATE)/notebooks/first_look.py"

sql-server: $(NOTEBOOK)/notebook.stamp  ## Answer SQL of DuckDB on another machine, read-only (docs/analysts.md): make sql-server [AGENCY=nopd]
	@$(NOTEBOOK)/bin/python analysts/sql_server.py $(AGENCY)

##@ Audit (`.venv/bin/cdi audit --help` lists the steps of a real audit; <state> is var/ or CDI_HOME)

audit-rehearsal: $(VENV)/run.stamp  ## Rehearse two audits of a simulated year; writes <state>/audit_rehearsal.json
	@$(BIN)/python -m cdi_proofs audit-rehearsal

coverage: $(VENV)/run.stamp  ## Prove that the audit's intervals hold; writes <state>/coverage.json; takes 10 minutes
	@$(BIN)/python -m cdi_proofs coverage

##@ Operate (`.venv/bin/cdi --help` lists agency, check-agency, release, access, erase and retain)

##@ Prove (mostly on the simulated force, whose truth is known)

simulate: $(VENV)/run.stamp  ## Make the simulated force: make simulate [SCENARIO=..] [MONTHS=1..24] [SEED=..]
	@$(BIN)/python -m cdi_force

calibration: $(VENV)/run.stamp  ## Compare twelve simulated months with the published figures
	@$(BIN)/python -m cdi_proofs calibration

scorecard: $(VENV)/run.stamp $(BENCH)/bench.stamp  ## Compare what the pipeline finds with the simulated truth; writes <state>/scorecard.json
	@$(BIN)/python -m cdi_proofs scorecard

benchmark: $(VENV)/run.stamp $(BENCH)/bench.stamp  ## Compare readers and linkers in shipped and foreign words: make benchmark [OPTIONS="--reader .."]
	@$(BIN)/python -m cdi_proofs benchmark $(OPTIONS)

ranges: $(VENV)/run.stamp  ## Prove that before an audit no rate is shown and the ranges hold; writes <state>/ranges.json; takes half an hour
	@$(BIN)/python -m cdi_proofs ranges

nowcast: $(VENV)/run.stamp  ## Prove that the nowcast of recent weeks holds; writes <state>/nowcast.json; takes two minutes
	@$(BIN)/python -m cdi_proofs nowcast

drills: $(VENV)/run.stamp  ## Prove that changes of practice are noticed; writes <state>/drills.json; takes half an hour
	@$(BIN)/python -m cdi_proofs drills

registrar: $(VENV)/run.stamp  ## Let simulated registrars work at the desk: what they find and teach; writes <state>/registrar.json; takes an hour
	@$(BIN)/python -m cdi_proofs registrar

attack: $(VENV)/run.stamp  ## Try to find out what the open extract withholds; writes <state>/attack.json; takes minutes
	@$(BIN)/python -m cdi_proofs attack

corruptions: $(VENV)/run.stamp  ## Prove that spoiled files are noticed; writes <state>/corruptions.json; takes minutes
	@$(BIN)/python -m cdi_proofs corruptions

durability: $(VENV)/run.stamp  ## Prove that a power cut, a kill or a full disk loses nothing that was told (root, Linux; hours)
	@$(BIN)/python -m cdi_proofs durability

hidden-keys: $(VENV)/run.stamp  ## Hide report numbers of New Orleans and look for their calls: make hidden-keys DATA=<folder>
	@CDI_DATA="$(DATA)" $(BIN)/python bench/hidden_keys.py

##@ Develop

check: $(VENV)/dev.stamp  ## Run the linters: ruff, mypy, sqlfluff, yamllint, dbt-bouncer, our words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/macros dbt_project/tests
	$(BIN)/sqlfluff lint --processes 2 --templater placeholder src
	$(BIN)/yamllint --strict .
	$(BIN)/python scripts/check_words.py
	cd dbt_project && CDI_BUILD_FILE=recording.duckdb ../$(BIN)/python -m dbt.cli.main --quiet parse --profiles-dir .
	$(BIN)/dbt-bouncer run --config-file dbt_project/dbt-bouncer.yml

# One process more than there are cores, as some tests wait for servers.
test test-long: export PYTEST_XDIST_AUTO_NUM_WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)

test: $(VENV)/dev.stamp  ## Run the unit and dbt tests and the shorter pipelines, in six minutes; they need only Python
	$(BIN)/python -m pytest -m "not long" --numprocesses auto --dist loadfile --no-loadscope-reorder

test-long: $(VENV)/dev.stamp  ## Run the tests that take longer, most of them pipelines that build many versions; they too need only Python
	$(BIN)/python -m pytest -m long --numprocesses auto --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/dev.stamp $(SERVER)/server.stamp $(CLIENT)/client.stamp $(OIDC)/oidc.stamp $(NOTEBOOK)/notebook.stamp  ## Test a real scheduler, PostgreSQL, kill -9, compose (needs PostgreSQL, docker-compose, nginx)
	$(BIN)/python -m pytest tests/slow --numprocesses auto --dist loadfile --no-loadscope-reorder

test-browser: $(VENV)/dev.stamp  ## Test the Airflow UI and the published pages in Chromium
	$(BIN)/python -m pytest tests/browser

bench: $(VENV)/dev.stamp $(BENCH)/bench.stamp  ## Measure speed (docs/performance.md), a part at a time; takes hours
	$(BIN)/python bench/force_build.py
	$(BIN)/python bench/force_build.py --texts-differ
	$(BIN)/python bench/build_sizes.py
	$(BIN)/python bench/cookbook.py
	$(BIN)/python bench/link_job.py
	$(BIN)/python bench/database_load.py
	$(BIN)/python bench/airflow_overhead.py
	$(BIN)/python bench/simulation.py
	$(BIN)/python bench/national_year.py

docs: $(VENV)/run.stamp  ## Generate the pages rules, recording-decisions, dictionary and glossary of docs/
	@$(BIN)/cdi docs

sample-site: $(VENV)/run.stamp  ## Write the published simulated pages as a folder to host: <state>/sample-site
	@$(BIN)/python -m cdi_proofs sample-site

pictures: $(VENV)/dev.stamp  ## Take the pictures of README.md from what make run left; needs chromium
	@$(BIN)/python -m cdi_proofs screenshots

docs-site: $(VENV)/run.stamp  ## Build docs/ as a site with a search into <state>/docs; each version has it too
	@$(BIN)/cdi docs --site "$${CDI_HOME:-var}"

walkthrough: $(VENV)/run.stamp  ## Generate docs/walkthrough.md: one simulated log through every model
	@$(BIN)/python -m cdi_proofs walkthrough

lock: $(VENV)/bin/uv  ## Resolve the versions in requirements/*.txt again
	$(BIN)/uv pip compile requirements/bootstrap.in $(LOCK_OPTIONS) -o requirements/bootstrap.txt
	$(BIN)/uv pip compile pyproject.toml $(LOCK_OPTIONS) -o requirements/run.txt
	$(BIN)/uv pip compile pyproject.toml --group server $(LOCK_OPTIONS) -o requirements/server.txt
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --group browser $(LOCK_OPTIONS) -o requirements/dev.txt
	$(BIN)/uv pip compile --group bench $(LOCK_OPTIONS) -o requirements/bench.txt
	$(BIN)/uv pip compile --group client $(LOCK_OPTIONS) -o requirements/client.txt
	$(BIN)/uv pip compile --group oidc $(LOCK_OPTIONS) -o requirements/oidc.txt
	$(BIN)/uv pip compile --group notebook $(LOCK_OPTIONS) -o requirements/notebook.txt

LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --custom-compile-command "make lock" --quiet

# --strict: a package that the advisory service does not know is an error, and not passed over.
weaknesses: $(VENV)/bin/uv  ## Look up known weaknesses of the locked packages: make weaknesses [OPTIONS="-s osv"]
	@failed=; for file in requirements/*.txt; do echo "== $$file"; \
		$(BIN)/uvx --quiet pip-audit==2.10.1 --strict --disable-pip --progress-spinner off $(OPTIONS) -r $$file || failed=yes; \
	done; test -z "$$failed" || { echo "Weaknesses are listed above. A file with an ERROR was not looked up:" \
		"the advisory service was not reached, or does not know a package."; exit 1; }

clean:  ## Remove the environments and caches; var/ stays, since it is your data
	rm -rf $(VENV) $(BENCH) $(SERVER) $(CLIENT) $(OIDC) $(NOTEBOOK) .pytest_cache .mypy_cache .ruff_cache dbt_project/target dbt_project/logs

# --no-deps: the lock is complete, and the experimental parser of dbt-core must stay out
# (pyproject.toml says why).
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --require-hashes
# The project itself is installed where it stands, which gives the command `cdi`. It is built with
# what bootstrap.txt locks, and nothing is fetched.
INSTALL_CDI := $(BIN)/uv pip install --quiet --no-index --no-deps --no-build-isolation --editable .

# The programs in an environment name its folder, so a checkout that was moved makes all anew.
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

# The other environments are all made in the same way: .venv-bench/bench.stamp and so on.
.SECONDEXPANSION:
$(BENCH)/bench.stamp $(CLIENT)/client.stamp $(OIDC)/oidc.stamp $(NOTEBOOK)/notebook.stamp $(SERVER)/server.stamp: $(VENV)/bin/uv requirements/$$(basename $$(@F)).txt
	@echo "Installing requirements/$(basename $(@F)).txt into $(@D)"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(@D)
	@$(BIN)/uv pip install --quiet --python $(@D)/bin/python --no-deps --require-hashes \
		-r requirements/$(basename $(@F)).txt
	@$(if $(filter $(SERVER),$(@D)),$(INSTALL_CDI) --python $(@D)/bin/python)
	@touch $@
