#!/bin/sh
# Print a secret for Airflow's options that end in _CMD, without the line end that an editor adds.
# A file that is missing or empty is an error: with an empty Fernet key Airflow would silently store
# passwords in clear.
# Usage: read_secret.sh FILE [FORMAT]   FORMAT has %s where the secret goes.
set -eu
secret=$(cat "$1")
if [ -z "$secret" ]; then
    echo "$1 is empty: run scripts/write_secrets.py" >&2
    exit 1
fi
# shellcheck disable=SC2059  # the format is docker-compose.yaml's own
printf "${2:-%s}" "$secret"
