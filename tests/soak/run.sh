#!/bin/sh
# The long variants of the end-to-end tests, about ten minutes: a hundred kills under load, databases that are away for
# a minute at a thousand requests a second, and minutes of mixed good, bad and broken traffic whose traces must add up.
#
#   GW_KILLS (100)  GW_OUTAGE_SECONDS (60)  GW_SOAK_SECONDS (120)  and those of tests/e2e/run.sh
set -eu
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
GW_KILLS=${GW_KILLS:-100} GW_OUTAGE_SECONDS=${GW_OUTAGE_SECONDS:-60} GW_SOAK_SECONDS=${GW_SOAK_SECONDS:-120}
export GW_KILLS GW_OUTAGE_SECONDS GW_SOAK_SECONDS
exec "$here/../e2e/run.sh" suites/durability.test.js "$here/mixed.test.js"
