#!/bin/sh
# Make .venv with the pinned tools of requirements.txt, unless it has them. PYTHON names the Python to use.
set -eu
cd "$(dirname "$0")/.."
venv=.venv

if cmp -s requirements.txt "$venv/installed.txt" && "$venv/bin/python" -c '' 2>/dev/null; then
    exit 0
fi

version_of() { "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null; }
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

found='' older=''
for candidate in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}; do
    version=$(version_of "$candidate") || continue
    if is_new_enough "$candidate"; then
        found=$candidate
        break
    fi
    older="$older $candidate is $version."
done
if [ -z "$found" ]; then
    if [ -n "$older" ]; then
        echo "Python 3.11 or newer is needed, but$older" >&2
    else
        echo "Python 3.11 or newer is needed, but ${PYTHON:-no Python} cannot be run." >&2
    fi
    echo "Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi

rm -f "$venv/installed.txt"
if "$found" -c 'import ensurepip' 2>/dev/null; then
    "$found" -m venv --clear "$venv"
    set -- "$venv/bin/python" -m pip
elif "$found" -m pip --version >/dev/null 2>&1 && "$found" -m venv --clear --without-pip "$venv"; then
    # Debian ships ensurepip apart from Python. A pip outside can fill a virtual environment too.
    set -- "$found" -m pip --python "$venv/bin/python"
else
    echo "$found cannot make virtual environments: it has neither ensurepip nor pip." >&2
    echo "On Debian or Ubuntu: apt-get install python3-venv. Or name another: make setup PYTHON=…" >&2
    exit 1
fi

echo "Setting up $venv with Python $version; the first time this takes about a minute."
# A personal pip configuration may say --user or --require-virtualenv; neither has a say in here.
PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 "$@" install --quiet --disable-pip-version-check \
    --require-hashes --requirement requirements.txt
cp requirements.txt "$venv/installed.txt"
