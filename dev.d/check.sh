# ./dev check and ./dev format: what a machine can see in the sources, in minutes and without a build.

tidy_budget=180   # seconds after which no further file is begun

check_command() {
  need_packages build clang check
  begin_results
  attempt "format" check_format || true
  attempt "scripts" check_scripts || true
  attempt "lint" python3 tools/lint.py || true
  count_lint_tests || true
  attempt "clang-tidy" check_tidy || true
  finish_results
}

cpp_files() { tracked | grep -E '\.(cpp|h)$'; }

# Tracked and new files; without a repository (an unpacked archive), all but what a build or npm made.
tracked() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard | while read -r file; do [ ! -f "$file" ] || echo "$file"; done
  else
    find . -type f -not -path './build/*' -not -path '*/node_modules/*' | sed 's|^\./||'
  fi
}

# Only names: `./dev format` puts the rest right.
check_format() {
  local file bad
  mapfile -t bad < <(cpp_files | while read -r file; do
    clang-format-19 --dry-run -Werror "$file" >/dev/null 2>&1 || echo "$file"
  done)
  [ ${#bad[@]} -gt 0 ] || return 0
  note "not formatted (./dev format does it):"
  printf '     %s\n' "${bad[@]}"
  return 1
}

format_command() {
  need_packages check
  cpp_files | xargs -r clang-format-19 -i
}

check_scripts() {
  local script
  for script in dev dev.d/*.sh .ci/run $(tracked | grep '^tests/.*\.sh$'); do bash -n "$script" || return 1; done
  python3 -m py_compile $(tracked | grep '\.py$') && rm -rf tools/__pycache__ tools/bench/__pycache__
}

# The lint's own tests plant violations and expect each to be found.
count_lint_tests() {
  local from=$SECONDS out ran failed
  say "lint tests"
  out=$(python3 -B tools/lint_test.py 2>&1)
  local status=$?
  ran=$(sed -nE 's/^Ran ([0-9]+) tests?.*/\1/p' <<<"$out")
  failed=$(sed -nE 's/^FAILED \(.*\)$/&/p' <<<"$out" | grep -oE '[0-9]+' | paste -sd+ | bc_sum)
  [ $status -eq 0 ] || { echo "$out"; [ "$failed" -gt 0 ] || failed=1; }
  record "lint tests" $((${ran:-0} > failed ? ${ran:-0} - failed : 0)) "$failed" $((SECONDS - from))
  return $status
}

bc_sum() { awk -F+ '{ for (i = 1; i <= NF; i++) n += $i } END { print n + 0 }'; }

# ---- clang-tidy on what changed ----------------------------------------------------------------------------------------

# tidy_base: the revision to compare with, nothing when all files are to be looked at. On a branch where it left the remote's
# main line; with uncommitted changes the last commit; otherwise (CI on a clean clone) the commit before the last.
tidy_base() {
  local fork
  if [ -n "${GW_BASE:-}" ]; then
    git rev-parse --verify -q "$GW_BASE^{commit}" || die "GW_BASE names no commit: $GW_BASE"
    return
  fi
  fork=$(git merge-base HEAD origin/HEAD 2>/dev/null) || fork=
  if [ -n "$fork" ] && [ "$fork" != "$(git rev-parse HEAD)" ]; then
    echo "$fork"
  elif [ -n "$(git status --porcelain -- src 2>/dev/null)" ]; then
    git rev-parse HEAD
  else
    git rev-parse --verify -q HEAD~1 || true
  fi
}

changed_sources() {
  local base
  git rev-parse --verify -q HEAD >/dev/null 2>&1 || { cpp_files | grep '^src/'; return; }
  base=$(tidy_base)
  if [ -n "$base" ]; then
    { git diff --name-only --diff-filter=d "$base" -- src; git ls-files --others --exclude-standard -- src; } | sort -u | grep -E '\.(cpp|h)$'
  else
    cpp_files | grep '^src/'
  fi
}

# Sources to look at: changed ones, and for a changed header the source beside it or else the first that includes it. Tests and
# fuzz targets come last: when the time is up they are what is left. Benchmarks are not part of the preset `dev`.
tidy_sources() {
  local file twin
  changed_sources | while read -r file; do
    case $file in
      *.cpp) echo "$file" ;;
      *)
        twin=${file%.h}.cpp
        [ -e "$twin" ] || twin=$(grep -rl --include='*.cpp' "#include \"${file#src/}\"" src | sort | sed -n 1p) || true
        [ -z "$twin" ] || echo "$twin"
        ;;
    esac
  done | sort -u | awk '/_bench\.cpp$/ { next } /_(test|fuzz)\.cpp$/ { later[++n] = $0; next } { print } END { for (i = 1; i <= n; i++) print later[i] }'
}

check_tidy() {
  local sources count
  mapfile -t sources < <(tidy_sources)
  count=${#sources[@]}
  if [ "$count" -eq 0 ]; then
    note "no C++ source changed"
    return 0
  fi
  # Without the precompiled headers: a file that does not include what it uses is found here.
  quiet build/tidy/configure.log cmake --preset dev -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON -DGW_UNITY=OFF || return 1
  note "$count sources, at most $tidy_budget s"
  rm -f build/tidy/looked
  printf '%s\n' "${sources[@]}" | SECONDS_BASE=$(date +%s) TIDY_BUDGET=$tidy_budget xargs -P "$JOBS" -n 1 bash dev.d/tidy_one.sh
  local status=$? looked
  looked=$(cat build/tidy/looked 2>/dev/null | wc -l)
  [ "$looked" -eq "$count" ] || note "the time was up after $looked of $count sources; GW_BASE=HEAD~1 narrows the choice"
  return $status
}
