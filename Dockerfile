# One image for all Airflow services of docker-compose.yaml, which has their commands and
# healthchecks. The base is pinned by its tag: its digest could not be looked up where this was
# written; whoever builds for production adds it (docker buildx imagetools inspect <tag>).
FROM python:3.12.14-slim-bookworm

# Wheels alone: no compiler is needed and no other package's build code runs.
# --no-deps: the lock is complete, and one package that dbt-core asks for must stay out
# (pyproject.toml says which and why).
COPY requirements/server.txt /opt/cdi/requirements/server.txt
RUN pip install --no-cache-dir --no-deps --require-hashes --only-binary=:all: \
    -r /opt/cdi/requirements/server.txt

COPY dbt_project /opt/cdi/dbt_project
COPY expectations /opt/cdi/expectations
COPY agencies /opt/cdi/agencies
COPY plugins /opt/cdi/plugins
COPY dags /opt/cdi/dags
COPY src /opt/cdi/src
COPY docs /opt/cdi/docs
COPY README.md /opt/cdi/README.md
COPY CHANGELOG.md /opt/cdi/CHANGELOG.md
COPY CONTRIBUTING.md /opt/cdi/CONTRIBUTING.md
COPY SECURITY.md /opt/cdi/SECURITY.md
COPY pyproject.toml /opt/cdi/pyproject.toml
COPY scripts/create_users.py /opt/cdi/scripts/create_users.py
COPY scripts/read_secret.sh /opt/cdi/scripts/read_secret.sh

# the project itself, where it stands: gives `cdi`; built by what the lock has, nothing is fetched
RUN pip install --no-cache-dir --no-index --no-deps --no-build-isolation --editable /opt/cdi

# Airflow refuses a user without a name. The code stays root's; only the state folder belongs to
# the user. A new volume takes over owner and mode of the folder that it is mounted on.
RUN groupadd --gid 50000 airflow \
    && useradd --uid 50000 --gid airflow --home-dir /tmp --no-create-home airflow \
    && install --directory --owner=airflow --group=airflow --mode=750 /opt/cdi/var \
    && python -m compileall -q /opt/cdi/src /opt/cdi/plugins

# /tmp is memory in docker-compose.yaml; what must outlive a container is under /opt/cdi/var
ENV AIRFLOW_HOME=/opt/cdi/var/airflow \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
WORKDIR /opt/cdi/var
USER 50000:50000
