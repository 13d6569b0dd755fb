# ./dev bench

bench_command() {
  local work=${1:-all}
  [ $# -eq 0 ] || shift
  case $work in
    micro)
      need_packages build
      build release || return 1
      micro_benchmarks "$@"
      ;;
    all | chat | sse | paced)
      need_packages build bench
      build release ongoingai || return 1
      local each status=0
      [ "$work" != all ] || work="chat sse paced"
      for each in $work; do
        python3 tools/bench/compare.py --gateway build/release/ongoingai --work "$each" "$@" || status=1
      done
      return $status
      ;;
    scale)
      need_packages build bench
      build release ongoingai make_traces || return 1
      python3 tools/bench/scale.py "$@"
      ;;
    *) die "there is no work '$work': chat, sse, paced, all, scale or micro" ;;
  esac
}

micro_benchmarks() {
  local program ran=
  for program in build/release/src/bench_*; do
    [ -x "$program" ] || continue
    say "$(basename "$program")"
    "$program" "$@" || return 1
    ran=yes
  done
  [ -n "$ran" ] || die "there are no micro benchmarks (src/*/*_bench.cpp)"
}
