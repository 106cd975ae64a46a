#!/bin/sh
# Makes or deletes a Neon branch for a preview: a copy of its parent's data, roles and passwords.
#
#   scripts/neon-branch.sh create pr-123    prints the settings that differ there, as NAME=value
#   scripts/neon-branch.sh delete pr-123
#
# It needs neonctl, NEON_API_KEY and NEON_PROJECT_ID; NEON_PARENT names the branch to copy, unless it
# is the default one. With DATABASE_URL set, the login in it is the login on the branch.
set -eu

fail() {
    echo "$1" >&2
    exit 1
}

[ $# -eq 2 ] || fail "usage: scripts/neon-branch.sh create|delete <branch>"
command -v neonctl >/dev/null || fail "neonctl is not installed: https://neon.com/docs/reference/neon-cli"
[ -n "${NEON_PROJECT_ID:-}" ] || fail "NEON_PROJECT_ID is not set"

# Standard input is closed: without a key it would wait for somebody to sign in.
neon() {
    neonctl "$@" --project-id "$NEON_PROJECT_ID" </dev/null
}

# The address without the parameters: the product asks for verify-full itself.
address() {
    neon connection-string "$2" $1 | sed 's/?.*$//'
}

case "$1" in
create)
    neon branches create --name "$2" ${NEON_PARENT:+--parent "$NEON_PARENT"} >&2
    owner=$(address "" "$2")
    pooled=$(address --pooled "$2")
    echo "MIGRATION_DATABASE_URL=$owner"
    if [ -n "${DATABASE_URL:-}" ]; then
        login=${DATABASE_URL#*://}
        echo "DATABASE_URL=postgresql://${login%@*}@${pooled##*@}"
    fi
    ;;
delete)
    neon branches delete "$2" >&2
    ;;
*)
    fail "usage: scripts/neon-branch.sh create|delete <branch>"
    ;;
esac
