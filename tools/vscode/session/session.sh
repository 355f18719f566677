#!/usr/bin/env bash
# The extension in a real editor: Visual Studio Code as code-server has it, looked at through a headless Chromium.
#
#     tools/vscode/session/session.sh target/release/tern DIR
#
# DIR is for what it installs (npm; some 500 MB, a few minutes at the first time) and for its pictures. Outside the gate: it takes Node 24, npm's
# registry and Chromium. Native modules of the editor are not built: it does without a terminal.
set -euo pipefail
tern=$(realpath "$1")
mkdir -p "$2"
dir=$(realpath "$2")
here=$(dirname "$(realpath "$0")")
chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)

cd "$dir"
if ! [ -d node_modules/puppeteer-core ]; then
    npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund code-server@4.139.1 puppeteer-core@24
    (cd node_modules/code-server/lib/vscode && npm install --ignore-scripts --omit=dev --no-audit --no-fund)
fi
rm -rf extensions user chromium work
mkdir -p extensions/tern.tern-0.1.0 user/User work
cp -r "$here"/../{package.json,package-lock.json,src,syntaxes,language-configuration.json} extensions/tern.tern-0.1.0
(cd extensions/tern.tern-0.1.0 && npm ci --omit=dev --ignore-scripts --no-audit --no-fund)
cp "$here"/../../../programs/{mnist_c,digits}.mpc "$here/wrong.mpc" work
cat > user/User/settings.json <<END
{ "tern.command": "$tern", "workbench.startupEditor": "none", "editor.inlayHints.enabled": "on" }
END

node node_modules/code-server/out/node/entry.js --auth none --bind-addr 127.0.0.1:8099 --disable-telemetry \
    --disable-update-check --disable-workspace-trust --extensions-dir extensions --user-data-dir user work > server.log 2>&1 &
server=$!
trap 'kill $server' EXIT
NODE_PATH=$dir/node_modules node "$here/session.js" "$dir" "$chromium"
