# Shared by the parts of ./dev: what is said, what is installed, how a preset is built, how results are counted.
# Sourced with the checkout as working directory.

JOBS=${JOBS:-$(nproc)}
export HOME=${HOME:-$PWD/build/home}   # ccache and npm want one; a bare CI has none
# One checkout's objects serve another's: a clean clone of the same sources compiles nothing anew.
export CCACHE_BASEDIR=${CCACHE_BASEDIR:-$PWD} CCACHE_NOHASHDIR=${CCACHE_NOHASHDIR:-1}
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}   # what it needs to take files with a precompiled header
started=$SECONDS

say() { printf '== %s %s\n' "$(date +%H:%M:%S)" "$*"; }
note() { printf '   %s\n' "$*"; }
die() {
  printf 'dev: %s\n' "$*" >&2
  exit 1
}

# ---- results -------------------------------------------------------------------------------------------------------
# One line per suite: name, passed, failed, seconds. A caller that wants the sum over several commands gives GW_RESULTS.

results=${GW_RESULTS:-}

record() {
  [ -n "$results" ] || return 0
  printf '%s\t%d\t%d\t%d\n' "$1" "$2" "$3" "$4" >>"$results"
}

# begin_results: starts counting; finish_results: prints the table of this command and fails when a suite did.
begin_results() {
  [ -n "$results" ] || results=$(mktemp)
  results_from=$(wc -l <"$results")
}

finish_results() {
  say "summary, $((SECONDS - started)) s in all"
  tail -n "+$((results_from + 1))" "$results" | awk -F'\t' '
    { printf "   %-24s %6d passed %4d failed %5d s\n", $1, $2, $3, $4; passed += $2; failed += $3 }
    END { printf "   %-24s %6d passed %4d failed\n", "all", passed, failed; exit failed > 0 }' && return
  printf '%s' "$why_failed"
  return 1
}

# explain NAME LOG: what a failing suite printed about its failures is said once more behind the summary, where a reader looks first.
explain() {
  local lines
  lines=$(awk '/^✖ failing tests:|^not ok / { on = 60 } /: Failure$|WARNING: ThreadSanitizer|ERROR: AddressSanitizer|runtime error:/ { if (on < 25) on = 25 }
    on > 0 { print; on-- }' "$2" | head -n 120 | cut -c -400)
  [ -z "$lines" ] || why_failed+=$(printf '== what failed in %s\n%s' "$1" "$lines")$'\n'
}
why_failed=

# attempt NAME COMMAND...: a suite that passes or fails as a whole. What it calls says itself what must not be gone past
# (bash ignores errexit here).
attempt() {
  local name=$1 from=$SECONDS status=0
  shift
  say "$name"
  ("$@") || status=$?
  if [ $status -eq 0 ]; then
    record "$name" 1 0 $((SECONDS - from))
  else
    note "FAILED: $name"
    record "$name" 0 1 $((SECONDS - from))
  fi
  return $status
}

# ---- packages ------------------------------------------------------------------------------------------------------

# missing_packages GROUP...: the packages that are absent or too old, one per line.
missing_packages() {
  local group package version program have
  while read -r group package version program; do
    case " $* " in *" $group "*) ;; *) continue ;; esac
    [ -n "$program" ] && command -v "$program" >/dev/null && continue
    have=$(dpkg-query -W -f '${db:Status-Abbrev}${Version}' "$package" 2>/dev/null) || have=
    case $have in
      ii*) dpkg --compare-versions "${have#ii }" ge "$version" && continue ;;
    esac
    echo "$package"
  done < <(grep -v '^\(#\|$\)' dev.d/packages.txt) | sort -u
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "installing packages needs root or sudo; as root: apt-get install --no-install-recommends $missing"
  fi
}

# need_packages GROUP...: installs what is missing; does nothing, and asks for no password, when nothing is.
need_packages() {
  local missing blocked=
  if ! command -v dpkg-query >/dev/null; then
    note "this is no Debian: dev.d/packages.txt says what is needed; going on with what is here"
    return 0
  fi
  missing=$(missing_packages "$@" | paste -sd' ')
  [ -n "$missing" ] || return 0
  [ -z "${GW_NO_INSTALL:-}" ] || die "packages are missing: $missing"
  say "installing Debian packages: $missing"
  # The servers among them (nginx, haproxy, pgbouncer, redis) are for tests and benchmarks: their services must not start here.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod 755 /usr/sbin/policy-rc.d
    blocked=yes
    trap 'as_root rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  # PostgreSQL's package makes a cluster of its own for whoever has asked for nothing else; the tests make theirs.
  local no_cluster=/etc/postgresql-common/createcluster.d/no_cluster_for_tests.conf
  case " $missing " in
    *" postgresql-15 "*)
      as_root mkdir -p "${no_cluster%/*}"
      echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
      ;;
  esac
  local status=0
  apt_install $missing || status=$?
  as_root rm -f "$no_cluster"
  if [ -n "$blocked" ]; then
    as_root rm -f /usr/sbin/policy-rc.d
    trap - EXIT
  fi
  [ $status -eq 0 ] || die "apt-get failed; the lines above say why"
  # Installed for their binaries only: nor should they start with the next boot.
  if [ -d /run/systemd/system ]; then
    case " $missing " in *" nginx-light "*) as_root systemctl disable nginx >/dev/null 2>&1 || true ;; esac
    case " $missing " in *" haproxy "*) as_root systemctl disable haproxy >/dev/null 2>&1 || true ;; esac
    case " $missing " in *" pgbouncer "*) as_root systemctl disable pgbouncer >/dev/null 2>&1 || true ;; esac
    case " $missing " in *" redis-server "*) as_root systemctl disable redis-server >/dev/null 2>&1 || true ;; esac
  fi
  missing=$(missing_packages "$@" | paste -sd' ')
  [ -z "$missing" ] || die "this system's packages are older than dev.d/packages.txt asks for (Debian 12 has them): $missing"
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 update </dev/null &&
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 \
      install --no-install-recommends "$@" </dev/null
}

# ---- building ------------------------------------------------------------------------------------------------------

# quiet LOG COMMAND...: shows the output only when the command fails.
quiet() {
  local log=$1
  shift
  mkdir -p "$(dirname "$log")"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    return 1
  fi
}

configure() {
  local preset=$1 commit=none date=unknown
  if git rev-parse --verify -q HEAD >/dev/null 2>&1; then
    commit=$(git rev-parse --short=12 HEAD)
    date=$(git log -1 --format=%cs)
  fi
  quiet "build/$preset/configure.log" cmake --preset "$preset" -DGW_COMMIT="$commit" -DGW_DATE="$date"
}

# Ninja writes one line per step into a pipe: keep one in 20 as a sign of life, and everything that is not progress.
progress() {
  if [ -t 1 ]; then cat; else
    awk '/^\[[0-9]+\/[0-9]+\]/ { split(substr($1, 2), at, /[\/\]]/); if (at[1] % 20 == 0 || at[1] == at[2]) print "   " $0; fflush(); next }
         { print; fflush() }'
  fi
}

# build PRESET [TARGET...]
build() {
  local preset=$1 from=$SECONDS
  shift
  configure "$preset" || return 1
  say "building $preset${*:+: $*}"
  if [ -t 1 ]; then
    ninja -C "build/$preset" -j "$JOBS" "$@" || return 1
  else
    ninja -C "build/$preset" -j "$JOBS" "$@" </dev/null | progress || return 1
  fi
  note "build/$preset is up to date after $((SECONDS - from)) s"
}
