# ./dev build

build_command() {
  local preset=${1:-release}
  case $preset in
    times)
      build_times
      return
      ;;
    release) need_packages build ;;
    clang | dev | tsan) need_packages build clang ;;
    *) die "there is no preset '$preset': release, clang, dev or tsan" ;;
  esac
  build "$preset"
}

# The ten slowest steps of the last release build. Steps that ccache answered take no time: clear build/release and set
# CCACHE_DISABLE=1 to measure the compile-time budget.
build_times() {
  [ -e build/release/.ninja_log ] || die "there is no release build yet: ./dev build"
  awk -F'\t' '!/^#/ { took[$4] = $2 - $1 } END { for (step in took) printf "%7.1f s  %s\n", took[step] / 1000, step }' \
    build/release/.ninja_log | sort -rn | head -10
}
