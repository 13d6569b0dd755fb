#!/bin/sh
# Runs Claude Code's and Codex's command lines against a simulated provider behind the gateway. They are 640 MB of npm
# packages, which is why they are not among those of tests/e2e, whose environment variables hold here as well.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
lock=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
if [ "$(cat node_modules/.lock-sum 2>/dev/null || true)" != "$lock" ]; then
  echo "clients: installing npm packages"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  echo "$lock" > node_modules/.lock-sum
fi
exec "$here/../e2e/run.sh" "$here/clients.test.js"
