#!/bin/sh
# Prices usages drawn at random by the npm package that the table comes from and by the gateway's engine, and compares.
#
#   tests/prices/run.sh           a fresh seed, which is printed
#   tests/prices/run.sh SEED      the same usages again
#
# Environment:
#   GW_PRICE_ORACLE  the program that prices lines of JSON (default build/release/price_oracle)
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
cd "$here"

. "$here/../npm_packages.sh"
npm_packages prices
GW_PRICE_ORACLE=${GW_PRICE_ORACLE:-$here/../../build/release/price_oracle} GW_SEED=${1:-${GW_SEED:-}} \
  exec node --test --test-reporter=tap oracle.test.mjs
