#!/usr/bin/env bash
# One source through clang-tidy, unless the time that ./dev check gives is up. Called by check.sh only.
set -u
source=$1
[ $(($(date +%s) - SECONDS_BASE)) -lt "$TIDY_BUDGET" ] || exit 0
echo "$source" >>build/tidy/looked
if out=$(clang-tidy-19 -p build/tidy --quiet --warnings-as-errors='*' "$source" 2>&1 </dev/null); then
  printf '   %s ok\n' "$source"
else
  printf '   FAILED: %s\n%s\n' "$source" "$(grep -v 'warnings generated\|^Suppressed\|^Use -header-filter' <<<"$out" | head -n 60)"
  exit 1
fi
