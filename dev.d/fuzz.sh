# ./dev fuzz, and the fuzz suites of ./dev test.
#
# A target is src/<folder>/<name>_fuzz.cpp; its seeds are committed in src/<folder>/corpus/<name>_fuzz/ (or .../<name>/), a dictionary may
# stand beside them as <name>_fuzz.dict. Finds and new inputs go to build/<preset>/work/<name>_fuzz/.

fuzz_targets() { find src -name '*_fuzz.cpp' | sort; }

fuzz_corpus() {
  local stem dir
  stem=$(basename "$1" .cpp)
  dir=$(dirname "$1")/corpus
  if [ -d "$dir/$stem" ]; then echo "$dir/$stem"; elif [ -d "$dir/${stem%_fuzz}" ]; then echo "$dir/${stem%_fuzz}"; fi
}

# fuzz_one PRESET SOURCE SECONDS: status 0 when nothing was found. Prints nothing but its log's name when something was.
fuzz_one() {
  local preset=$1 source=$2 secs=$3 stem work corpus dict=()
  stem=$(basename "$source" .cpp)
  work=build/$preset/work/$stem
  corpus=$(fuzz_corpus "$source")
  rm -rf "$work"
  mkdir -p "$work/new" "$work/found"
  if [ -z "$corpus" ]; then
    echo "no committed corpus: $(dirname "$source")/corpus/$stem/ is missing" >"$work/log"
    return 2
  fi
  [ ! -e "$(dirname "$source")/corpus/$stem.dict" ] || dict=("-dict=$(dirname "$source")/corpus/$stem.dict")
  "build/$preset/src/$stem" -max_total_time="$secs" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$work/found/" "${dict[@]}" "$work/new" "$corpus" >"$work/log" 2>&1 </dev/null
}

fuzz_executions() { awk '/stat::number_of_executed_units/ { n = $2 } END { print n + 0 }' "$1"; }

# fuzz_run PRESET SECONDS WANT SOURCE...: runs targets JOBS at a time; WANT is `clean` (finding something fails) or `find`
# (finding nothing fails). Records one test per target under the suite's name.
fuzz_run() {
  local preset=$1 secs=$2 want=$3 from=$SECONDS passed=0 failed=0 source stem log status
  shift 3
  local queue=("$@") at=0 batch
  while [ $at -lt ${#queue[@]} ]; do
    batch=("${queue[@]:at:JOBS}")
    at=$((at + ${#batch[@]}))
    for source in "${batch[@]}"; do
      stem=$(basename "$source" .cpp)
      mkdir -p "build/$preset/work"
      (fuzz_one "$preset" "$source" "$secs"; echo $? >"build/$preset/work/$stem.status") &
    done
    wait
    for source in "${batch[@]}"; do
      stem=$(basename "$source" .cpp)
      log=build/$preset/work/$stem/log
      status=$(cat "build/$preset/work/$stem.status")
      fuzz_verdict "$want" "$status" "$stem" "$log" && passed=$((passed + 1)) || failed=$((failed + 1))
    done
  done
  record "$preset" "$passed" "$failed" $((SECONDS - from))
  [ $failed -eq 0 ]
}

fuzz_verdict() {
  local want=$1 status=$2 stem=$3 log=$4 found
  found=$(find "$(dirname "$log")/found" -type f 2>/dev/null | head -1)
  if [ "$want" = clean ] && [ "$status" -eq 0 ]; then
    note "$stem: $(fuzz_executions "$log") inputs, nothing found"
  elif [ "$want" = find ] && [ "$status" -ne 0 ] && [ -n "$found" ]; then
    note "$stem: found the planted bug after $(fuzz_executions "$log") inputs"
  elif [ "$want" = find ] && [ "$status" -eq 0 ]; then
    note "FAILED: $stem did not find the planted bug in time ($(fuzz_executions "$log") inputs)"
    return 1
  else
    note "FAILED: $stem, log $log:"
    tail -n 40 "$log"
    [ -z "$found" ] || note "again: build/$(cut -d/ -f2 <<<"$log")/src/$stem $found"
    return 1
  fi
}

# fuzz_build PRESET SOURCE...: only the targets and what they link.
fuzz_build() {
  local preset=$1 source targets=()
  shift
  for source in "$@"; do targets+=("$(basename "$source" .cpp)"); done
  build "$preset" "${targets[@]}"
}

fuzz_command() {
  local only=${1:-} secs=${2:-30} sources=() source
  while read -r source; do
    if [ -z "$only" ] || [ "$(basename "$source" .cpp)" = "$only" ] || [ "$(basename "$source" _fuzz.cpp)" = "$only" ]; then
      sources+=("$source")
    fi
  done < <(fuzz_targets)
  [ ${#sources[@]} -gt 0 ] || die "no fuzz target ${only:+named '$only'}; there are: $(fuzz_targets | xargs -rn1 basename -s .cpp | paste -sd' ')"
  need_packages build clang
  fuzz_build fuzz "${sources[@]}" && fuzz_run fuzz "$secs" clean "${sources[@]}"
}
