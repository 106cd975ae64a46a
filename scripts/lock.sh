#!/bin/sh
# Pin pyproject.toml's dependencies in requirements.txt: any platform, every hash, no index named.
# Pins that still fit stay; UPGRADE=1 takes the newest.
set -eu
cd "$(dirname "$0")/.."

pins=$(mktemp)
trap 'rm -f "$pins"' EXIT
if [ -z "${UPGRADE:-}" ] && [ -f requirements.txt ]; then
    cp requirements.txt "$pins"
fi
"${UV:-.venv/bin/uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --group dev --no-header --no-emit-index-url --no-emit-find-links --no-annotate \
    --output-file "$pins" pyproject.toml >/dev/null
if grep -n '://' "$pins" >&2; then
    echo "requirements.txt is left as it was: these lines name a place to download from." >&2
    exit 1
fi
{
    echo "# Made by \`make lock\` from pyproject.toml; edit that instead."
    cat "$pins"
} >requirements.txt
