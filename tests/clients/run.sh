#!/bin/sh
# Runs Claude Code's and Codex's command lines against a simulated provider behind the gateway. They are 640 MB of npm
# packages, which is why they are not among those of tests/e2e, whose environment variables hold here as well.
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
. "$here/../npm_packages.sh"
npm_packages clients
exec "$here/../e2e/run.sh" "$here/clients.test.js"
