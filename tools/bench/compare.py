#!/usr/bin/env python3
"""What a traced request costs: the gateway beside nginx and HAProxy doing the same work without traces, in one run.

One CPU carries the system under test (for the gateway the whole process, storage included), another the load (wrk) and the upstream.
The systems take turns, round after round, and nginx goes twice, first and last: the mean of its two turns is the base of the round's ratios,
and how far the two are apart is the noise. The figures are medians over the rounds. The gateway's CPU is read after its last trace is
stored, so that work it puts off is charged too.

  chat    chat completions, about 1 KB each way
  sse     streams of 200 events, as fast as the upstream sends
  paced   streams of 100 events, one every 10 ms, on 512 connections

Listens on 127.0.0.1 only, on free ports. Status 0 when no request failed and the stored traces match the answered requests.
"""
import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

import systems

MEASURED = ("nginx", "gateway", "haproxy", "nginx again")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gateway", required=True, help="the binary")
    parser.add_argument("--work", choices=["chat", "sse", "paced"], default="chat")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--secs", type=int, default=4, help="length of one turn")
    parser.add_argument("--conns", type=int, help="default 64, 512 for paced")
    parser.add_argument("--env", action="append", default=[], metavar="NAME=VALUE", help="a setting for the gateway")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    args = parser.parse_args()
    args.conns = args.conns or (512 if args.work == "paced" else 64)
    missing = [tool for tool in ("nginx", "haproxy", "wrk", "taskset", "g++") if not shutil.which(tool)]
    if missing:
        sys.exit(f"bench: not installed: {', '.join(missing)} (./dev bench installs them)")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench: needs two CPUs, one for the system and one for the load")
    return args


class Comparison:
    def __init__(self, args, started, script, path):
        self.args, self.systems, self.script, self.path = args, started, script, path
        self.gateway = started["gateway"]
        self.answered = self.gateway_turns = self.failed = 0
        self.threads = {}

    def turn(self, name, connections, seconds):
        """One system under load; its figures, CPU per request included."""
        system = self.systems[name]
        cpu, threads = system.cpu_seconds(), system.cpu_by_thread()
        figures = system.load(self.script, self.path, connections, seconds)
        if figures["failed"]:
            self.failed += figures["failed"]
            print(f"bench: {name}: {figures['failed']} failed requests", file=sys.stderr)
        if system is self.gateway:
            self.answered += figures["answered"]
            self.gateway_turns += 1
            system.settle(self.answered)
            for thread, used in system.cpu_by_thread().items():
                self.threads[thread] = self.threads.get(thread, 0) + used - threads.get(thread, 0)
        else:
            time.sleep(0.3)  # buffered log lines belong to the turn
        return dict(figures, us=(system.cpu_seconds() - cpu) * 1e6 / max(figures["answered"], 1), rps=figures["answered"] / seconds)

    def run_rounds(self):
        for name in MEASURED:
            self.turn(name, self.args.conns, 2)  # warm-up
        self.threads.clear()
        turns = {name: [] for name in MEASURED}
        for _ in range(self.args.rounds):
            for name in MEASURED:
                turns[name].append(self.turn(name, self.args.conns, self.args.secs))
        return turns

    def table(self, turns):
        base = [{k: (a[k] + b[k]) / 2 for k in ("us", "rps")} for a, b in zip(turns["nginx"], turns["nginx again"])]
        median = lambda name, key: statistics.median(t[key] for t in turns[name])
        ratio = lambda name, key: statistics.median(t[key] / b[key] for t, b in zip(turns[name], base))
        columns = ["CPU us/req", "req/s", "p50 us", "p99 us", "anon MiB", "CPU / nginx", "rps / nginx"]
        print(f"{self.args.work}: {self.args.conns} connections, {self.args.rounds} rounds of {self.args.secs} s, medians")
        print(" " * 12 + "".join(f"{c:>13}" for c in columns))
        rows = {}
        for name in MEASURED:
            row = [median(name, "us"), median(name, "rps"), median(name, "p50"), median(name, "p99"), self.systems[name].anonymous_mib(),
                   ratio(name, "us"), ratio(name, "rps")]
            rows[name] = dict(zip(("cpu_us", "rps", "p50_us", "p99_us", "anon_mib", "cpu_vs_nginx", "rps_vs_nginx"), row))
            print(f"{name:12}" + "".join(f"{v:13.{d}f}" for v, d in zip(row, (2, 0, 0, 0, 1, 2, 2))))
        requests = sum(t["answered"] for t in turns["gateway"])
        threads = {k: v * 1e6 / requests for k, v in sorted(self.threads.items(), key=lambda item: -item[1]) if v > 0}
        ahead = sum(v for k, v in threads.items() if not k.startswith(systems.BEHIND)) / statistics.median(b["us"] for b in base)
        print("gateway, CPU us/req by thread: " + ", ".join(f"{k} {v:.2f}" for k, v in threads.items()))
        print(f"gateway, all threads but {'/'.join(systems.BEHIND)}: {ahead:.2f} x nginx")
        return dict(systems=rows, gateway_threads_us=threads, relay_vs_nginx=ahead)

    def one_connection(self):
        """What the way through adds to one request at a time."""
        direct = self.systems["upstream"].load(self.script, self.path, 1, 2)
        print(f"one connection: direct p50 {direct['p50']} us")
        added = {}
        for name in ("nginx", "gateway"):
            through = self.turn(name, 1, 2)
            added[name] = dict(p50=through["p50"] - direct["p50"], p99=through["p99"] - direct["p99"], slow=through["slow"])
            print(f"  {name} adds {added[name]['p50']} us (p99 {added[name]['p99']} us); {through['slow']} of {through['answered']} took 30 to 50 ms")
        return dict(one_connection=added)

    def traces(self):
        stored, dropped = self.gateway.settle(self.answered), self.gateway.pipeline()["total_dropped_total"]
        begun = self.answered + self.args.conns * self.gateway_turns  # wrk leaves its last requests unfinished
        print(f"traces: {self.answered} answered requests, at most {begun} begun; {stored} stored, {dropped} dropped")
        if dropped or not self.answered <= stored <= begun:
            self.failed += 1
            print("bench: the stored traces do not match the answered requests", file=sys.stderr)
        return dict(answered=self.answered, stored=stored, dropped=dropped)


def main():
    args = arguments()
    folder = tempfile.mkdtemp(prefix="ongoingai-bench-")
    os.chmod(folder, 0o755)  # nginx drops its privileges
    started = {}
    try:
        started, script, path = systems.start_all(folder, args.work, args.gateway, dict(e.split("=", 1) for e in args.env))
        comparison = Comparison(args, started, script, path)
        result = dict(work=args.work, conns=args.conns, rounds=args.rounds, **comparison.table(comparison.run_rounds()))
        if args.work != "paced":
            result.update(comparison.one_connection())
        result.update(comparison.traces())
        if args.json:
            with open(args.json, "w") as f:
                json.dump(result, f, indent=1)
    finally:
        systems.stop_all(started.values())
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if comparison.failed else 0)


if __name__ == "__main__":
    main()
