# ./dev fuzz, and the fuzz suites of ./dev test.
#
# A target is src/<folder>/<name>_fuzz.cpp; its seeds are committed in src/<folder>/corpus/<name>_fuzz/ (or .../<name>/), a dictionary may
# stand beside them as <name>_fuzz.dict. The preset `dev` builds it as <name>_fuzz and, with the folder's planted bugs, as
# <name>_fuzz_planted. Finds and new inputs go to build/dev/fuzz/<program>/.

fuzz_targets() { find src -name '*_fuzz.cpp' | sort; }

fuzz_corpus() {
  local stem dir
  stem=$(basename "$1" .cpp)
  dir=$(dirname "$1")/corpus
  if [ -d "$dir/$stem" ]; then echo "$dir/$stem"; elif [ -d "$dir/${stem%_fuzz}" ]; then echo "$dir/${stem%_fuzz}"; fi
}

# fuzz_one PROGRAM SOURCE SECONDS SEED: the status is the program's; all it says goes to its log.
fuzz_one() {
  local program=$1 source=$2 secs=$3 seed=$4 work=build/dev/fuzz/$1 corpus dict
  corpus=$(fuzz_corpus "$source")
  dict=$(dirname "$source")/corpus/$(basename "$source" .cpp).dict
  rm -rf "$work"
  mkdir -p "$work/new" "$work/found"
  if [ -z "$corpus" ]; then
    echo "no committed corpus: $(dirname "$source")/corpus/$(basename "$source" .cpp)/ is missing" >"$work/log"
    return 2
  fi
  [ -e "$dict" ] && dict=-dict=$dict || dict=
  "build/dev/src/$program" -seed="$seed" -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="$work/found/" \
    $dict "$work/new" "$corpus" >"$work/log" 2>&1 </dev/null
}

# fuzz_seconds SOURCE SECONDS: in ./dev test (GW_FUZZ_SHORT) all of them only for what reads what clients and providers send, byte by byte.
fuzz_seconds() {
  case ${GW_FUZZ_SHORT:-}:$1 in :* | *:src/http/* | *:*/usage_reader_fuzz.cpp) echo "$2" ;; *) echo $((($2 + 5) / 6)) ;; esac
}

fuzz_executions() { awk '/stat::number_of_executed_units/ { n = $2 } END { print n + 0 }' "$1"; }

# fuzz_run SUITE SECONDS SEED SOURCE...: JOBS targets at a time, those that take longest first. The suite `fuzz` fails when something is
# found, `planted` when nothing is. Records one test per target.
fuzz_run() {
  local suite=$1 secs=$2 seed=$3 from=$SECONDS passed=0 failed=0 suffix= source
  shift 3
  [ "$suite" = fuzz ] || suffix=_planted
  mkdir -p build/dev/fuzz
  rm -f build/dev/fuzz/*.status
  export -f fuzz_one fuzz_corpus
  for source in "$@"; do
    echo "$(fuzz_seconds "$source" "$secs") $(basename "$source" .cpp)$suffix $source"
  done | sort -rns | while read -r secs program source; do echo "$program $source $secs $seed"; done |
    xargs -n 4 -P "$JOBS" bash -c 'fuzz_one "$@"; echo $? >"build/dev/fuzz/$1.status"' fuzz_one
  for source in "$@"; do
    fuzz_verdict "$suite" "$(basename "$source" .cpp)$suffix" && passed=$((passed + 1)) || failed=$((failed + 1))
  done
  record "$suite" "$passed" "$failed" $((SECONDS - from))
  [ $failed -eq 0 ]
}

fuzz_verdict() {
  local suite=$1 program=$2 log=build/dev/fuzz/$2/log status found
  status=$(cat "build/dev/fuzz/$program.status")
  found=$(find "build/dev/fuzz/$program/found" -type f 2>/dev/null | head -1)
  if [ "$suite" = fuzz ] && [ "$status" -eq 0 ]; then
    note "$program: $(fuzz_executions "$log") inputs, nothing found"
  elif [ "$suite" = planted ] && [ "$status" -ne 0 ] && [ -n "$found" ]; then
    note "$program: found its bug after $(fuzz_executions "$log") inputs"
  elif [ "$suite" = planted ] && [ "$status" -eq 0 ]; then
    note "FAILED: $program did not find its bug in time ($(fuzz_executions "$log") inputs)"
    return 1
  else
    note "FAILED: $program, log $log:"
    tail -n 40 "$log"
    [ -z "$found" ] || note "again: build/dev/src/$program $found"
    return 1
  fi
}

fuzz_command() {
  local only=${1:-} secs=${2:-30} seed=${GW_FUZZ_SEED:-$((RANDOM * 32768 + RANDOM + 1))} sources=() programs=() source
  while read -r source; do
    if [ -z "$only" ] || [ "$(basename "$source" .cpp)" = "$only" ] || [ "$(basename "$source" _fuzz.cpp)" = "$only" ]; then
      sources+=("$source")
      programs+=("$(basename "$source" .cpp)")
    fi
  done < <(fuzz_targets)
  [ ${#sources[@]} -gt 0 ] || die "no fuzz target ${only:+named '$only'}; there are: $(fuzz_targets | xargs -rn1 basename -s .cpp | paste -sd' ')"
  need_packages build clang
  build dev "${programs[@]}" || return 1
  say "seed $seed; GW_FUZZ_SEED=$seed gives the same inputs again"
  fuzz_run fuzz "$secs" "$seed" "${sources[@]}"
}
