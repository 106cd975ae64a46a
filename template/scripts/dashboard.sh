#!/bin/sh
# Installs what the folder dashboard needs, if Node is here. It is a convenience: whatever is missing,
# everything else goes on without it, and this says so once.
set -eu
cd "$(dirname "$0")/../dashboard"

skip() {
    echo "  skipped the queue's dashboard: $1; \`make dashboard\` tries again"
    touch .ready
    exit 0
}

major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p') || true
[ "${major:-0}" -ge 20 ] || skip "it needs Node 20 or newer"
command -v npm >/dev/null || skip "it needs npm"
npm install --silent --omit=dev --fetch-retries=1 || skip "npm could not install it"
touch .ready
echo "  installed the queue's dashboard"
