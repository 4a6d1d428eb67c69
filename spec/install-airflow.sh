#!/usr/bin/env bash
# The Airflow of the specs, from PyPI, once: a virtual environment of about 300 MB in the user's cache. Where there is no
# Python with venv, or PyPI is out of reach, it says so, and the spec that needs a real Airflow is skipped.
set -uo pipefail

# The pages of docs/integrations/airflow name it, too.
version=3.3.2
folder="${XDG_CACHE_HOME:-$HOME/.cache}/axiom-streaming-specs/airflow-$version"
[ -x "$folder/bin/airflow" ] && [ -e "$folder/complete" ] && exit 0

log=$(mktemp)
trap 'rm -f "$log"' EXIT
skip() {
  echo "The spec that wants Airflow will be skipped: $(tail -n 1 "$log")" >&2
  rm -rf "$folder"
  exit 0
}
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
echo "Fetching Airflow $version …"
python3 -m venv "$folder" >"$log" 2>&1 || skip
timeout 400 "$folder/bin/pip" install -q --disable-pip-version-check --retries 1 "apache-airflow==$version" \
  >"$log" 2>&1 || skip
"$folder/bin/airflow" version >"$log" 2>&1 || skip
touch "$folder/complete"
