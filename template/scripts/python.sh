#!/bin/sh
# Print the path of a Python that this repository can use: 3.11 or newer. Every candidate is run,
# because a version manager leaves names on PATH behind which no Python is installed.

check='import sys; sys.exit(sys.version_info < (3, 11))'
tried=''
for name in "${PYTHON:-python3.14}" python3.14 python3.13 python3.12 python3.11 python3 python; do
    path=$(command -v "$name" 2>/dev/null) || continue
    if "$path" -c "$check" >/dev/null 2>&1; then
        # The interpreter itself, not a version manager's wrapper that decides anew in each folder.
        exec "$path" -c 'import os, sys; print(os.path.realpath(sys.executable) if sys.prefix == sys.base_prefix else sys.executable)'
    fi
    version=$("$path" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
    tried="$tried $path ($version)"
done
if command -v uv >/dev/null 2>&1; then
    uv python find --no-python-downloads --no-project '>=3.11' 2>/dev/null && exit
fi
echo "This needs Python 3.11 or newer.${tried:+ Found only:$tried.}" >&2
echo "Install one (https://www.python.org/downloads/), or name it: make setup PYTHON=/path/to/python3" >&2
exit 1
