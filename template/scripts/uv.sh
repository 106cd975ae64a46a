#!/bin/sh
# Run uv: the one on PATH, or else one installed into .tools with pip.
set -e

UV_PYTHON=$(sh scripts/python.sh)
export UV_PYTHON
uv=$(command -v uv) || uv=.tools/bin/uv
if [ ! -x "$uv" ]; then
    echo "uv is not installed: putting one into .tools" >&2
    rm -rf .tools
    if ! { "$UV_PYTHON" -m venv .tools && .tools/bin/python -m pip install --quiet uv; } >&2; then
        rm -rf .tools
        echo "uv could not be installed. Install it yourself: https://docs.astral.sh/uv/" >&2
        exit 1
    fi
    echo '*' >.tools/.gitignore
fi
exec "$uv" "$@"
