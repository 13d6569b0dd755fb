#!/usr/bin/env python3
"""How fast the gateway answers over a large database: the questions of dashboards, list pages with one filter, an export, a start.

usage: scale.py [--make build/release/make_traces] [--gateway build/release/ongoingai] [--folder DIR] [--counts 1000000,10000000] [--rounds 30]

Makes the databases that are missing in DIR (the small one takes a minute, the large one ten, and 8 GB), serves each from the real
binary on a free loopback port and asks over HTTP, one question at a time. Ends by itself.
"""
import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

FROM, TO = "2026-10-21T00:00:00Z", "2026-11-20T00:00:00Z"
RAGGED = "from=2026-10-21T10:20:30.123456789Z&to=2026-11-18T17:41:59Z"

QUESTIONS = [
    ("summary", "/api/analytics/summary"),
    ("usage by model by day", "/api/analytics/usage?group_by=model&bucket=day"),
    ("latency by route", "/api/analytics/latency?group_by=route"),
    ("errors by key", "/api/analytics/errors?group_by=key"),
    ("summary, ragged range", "/api/analytics/summary?" + RAGGED),
    ("usage by model by day, ragged range", "/api/analytics/usage?group_by=model&bucket=day&" + RAGGED),
    ("latency by route, ragged range", "/api/analytics/latency?group_by=route&" + RAGGED),
    ("errors by key, ragged range", "/api/analytics/errors?group_by=key&" + RAGGED),
    ("cost by hour", "/api/analytics/cost?bucket=hour"),
    ("models", "/api/analytics/models"),
    ("keys", "/api/analytics/keys"),
    ("usage of one model by key", "/api/analytics/usage?group_by=key&model=gpt-model-0"),
]
FILTERS = [  # name, a value that many traces have, one that few have, one that none has
    ("provider", "openai", None, "nobody"),
    ("model", "gpt-model-0", "claude-model-39", "gpt-model-99"),
    ("api_key_hash", "%064x" % 1, "%064x" % 500, "f" * 64),
    ("status", "200", "500", "418"),
    ("min_tokens", "1", "22900", "5000000"),
    ("max_tokens", "9000000", "1", None),
    ("trace_group_id", None, "group-7", "group-x"),
    ("thread_id", None, "thread-7", "thread-x"),
    ("run_id", None, "run-7", "run-x"),
    ("session_id", None, "session-7", "session-x"),
    ("path", "/openai/v1/chat/completions", "/anthropic/v1/audio/speech", "/nowhere"),
    ("gateway_key_id", "key-0", "key-499", "key-x"),
    ("outcome", "complete", "client_aborted", "refused_by_guard"),
    ("min_cost_usd", "0.000001", "0.00477", "100"),
    ("min_latency_ms", "1", "20040", "1000000"),
    ("from", "2026-11-01", "2026-11-19T23:59:30Z", "2027-01-01"),
    ("to", "2026-11-01", "2026-10-21T00:00:20Z", "2020-01-01"),
]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Gateway:
    def __init__(self, binary, database):
        self.port = free_port()
        settings = {
            "server": {"host": "127.0.0.1", "port": self.port},
            "storage": {"path": database},
            "trace": {"ring_bytes": 1 << 20, "spill_bytes": 0},
        }
        config = database + ".yaml"
        with open(config, "w") as f:
            json.dump(settings, f)
        started = time.monotonic()
        self.process = subprocess.Popen([binary, "serve", "--config", config], stdout=subprocess.DEVNULL)
        while True:
            try:
                if self.ask("/api/ready")[0] == 200:
                    break
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit("scale: the gateway did not start")
            time.sleep(0.001)
        self.start_ms = (time.monotonic() - started) * 1000

    def ask(self, target):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request("GET", target)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def anonymous_mib(self):
        with open(f"/proc/{self.process.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("RssAnon")) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def timed(gateway, target, rounds):
    taken = []
    for _ in range(rounds):
        started = time.monotonic()
        status, body = gateway.ask(target)
        taken.append((time.monotonic() - started) * 1000)
        if status != 200:
            sys.exit(f"scale: {target}: {status} {body[:200]!r}")
    taken.sort()
    return taken[len(taken) // 2], taken[min(len(taken) - 1, int(len(taken) * 0.95))]


def export(gateway):
    """Traces a second of the whole export as NDJSON, MiB a second, and the most anonymous memory meanwhile."""
    most, done = [0.0], threading.Event()

    def watch():
        while not done.wait(0.02):
            most[0] = max(most[0], gateway.anonymous_mib())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    size = lines = 0
    with socket.create_connection(("127.0.0.1", gateway.port)) as s:
        s.sendall(b"GET /api/export/traces?format=ndjson HTTP/1.0\r\nHost: x\r\n\r\n")
        while part := s.recv(1 << 20):
            size += len(part)
            lines += part.count(b"\n")
    taken = time.monotonic() - started
    done.set()
    watcher.join()
    return lines / taken, size / taken / 2**20, most[0]


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    parser.add_argument("--make", default="build/release/make_traces")
    parser.add_argument("--gateway", default="build/release/ongoingai")
    parser.add_argument("--folder", default="build/scale")
    parser.add_argument("--counts", default="1000000,10000000")
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    os.makedirs(options.folder, exist_ok=True)
    before = {}
    for count in [int(c) for c in options.counts.split(",")]:
        database = f"{options.folder}/traces-{count}.db"
        if not os.path.exists(database):
            started = time.monotonic()
            subprocess.run([options.make, database + ".part", str(count)], check=True)
            for suffix in ("-wal", "-shm"):
                if os.path.exists(database + ".part" + suffix):
                    sys.exit("scale: the database was left open")
            os.rename(database + ".part", database)
            print(f"made {count} traces in {time.monotonic() - started:.0f} s")
        gateway = Gateway(options.gateway, database)
        try:
            print(f"\n{count} traces, {os.path.getsize(database) / 2**30:.1f} GiB; start {gateway.start_ms:.0f} ms")
            print(f"{'':44} {'median':>8} {'p95':>8}   ms" + ("   p95 to the one above" if before else ""))
            now = {}

            def show(name, target):
                median, p95 = timed(gateway, target, options.rounds)
                now[name] = p95
                ratio = f"   {p95 / before[name]:.2f}" if name in before else ""
                print(f"{name:44} {median:8.1f} {p95:8.1f}{ratio}", flush=True)

            for name, target in QUESTIONS:
                show(name, target)
            for name, *values in FILTERS:
                for kind, value in zip(("many", "few", "none"), values):
                    if value is not None:
                        show(f"page of {name}, {kind}", f"/api/traces?{name}={value}")
            traces, speed, memory = export(gateway)
            print(f"export: {traces:,.0f} traces/s, {speed:.0f} MiB/s, at most {memory:.0f} MiB resident (anonymous)")
        finally:
            gateway.stop()
        before = now


if __name__ == "__main__":
    main()
