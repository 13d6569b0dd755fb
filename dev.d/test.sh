# ./dev test: every suite, each counted; a failing suite does not keep the others from running.
. dev.d/fuzz.sh

all_suites="e2e prices tokens clients asan tsan fuzz planted"
more_suites="unit e2e_asan e2e_tsan install"

test_command() {
  local suites=${*:-$all_suites} suite
  for suite in $suites; do
    case " $all_suites $more_suites " in *" $suite "*) ;; *) die "there is no suite '$suite': $all_suites $more_suites" ;; esac
  done
  need_packages build
  begin_results
  mkdir -p build
  rm -f build/packages.installed build/*/complete
  set_up $suites >build/set_up.log 2>&1 </dev/null &
  setting_up=$!
  for suite in $suites; do "suite_$suite" || true; done
  all_set_up
  stop_building_ahead
  finish_results
}

soak_command() {
  need_packages build clang check bench test
  begin_results
  end_to_end release tests/soak/run.sh soak || true
  finish_results
}

# What the first build does without comes while it compiles: the other packages, then what the named suites need of npm. The latter fails
# in silence: each suite's own script looks again, and says what fails.
set_up() {
  local suite
  need_packages clang check bench test
  : >build/packages.installed
  for suite in "$@"; do
    case $suite in
      e2e*) npm_folder tests/e2e ;;
      prices) npm_folder tests/prices ;;
      tokens) npm_folder tools/tokens ;;
      clients) npm_folder tests/e2e && npm_folder tests/clients ;;
    esac
  done >/dev/null 2>&1
}
npm_folder() { (cd "$1" && . "$checkout/tests/npm_packages.sh" && npm_packages "$1"); }
checkout=$PWD

# packages_here: waits for the packages; all_set_up: also for npm, as two npm at work in one folder disturb each other.
packages_here() {
  [ -n "$setting_up" ] || return 0
  until [ -e build/packages.installed ]; do
    kill -0 "$setting_up" 2>/dev/null || { cat build/set_up.log; die "installing packages failed; the lines above say why"; }
    sleep 0.5
  done
}
all_set_up() {
  packages_here
  [ -z "$setting_up" ] || wait "$setting_up" 2>/dev/null || true   # a bare wait elsewhere may have seen it end
  setting_up=
}
setting_up=

# build_ahead: compiles, behind everything else, what suites to come need, in their order: tests wait more than they compute. It fails in
# silence: the suite that needs it goes on with the same build, aloud.
build_ahead() {
  local what to_come=()
  case " ${suites:-} " in *" asan "* | *" fuzz "* | *" planted "*) to_come+=(dev) ;; esac
  case " ${suites:-} " in *" tsan "*) to_come+=("tsan unit_tests") ;; esac
  [ -z "$ahead" ] && [ ${#to_come[@]} -gt 0 ] || return 0
  (
    compiling=
    trap '[ -z "$compiling" ] || { kill "$compiling"; wait "$compiling"; }; exit' TERM
    packages_here
    for what in "${to_come[@]}"; do
      [ ! -e "build/${what%% *}/complete" ] || continue
      configure "${what%% *}" || exit
      nice -n 15 ninja -C build/$what -j "$JOBS" >"build/${what%% *}/ahead.log" 2>&1 &
      compiling=$!
      wait "$compiling" || exit
      : >"build/${what%% *}/complete"
      compiling=
    done
  ) </dev/null >/dev/null 2>&1 &
  ahead=$!
}
stop_building_ahead() {
  [ -n "$ahead" ] || return 0
  kill "$ahead" 2>/dev/null || true
  wait "$ahead" 2>/dev/null || true
  ahead=
}
ahead=

# build_once PRESET [TARGET...]: brought up to date by the first suite that needs it.
build_once() {
  local what="${*// /_}" status=0
  case $built in *" $what:yes "*) return 0 ;; *" $what:no "*) return 1 ;; esac
  [ -e "build/$1/complete" ] || stop_building_ahead
  [ "$1" = release ] || packages_here
  if attempt "build $1" build "$@"; then built+="$what:yes "; else built+="$what:no " status=1; fi
  case "$status $*" in "0 dev" | "0 tsan unit_tests") : >"build/$1/complete" ;; esac
  build_ahead
  return $status
}
built=" "

# ---- unit tests ------------------------------------------------------------------------------------------------------
# Under ASan and UBSan, and those with threads under TSan (cmake/Layers.cmake): a third time, in the release build, they find nothing more.

suite_unit() { unit_tests release; }
suite_asan() { unit_tests dev; }

suite_tsan() { unit_tests tsan unit_tests; }

# unit_tests PRESET [TARGET]: all that the preset has. One more than there are processors, as those with a database wait for it.
unit_tests() {
  local preset=$1 from log=build/$1/ctest.log
  build_once "$@" || return 1
  packages_here   # a database's server is among them
  from=$SECONDS
  say "unit tests, $preset"
  rm -rf "build/$preset/results"
  mkdir -p "build/$preset/results"
  in_memory
  GTEST_OUTPUT="json:$PWD/build/$preset/results/" TMPDIR=${scratch:-${TMPDIR:-/tmp}} $(sanitizer_environment) \
    ctest --test-dir "build/$preset" -j $((JOBS + 1)) --output-on-failure --no-tests=error </dev/null 2>&1 | tee "$log" | indent
  [ -z "$scratch" ] || rm -rf "$scratch"
  count_ctest "$preset" "$log" $((SECONDS - from))
}

# in_memory: scratch is a folder where no test waits for a disk (most of the time of those with SQLite is that); empty where memory is scarce.
# The database's server, which may be another user's, has to get through.
in_memory() {
  local room memory
  scratch=
  room=$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1) && memory=$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo) || return 0
  [ "$room" -gt 3000000 ] && [ "$memory" -gt 5000000 ] && [ -w /dev/shm ] || return 0
  scratch=/dev/shm/gw-tests-$(cksum <<<"$PWD" | tr ' ' -)
  rm -rf "$scratch"
  mkdir -m 1777 "$scratch"
  # Some tests start programs that they write there.
  printf '#!/bin/sh\n' >"$scratch/runs" && chmod 755 "$scratch/runs" && "$scratch/runs" 2>/dev/null || { rm -rf "$scratch" && scratch=; }
}

# Reports with names and lines need the symbolizer, which Debian installs under a versioned name. `env` alone when it is not there.
sanitizer_environment() {
  local symbolizer
  symbolizer=$(command -v llvm-symbolizer-19) || symbolizer=
  echo env "ASAN_SYMBOLIZER_PATH=$symbolizer" "TSAN_OPTIONS=external_symbolizer_path=$symbolizer:halt_on_error=1:second_deadlock_stack=1" \
    "UBSAN_OPTIONS=print_stacktrace=1"
}

indent() { sed -u 's/^/   /'; }

# count_ctest PRESET LOG SECONDS: a GoogleTest program counts its cases (from its own report), any other test counts as one; a
# program that failed without a failing case (a crash, a leak report at exit) counts as one failure.
count_ctest() {
  local preset=$1 log=$2 took=$3 passed=0 failed=0 name verdict report cases failures
  while read -r name verdict; do
    report=build/$preset/results/test_${name#unit_}.json
    cases=1 failures=0
    if [ -e "$report" ]; then
      cases=$(json_number tests "$report")
      failures=$(json_number failures "$report")
    fi
    if [ "$verdict" != Passed ] && [ "$failures" -eq 0 ]; then
      failures=1
      [ -e "$report" ] || cases=1
    fi
    passed=$((passed + (cases > failures ? cases - failures : 0)))
    failed=$((failed + failures))
  done < <(sed -nE 's/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: ([^ ]+) \.*( *Passed|.*\*\*\*).*/\1 \2/p' "$log" | sed 's/ \+/ /g')
  [ $((passed + failed)) -gt 0 ] || failed=1
  record "unit tests, $preset" $passed $failed "$took"
  [ $failed -eq 0 ] || { explain "unit tests, $preset" "$log"; return 1; }
}

# json_number KEY FILE: the first "KEY": N, which in GoogleTest's report is the total.
json_number() { grep -m1 -oE "\"$1\": *[0-9]+" "$2" | grep -oE '[0-9]+$'; }

# ---- end to end --------------------------------------------------------------------------------------------------------

suite_e2e() { end_to_end release; }

# The same tests on binaries that report what they see of data races, bad accesses and leaks; a report ends the gateway, and the test with it.
suite_e2e_asan() { GW_SANITIZED=1 GW_PATIENCE=6 end_to_end dev; }
suite_e2e_tsan() { GW_SANITIZED=1 GW_PATIENCE=10 end_to_end tsan; }

# The price engine beside the npm package that its table comes from, on usages drawn anew each time.
suite_prices() {
  local from=$SECONDS log=build/release/prices.log status=0 passed failed
  build_once release ongoingai ongoingai_unscrubbed price_oracle count_tokens || return 1
  all_set_up
  say "prices, by the npm package"
  GW_PRICE_ORACLE="$PWD/build/release/price_oracle" tests/prices/run.sh </dev/null 2>&1 | tee "$log" | indent || status=$?
  passed=$(tap_count pass "$log")
  failed=$(tap_count fail "$log")
  [ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  [ $((passed + failed)) -gt 0 ] || failed=1
  record "prices" "$passed" "$failed" $((SECONDS - from))
  [ "$failed" -eq 0 ] || { explain prices "$log"; return 1; }
}

# end_to_end PRESET [SCRIPT [NAME]]
end_to_end() {
  local preset=$1 script=${2:-tests/e2e/run.sh} name=${3:-end to end} from log=build/$1/e2e.log status=0 passed failed
  case $preset in
    release) build_once release ongoingai ongoingai_unscrubbed price_oracle count_tokens ;;
    *) build_once "$preset" ongoingai ongoingai_unscrubbed ;;
  esac || return 1
  all_set_up
  from=$SECONDS
  say "$name, $preset"
  GW_BINARY="$PWD/build/$preset/ongoingai" $(sanitizer_environment) "$script" </dev/null 2>&1 | tee "$log" | indent || status=$?
  passed=$(tap_count pass "$log")
  failed=$(tap_count fail "$log")
  [ $status -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  [ $((passed + failed)) -gt 0 ] || failed=1
  record "$name, $preset" "$passed" "$failed" $((SECONDS - from))
  [ "$failed" -eq 0 ] || { explain "$name, $preset" "$log"; return 1; }
}

# Node's runner ends with `# pass 12` or, when it prints for people, `ℹ pass 12`; a suite run in parts prints several.
tap_count() { awk -v what="$1" '($1 == "#" || $1 == "ℹ") && $2 == what && $3 ~ /^[0-9]+$/ { n += $3 } END { print n + 0 }' "$2"; }

# ---- the tokenizers beside their publishers' own -----------------------------------------------------------------------

# Coding agents' own binaries, 640 MB of npm packages.
suite_clients() { end_to_end release tests/clients/run.sh clients; }
suite_tokens() { end_to_end release tests/tokens/run.sh tokens; }

# The Debian package in a fresh Debian 12; some minutes, root and a mirror.
suite_install() {
  all_set_up
  need_packages package install
  build_once release ongoingai && package_release && attempt "install" tests/package/install.sh build/package/ongoingai_*.deb
}

# ---- fuzzing -----------------------------------------------------------------------------------------------------------

# Chance decides nothing here: the seed is always the same, `./dev fuzz` draws others.
suite_fuzz() { GW_FUZZ_SHORT=yes GW_FUZZ_SEED=1 fuzz_suite fuzz 30; }

# The proof that the fuzz targets can find something: each once more, with a bug planted in what it exercises.
suite_planted() { GW_FUZZ_SEED=1 fuzz_suite planted 60; }

fuzz_suite() {
  local suite=$1 secs=$2 sources=()
  mapfile -t sources < <(fuzz_targets)
  if [ ${#sources[@]} -eq 0 ]; then
    note "there is no fuzz target (src/*/*_fuzz.cpp)"
    record "$suite" 0 1 0
    return 1
  fi
  build_once dev || return 1
  say "$suite: ${#sources[@]} targets, at most $secs s each, seed $GW_FUZZ_SEED"
  fuzz_run "$suite" "$secs" "$GW_FUZZ_SEED" "${sources[@]}"
}
